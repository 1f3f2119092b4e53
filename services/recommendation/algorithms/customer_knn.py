"""Customer k-nearest neighbours: scores products by the decayed interactions of the most similar customers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from services.recommendation.algorithms.arrays import Csr, FloatArray, Longs, Rows, as_csr
from services.recommendation.algorithms.base import Interactions, Reason, Shopper, Space
from services.recommendation.algorithms.checks import require_positive
from services.recommendation.algorithms.histories import HistoriesMixin
from services.recommendation.algorithms.largest import largest_allowed
from services.recommendation.algorithms.reasons import from_sources, largest_places, strongest
from services.recommendation.algorithms.row_steps import SparseMatrix, floats, row_weights
from services.recommendation.algorithms.row_sums import agreeing, given_to
from services.recommendation.algorithms.shopper_scores import FewScores, ShopperScores
from services.recommendation.algorithms.sparse import combine, scaled, stacked, top_k_rows
from services.recommendation.algorithms.user_profile import UserProfile, UserProfileMixin

ONESELF = 0.999
"""A customer with a larger cosine than this is taken to be the shopper and is left out."""
LEAST_RARITY = 0.1
"""Lower bound of the inverse frequency, so that products that everybody buys still count a little."""
MOST_VOTERS = 4
"""Number of neighbours that a reason is based on: those that contributed most to the product's score."""
BLOCK = 32
"""Number of shoppers that are compared with all customers at a time; it limits the memory."""

Neighbours = tuple[Rows, FloatArray]


