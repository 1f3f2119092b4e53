"""Models of the library `implicit`.

They learn from one number for each (customer, product) pair: the sum over its events of 1 for the kind that is asked
for, and for the other kinds their share of it (view 1, cart 3, purchase 5). A shopper's past counts likewise; each step
of the running session counts as one more event of the kind that is asked for.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from services.recommendation.algorithms.arrays import Csr, FloatArray, Rows, as_csr
from services.recommendation.algorithms.interactions import EVENT_WEIGHTS, Kind
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.evaluation.baselines import Baseline, Scores
from services.recommendation.holdout.tasks import Task


def strengths(target: Kind) -> FloatArray:
    """Return what an event counts, by `Kind`: 1 for `target`."""
    shares: FloatArray = EVENT_WEIGHTS / EVENT_WEIGHTS[target]
    return shares


def matrix_of(shoppers: Sequence[Shopper], target: Kind, n_products: int) -> Csr:
    """Return what shoppers did, in the numbers of `Baseline`s: csr_array of shape (len(shoppers), n_products)."""
    weights = strengths(target)
    columns = [np.concatenate([shopper.products, shopper.session]) for shopper in shoppers]
    values = [np.append(weights[shopper.kinds], np.ones(len(shopper.session))) for shopper in shoppers]
    rows = np.repeat(np.arange(len(shoppers)), [len(each) for each in columns])
    at = (rows, np.concatenate([np.empty(0, np.int32), *columns]))
    shape = (len(shoppers), n_products)
    return as_csr(sp.coo_array((np.concatenate([np.empty(0), *values]), at), shape=shape))


class ImplicitBaseline(Baseline):
    """A model of the library `implicit`.

    Parameters
    ----------
    make : callable
        Returns a fresh model.
    """

    def __init__(self, name: str, make: Callable[[], Any], seed: int = 0) -> None:
        super().__init__(seed)
        self.name = name
        self._make = make
        self._model: Any = None

    def _fit(self, task: Task) -> None:
        train = task.train
        cells = (strengths(task.target)[train.kinds], (train.customers, train.products))
        counts = as_csr(sp.coo_array(cells, shape=(train.n_customers, train.n_products)))
        # The library has threads of its own, and warns of formats that it converts between its own functions.
        with threadpool_limits(1, "blas"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._model = self._make()
            self._model.fit(sp.csr_matrix(counts), show_progress=False)

    def _matrix(self, shoppers: list[Shopper]) -> Any:
        return sp.csr_matrix(matrix_of(shoppers, self._target, len(self._unseen)))


class ImplicitItems(ImplicitBaseline):
    """Item-item models: the products most like those of the shopper's past, weighted by it."""

    def _scores(self, shoppers: list[Shopper]) -> Scores:
        scores: Scores = (self._matrix(shoppers) @ self._model.similarity).toarray()
        return scores


class ImplicitFactors(ImplicitBaseline):
    """Factor models: shopper and product as vectors; the shopper's is folded in from the past."""

    def _scores(self, shoppers: list[Shopper]) -> Scores:
        scores: Scores = self._vectors(shoppers) @ self._model.item_factors.T
        # Only what is above 0 is listed, and here the sign means nothing.
        shifted: Scores = scores - scores.min(axis=1, keepdims=True) + np.float32(1e-6)
        return shifted

    def _vectors(self, shoppers: list[Shopper]) -> FloatArray:
        folded: FloatArray = self._model.recalculate_user(np.arange(len(shoppers)), self._matrix(shoppers))
        return folded


class ImplicitRanking(ImplicitFactors):
    """Bayesian personalised ranking, which cannot fold in.

    Customers of train have their vector, found by their history; others the mean of the vectors of their products.
    """

    def _fit(self, task: Task) -> None:
        super()._fit(task)
        train = task.train
        order = np.lexsort((train.products, train.customers))
        customers, starts = np.unique(train.customers[order], return_index=True)
        histories = np.split(train.products[order], starts[1:])
        self._known = {_key(rows): int(row) for rows, row in zip(histories, customers, strict=True)}

    def _vectors(self, shoppers: list[Shopper]) -> FloatArray:
        return np.stack([self._vector(shopper) for shopper in shoppers])

    def _vector(self, shopper: Shopper) -> FloatArray:
        row = self._known.get(_key(np.sort(shopper.products)))
        if row is not None and not len(shopper.session):
            known: FloatArray = self._model.user_factors[row]
            return known
        met = np.concatenate([shopper.products, shopper.session])
        items = self._model.item_factors
        mean: FloatArray = items[met].mean(axis=0) if len(met) else np.zeros(items.shape[1], np.float32)
        mean[-1] = 1.0  # the place of the products' own popularity
        return mean


def _key(products: Rows) -> bytes:
    return products.astype(np.int32).tobytes()
