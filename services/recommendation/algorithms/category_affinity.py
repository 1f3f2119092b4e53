"""Category affinity: scores products by how often the shopper buys of their category, and by their share in it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask, Rows
from services.recommendation.algorithms.base import Algorithm, Interactions, Reason, ReasonKind, Shopper, Space
from services.recommendation.algorithms.checks import require_positive
from services.recommendation.algorithms.interactions import EVENT_WEIGHTS, Kind
from services.recommendation.algorithms.reasons import strongest
from services.recommendation.algorithms.shopper_scores import ShopperScores
from services.recommendation.algorithms.sparse import preferences
from shared.compiled import compiled

Doubles: TypeAlias = NDArray[np.float64]
MOST_LIFTED = 1_000
"""Categories up to which lifts are learned: they take 4 bytes for each pair."""


@dataclass(frozen=True, eq=False)
class CategoryScores:
    """The scores for one shopper: the rate of a product's category times its share in it.

    Parameters
    ----------
    rates : ndarray of shape (n_categories + 1,), float32
        By the code of the category plus 1.
    category : ndarray of shape (n_products,), int32
    shares : ndarray of shape (n_products,), float32
    ordered : ndarray of shape (n_products,), int32
        Rows by category, and in it by falling share.
    starts : ndarray of shape (n_categories + 2,), int64
        First place of each category in `ordered`.
    """

    rates: FloatArray
    category: Rows
    shares: FloatArray
    ordered: Rows
    starts: Longs

    def top(self, k: int, allowed: Mask) -> tuple[Rows, FloatArray]:
        return _best_of_categories(self.rates, self.shares, self.ordered, self.starts, allowed, k)

    def at(self, rows: Rows) -> FloatArray:
        return np.asarray(self.rates[self.category[rows] + 1] * self.shares[rows], np.float32)


@dataclass(eq=False)
class CategoryAffinity(Algorithm):
    """Rate of the category for the shopper times the share of the product in it; both are shrunk.

    rate(c) = (weight of the shopper's events in c + prior · share of c in all) / (weight of all their events + prior)
    share(j) = (count of j + smoothing) / sum of the same over the products of its category; 0 where nobody met j

    The counts are those of `Popular`. With a cart, the rate of c is multiplied with the largest lift of c with another
    category of the cart, and where c is in the cart with the lift of c with itself. The lift of two categories is how
    often they are in one basket, over how often they would be if the customers of the baskets spread what they buy
    over their baskets at random; both with `lift_prior` added.

    The scores of one shopper are proportional to an estimate of how often each product is bought, for rare and dear
    products too. So they may be multiplied with prices. Products without a category are a category of their own.

    Source of both estimates (Dirichlet priors): Zhai & Lafferty, "A study of smoothing methods for language models
    applied to information retrieval", ACM TOIS 2004, doi:10.1145/984321.984322; a mixture by category is a topic model
    with known topics: Hofmann, "Latent semantic models for collaborative filtering", ACM TOIS 2004,
    doi:10.1145/963770.963774

    Raises
    ------
    ValueError
        If a parameter is not positive.
    """

    name: ClassVar[str] = "category_affinity"
    space: ClassVar[Space] = {
        "prior": (3.0, 10.0, 30.0, 100.0),
        "half_life_days": (30.0, 60.0, 120.0, 240.0),
    }

    prior: float = 10.0
    """Weight of what all customers do, in events of the heaviest kind."""
    half_life_days: float = 120.0
    """Time after which the weight of an event is halved, in days."""
    smoothing: float = 1.0
    """Added to the count of each product, in units of confidence: about one buyer."""
    lift_prior: float = 20.0
    """Added to both counts of a lift, in pairs of products in a basket."""

    kind_weights: FloatArray = field(init=False, repr=False, default_factory=lambda: EVENT_WEIGHTS)
    """Learned: ndarray of shape (3,), float32: weight of an event by `Kind`."""
    category: Rows = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products,), int32: category code of each product, -1 if unknown."""
    shares: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products,), float32: share of each product in its category."""
    popularity: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_categories + 1,), float32: share of each category in all, by code plus 1."""
    lifts: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_categories + 1, n_categories + 1), float32; without rows beyond `MOST_LIFTED`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(prior=self.prior, half_life_days=self.half_life_days)
        require_positive(smoothing=self.smoothing, lift_prior=self.lift_prior)

    def _fit(self, data: Interactions) -> None:
        self.kind_weights = data.relative_weights
        self.category = data.category.astype(np.int32)
        x = preferences(data, self.half_life_days)
        counts = np.bincount(x.indices, x.data, data.n_products)
        counts = counts + self.smoothing * (counts > 0)  # of a product that nobody met nothing is known
        codes = self.category + 1
        of_category = np.bincount(codes, counts, 1)
        self.shares = (counts / np.maximum(of_category[codes], 1e-12)).astype(np.float32)
        self.popularity = (of_category / max(float(of_category.sum()), 1e-12)).astype(np.float32)
        self.lifts = _lifts(data, codes, len(self.popularity), self.lift_prior)

    def _score(self, shopper: Shopper) -> FloatArray:
        return self._scores_for(shopper).at(np.arange(len(self.category), dtype=np.int32))

    def _sparse_scores(self, shopper: Shopper) -> ShopperScores:
        return self._scores_for(shopper)

    def _scores_for(self, shopper: Shopper) -> CategoryScores:
        return CategoryScores(self._rates(shopper), self.category, self.shares, *self._by_category)

    def _rates(self, shopper: Shopper) -> FloatArray:
        rows, weights = shopper.weights(self.half_life_days, self.kind_weights)
        own = np.bincount(self.category[rows] + 1, weights, len(self.popularity))
        rates = (own + self.prior * self.popularity) / (own.sum() + self.prior)
        return np.asarray(rates * self._of_cart(shopper), np.float32)

    def _of_cart(self, shopper: Shopper) -> FloatArray | float:
        """Return what each category's rate is multiplied with for the sake of the cart, shape (n_categories + 1,)."""
        if not len(shopper.cart) or not len(self.lifts):
            return 1.0
        there = np.unique(self.category[shopper.cart] + 1)
        given = self.lifts[there].copy()
        given[np.arange(len(there)), there] = 0.0
        factors: FloatArray = (
            given.max(axis=0) if len(there) > 1 else np.where(given[0] > 0.0, given[0], np.float32(1.0))
        )
        factors[there] *= self.lifts[there, there]
        return factors

    @cached_property
    def _by_category(self) -> tuple[Rows, Longs]:
        """The rows by category, and in it by falling share; and the first place of each category."""
        ordered = np.lexsort((-self.shares, self.category)).astype(np.int32)
        starts = np.searchsorted(self.category[ordered], np.arange(-1, len(self.popularity)))
        return ordered, starts.astype(np.int64)

    def _reason(self, shopper: Shopper, product: int) -> Reason | None:
        if self.shares[product] <= 0:
            return None
        rows, weights = shopper.weights(self.half_life_days, self.kind_weights)
        same = (self.category[rows] == self.category[product]) & (self.category[product] >= 0) & (rows != product)
        sources = strongest(rows[same], weights[same])
        return Reason(ReasonKind.FITS_YOUR_TASTE, sources) if sources else Reason(ReasonKind.POPULAR)