@dataclass(eq=False)
class CustomerKnn(HistoriesMixin, UserProfileMixin):
    """Decayed frequencies of the nearest customers (the neighbour part of TIFU-kNN).

    A customer's vector has log(1 + w) · log(customers / customers of the product) for each product, where w is the
    decayed weight of the customer's events with it. Similarity is the cosine of two vectors. The score of a product is
    the sum of similarity · w / (1 + w) over the `neighbours` most similar customers. Shoppers are not their own
    neighbours. The model stores the products of the `max_customers` most recently active customers, and whose they are,
    so that a customer can be forgotten.

    Source: Hu, He, Gao & Zhang, "Modeling personalized item frequency information for next-basket recommendation",
    SIGIR 2020, doi:10.1145/3397271.3401066

    Raises
    ------
    ValueError
        If a parameter is not positive.
    """

    name: ClassVar[str] = "customer_knn"
    space: ClassVar[Space] = {
        "neighbours": (25, 50, 100, 200, 400),
        "half_life_days": (15.0, 30.0, 60.0, 120.0, 240.0),
    }

    neighbours: int = 100
    """Number of nearest customers whose products are scored."""
    max_customers: int = 50_000
    """Largest number of customers in the model; the most recently active are kept."""
    half_life_days: float = 60.0
    """Time after which the weight of an event is halved, in days."""
    max_history: int = 400
    """Largest number of products per customer, in training and in scoring; the largest weights are kept."""

    rarity: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products,), float32: log(customers / customers of the product), at least 0.1."""
    index: SparseMatrix = field(init=False, repr=False)
    """Learned: sparse matrix of shape (n_products, n_kept), float32: column c is the unit vector of customer c."""
    habits: SparseMatrix = field(init=False, repr=False)
    """Learned: sparse matrix of shape (n_kept, n_products), float32: w / (1 + w) of each customer and product."""
    owners: Rows = field(init=False, repr=False)
    """Learned: ndarray of shape (n_kept,), int32: row of each customer in the training data; -1 for forgotten ones."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(neighbours=self.neighbours, max_customers=self.max_customers)

    def _fit(self, data: Interactions) -> None:
        x = self._learn_preferences(data)
        customers = np.bincount(x.indices, minlength=data.n_products)
        known = int((np.diff(x.indptr) > 0).sum())
        self.rarity = np.log(max(known, 1) / np.maximum(customers, 1)).clip(LEAST_RARITY).astype(np.float32)
        recent = most_recent(data, self.max_customers)
        self._own(recent)
        kept = top_k_rows(as_csr(x[recent]), self.max_history)
        self.index = as_csr(unit(scaled(kept, columns=self.rarity)).T)
        # a preference is log(1 + w), hence w / (1 + w) = 1 - exp(-preference)
        kept.data = -np.expm1(-kept.data)
        self.habits = kept

    def _score(self, shopper: Shopper) -> FloatArray:
        return combine(floats(self.habits), *self._nearest(shopper)).dense()

    def _sparse_scores(self, shopper: Shopper) -> ShopperScores:
        return FewScores.of_rows(self.habits, *self._nearest(shopper))

    def _score_many(self, shoppers: Sequence[Shopper]) -> FloatArray:
        scores = np.zeros((len(shoppers), self.n_products), dtype=np.float32)
        for start in range(0, len(shoppers), BLOCK):
            block = slice(start, start + BLOCK)
            scores[block] = (self._votes(shoppers[block]) @ floats(self.habits)).toarray()
        return scores

    def _reason(self, shopper: Shopper, product: int) -> Reason | None:
        voters, likeness = self._nearest(shopper)
        habits, index = self.habits, self.index
        likeness = row_weights(habits, voters, likeness)
        given = given_to(habits.indptr, habits.indices, habits.data, voters, likeness, product)
        if not given.any():
            return None
        rows, values = self._profile(shopper)
        values = row_weights(index, rows, values)
        agreed = largest_places(given, MOST_VOTERS)
        agreement = agreeing(index.indptr, index.indices, index.data, rows, values, voters[agreed], given[agreed])
        return from_sources(shopper, strongest(rows, agreement))

    def _nearest(self, shopper: Shopper) -> Neighbours:
        """Return the customers most similar to the shopper and their similarities, largest similarity first."""
        return shopper.memo((self, "nearest"), lambda: self._search(shopper))

    def _search(self, shopper: Shopper) -> Neighbours:
        found = FewScores.of_rows(self.index, *self._profile(shopper))
        customers, likeness = self._known(found.rows, found.values)
        likeness = np.where(likeness > ONESELF, np.float32(0.0), likeness)
        everybody = np.ones(found.n_products, np.bool_)
        return largest_allowed(customers, likeness, everybody, self.neighbours)

    def _votes(self, shoppers: Sequence[Shopper]) -> Csr:
        """Return the similarities of each shopper to their neighbours, shape (len(shoppers), n_kept)."""
        profiles = stacked([self._profile(shopper) for shopper in shoppers], self.n_products)
        likeness = as_csr(profiles @ floats(self.index))
        likeness.data[likeness.data > ONESELF] = 0.0
        if self._gone is not None:
            likeness.data[self._gone[likeness.indices]] = 0.0
        return top_k_rows(likeness, self.neighbours)

    def _profile(self, shopper: Shopper) -> UserProfile:
        """Return the shopper's products and their values in a vector of length 1; empty without any products."""
        return shopper.memo((self, "profile"), lambda: self._unit_profile(shopper))

    def _unit_profile(self, shopper: Shopper) -> UserProfile:
        rows, values = self._user_profile(shopper)
        weighted = values * self.rarity[rows]
        length = float(np.linalg.norm(weighted))
        return rows, weighted / np.float32(length or 1.0)


def most_recent(data: Interactions, n: int) -> Longs:
    """Return the rows of at most `n` customers, ascending: those whose last event is latest, of those with events."""
    latest = np.full(data.n_customers, np.iinfo(np.int64).min)
    np.maximum.at(latest, data.customers, data.times)
    active = np.flatnonzero(np.bincount(data.customers, minlength=data.n_customers))
    return np.sort(active[np.argsort(-latest[active], kind="stable")[:n]])


def unit(x: Csr) -> Csr:
    """Return `x` with each row divided by its length; rows of zeros stay zero."""
    owners = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
    lengths = np.sqrt(np.bincount(owners, x.data**2, x.shape[0]))
    return scaled(x, rows=(1.0 / np.where(lengths > 0, lengths, 1.0)).astype(np.float32))