def _lifts(data: Interactions, codes: Rows, n_categories: int, prior: float) -> FloatArray:
    """Return the lift of each pair of categories in a basket; without rows where there are too many categories.

    A customer with N lines of purchases in all, n(c) of them in category c, has n(c) · n(d) of N · (N − 1) pairs of
    lines of c and d, and n(c) · (n(c) − 1) of c and c. As many pairs of a basket are expected to be such.
    """
    if n_categories > MOST_LIFTED:
        return np.empty((0, 0), np.float32)
    bought = np.flatnonzero(data.kinds == Kind.PURCHASE)
    of, who = codes[data.products[bought]], data.customers[bought]
    _, baskets = np.unique(data.baskets[bought], return_inverse=True)
    in_basket = _counts(baskets, of, n_categories)
    of_customer = _counts(who, of, n_categories)
    found = _pairs(in_basket, np.ones(in_basket.shape[0]))
    sizes = np.asarray(in_basket.sum(axis=1)).ravel()
    owners = np.zeros(in_basket.shape[0], np.int64)
    owners[baskets] = who
    lines = np.asarray(of_customer.sum(axis=1)).ravel()
    pairs = np.bincount(owners, sizes * (sizes - 1.0), len(lines))
    shares = np.divide(pairs, lines * (lines - 1.0), out=np.zeros(len(lines)), where=lines > 1)
    expected = _pairs(of_customer, shares)
    return np.asarray((found + prior) / (expected + prior), np.float32)


def _counts(rows: Longs | Rows, codes: Rows, n_categories: int) -> sp.csr_array:
    """Return how many lines of each category each row has, shape (n_rows, n_categories), float64."""
    shape = (int(rows.max(initial=-1)) + 1, n_categories)
    return sp.coo_array((np.ones(len(rows)), (rows, codes)), shape=shape).tocsr()


def _pairs(counts: sp.csr_array, weights: Doubles) -> Doubles:
    """Return the weighted number of ordered pairs of two lines by their categories, each row's times its weight."""
    weighted = sp.csr_array(counts.multiply(weights[:, None]))
    both: Doubles = (weighted.T @ counts).toarray()
    return both - np.diag(np.asarray(weighted.sum(axis=0)).ravel())


@compiled
def _best_of_categories(
    rates: FloatArray, shares: FloatArray, ordered: Rows, starts: Longs, allowed: Mask, k: int
) -> tuple[Rows, FloatArray]:
    """Return the `k` allowed products with the largest scores, and these scores, largest first.

    Each category's best product that is left is compared with those of the others, `k` times.
    """
    n_categories = len(rates)
    places = starts[:-1].copy()
    heads = np.zeros(n_categories, np.float32)
    for c in range(n_categories):
        places[c] = _next_allowed(ordered, allowed, places[c], starts[c + 1])
        if places[c] < starts[c + 1]:
            heads[c] = rates[c] * shares[ordered[places[c]]]
    rows = np.empty(k, np.int32)
    values = np.empty(k, np.float32)
    n = 0
    while n < k:
        best = np.argmax(heads)
        if heads[best] <= 0.0:
            break
        rows[n] = ordered[places[best]]
        values[n] = heads[best]
        n += 1
        places[best] = _next_allowed(ordered, allowed, places[best] + 1, starts[best + 1])
        there = places[best] < starts[best + 1]
        heads[best] = rates[best] * shares[ordered[places[best]]] if there else np.float32(0.0)
    return rows[:n], values[:n]


@compiled
def _next_allowed(ordered: Rows, allowed: Mask, place: int, end: int) -> int:
    """Return the first place from `place` on whose product is allowed; `end` where there is none."""
    while place < end and not allowed[ordered[place]]:
        place += 1
    return place
