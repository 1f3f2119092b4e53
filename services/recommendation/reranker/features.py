"""Features of candidates: scores by algorithm, the shopper's own history with the product, features of the product."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs, Rows
from services.recommendation.algorithms.bits import distinct
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.algorithms.row_sums import first_from
from services.recommendation.reranker import item_features
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.histories import ShopperHistories
from services.recommendation.reranker.item_features import ItemFeatures
from shared.compiled import compiled

NEVER = 9999.0
"""Age in days or steps of what never happened."""
HALF_LIVES = (7.0, 30.0, 90.0)
"""Days after which an event counts half, one feature each."""
ACTIVITY_HALF_LIFE_DAYS = 30.0
SHORTEST_INTERVAL_DAYS = 0.5

OWN = (
    "own.last_step",
    "own.last_age",
    "own.views",
    "own.carts",
    "own.purchases",
    *(f"own.decayed_{half_life:.0f}" for half_life in HALF_LIVES),
    "own.interval",
    "own.due",
    "own.share",
)
SHOPPER = ("shopper.events", "shopper.repeats", "shopper.activity", "shopper.absence")

LAST_STEP, LAST_AGE, COUNTS = 0, 1, 2
DECAYED = COUNTS + len(Kind)
INTERVAL, DUE, SHARE = range(DECAYED + len(HALF_LIVES), len(OWN))
"""Rows of the features in `OWN`."""
N_HALF_LIVES = len(HALF_LIVES)
N_OWN, N_SHOPPER, N_KINDS = len(OWN), len(SHOPPER), len(Kind)


def names(algorithms: Sequence[str]) -> list[str]:
    """Return the name of each column of `table`."""
    by_algorithm = [f"{name}.{aspect}" for name in algorithms for aspect in ("score", "rank")]
    return [*by_algorithm, *OWN, *SHOPPER, *(f"product.{name}" for name in item_features.NAMES)]


def table(candidates: Candidates, histories: ShopperHistories, products: ItemFeatures, target: Kind) -> FloatArray:
    """Return the features of each candidate.

    Parameters
    ----------
    candidates : Candidates
    histories : ShopperHistories
        Of the candidates' shoppers.
    products : ItemFeatures
        Of all products.
    target : Kind
        The kind of event that the reranker leads to.

    Returns
    -------
    ndarray of shape (n_candidates, n_features), float32
        Columns as `names` gives them, each contiguous in memory, as `Trees.values` reads them without a copy.

    Raises
    ------
    ValueError
        If a candidate's shopper has no history here, or its product no features.
    """
    _require_fit(candidates, histories, products)
    n_scores = len(candidates.score_columns)
    n_others = len(OWN) + len(SHOPPER) + products.values.shape[1]
    columns = np.empty((n_scores + n_others, len(candidates.products)), np.float32)
    columns[:n_scores] = candidates.score_columns
    fill_columns(
        candidates.owners,
        candidates.products,
        histories.starts,
        histories.products,
        histories.kinds,
        histories.ages,
        histories.steps,
        # Copied, so that the kernel is compiled once for arrays in memory and those mapped read-only from a file.
        products.values[candidates.products],
        products.gap[candidates.products],
        int(target),
        columns[n_scores:],
    )
    return columns.T


def _require_fit(candidates: Candidates, histories: ShopperHistories, products: ItemFeatures) -> None:
    """Raise ValueError if a candidate is out of range: the kernel does not check bounds."""
    rows, n_products = candidates.products, len(products.values)
    if len(rows) and candidates.owners[-1] >= histories.n_shoppers:
        raise ValueError(
            f"histories: of {histories.n_shoppers} shoppers, the candidates are of {candidates.n_shoppers}"
        )
    if len(rows) and not (rows.min() >= 0 and rows.max() < n_products):
        worst = rows.min() if rows.min() < 0 else rows.max()
        raise ValueError(f"candidates: rows must be from 0 to {n_products - 1}, got {worst}")


@compiled
def fill_columns(
    owners: Longs,
    products: Longs,
    starts: Longs,
    event_products: Rows,
    kinds: NDArray[np.int8],
    ages: FloatArray,
    steps: Longs,
    item_values: FloatArray,
    gaps: FloatArray,
    target: int,
    columns: FloatArray,
) -> None:
    """Write the features that no algorithm gives to `columns`, shape (n_features, n_candidates), in place.

    Candidates are ordered by owner and product, both ascending. `item_values` and `gaps` have the `ItemFeatures` of
    each candidate; the other arrays are those of `ShopperHistories`.
    """
    n = len(owners)
    begin = 0
    while begin < n:
        owner = owners[begin]
        end = begin + first_from(owners[begin:], owner + 1)
        first, last = starts[owner], starts[owner + 1]
        own = _own_features(
            products[begin:end],
            event_products[first:last],
            kinds[first:last],
            ages[first:last],
            steps[first:last],
            gaps[begin:end],
            target,
        )
        _copy_rows(own, columns[:N_OWN, begin:end])
        shopper = _shopper_features(event_products[first:last], kinds[first:last], ages[first:last], target)
        for i in range(begin, end):
            for row in range(N_SHOPPER):
                columns[N_OWN + row, i] = shopper[row]
        begin = end
    for i in range(n):
        for feature in range(item_values.shape[1]):
            columns[N_OWN + N_SHOPPER + feature, i] = item_values[i, feature]


@compiled
def _copy_rows(rows: NDArray[np.float64], columns: FloatArray) -> None:
    for row in range(len(rows)):
        for i in range(rows.shape[1]):
            columns[row, i] = rows[row, i]


@compiled
def _own_features(
    products: Longs,
    event_products: Rows,
    kinds: NDArray[np.int8],
    ages: FloatArray,
    steps: Longs,
    gaps: FloatArray,
    target: int,
) -> NDArray[np.float64]:
    """Return the features `OWN` of one shopper's candidates, shape (len(OWN), n_candidates)."""
    own = np.zeros((N_OWN, len(products)))
    earliest = np.full(len(products), NEVER)
    for place in range(len(products)):
        own[LAST_STEP, place] = own[LAST_AGE, place] = NEVER
    n_target = 0
    for event in range(len(event_products)):
        n_target += kinds[event] == target
        place = first_from(products, event_products[event])
        if place < len(products) and products[place] == event_products[event]:
            if own[LAST_STEP, place] == NEVER:
                earliest[place] = ages[event]
            own[LAST_STEP, place], own[LAST_AGE, place] = steps[event], ages[event]
            own[COUNTS + kinds[event], place] += 1.0
            if kinds[event] == target:
                _add_decayed(ages[event], own[:, place])
    for place in range(len(products)):
        _add_intervals(own[:, place], earliest[place], gaps[place])
        own[SHARE, place] = own[COUNTS + target, place] / max(n_target, 1)
    return own


@compiled
def _add_decayed(age: float, own: NDArray[np.float64]) -> None:
    for i in range(N_HALF_LIVES):
        own[DECAYED + i] += np.exp2(-age / HALF_LIVES[i])


@compiled
def _add_intervals(own: NDArray[np.float64], earliest: float, gap: float) -> None:
    """Write how often the shopper meets a product, and how long after that interval the last time was."""
    count = 0.0
    for kind in range(N_KINDS):
        count += own[COUNTS + kind]
    if count:
        own[INTERVAL] = max((earliest - own[LAST_AGE] + gap) / count, SHORTEST_INTERVAL_DAYS)
        own[DUE] = own[LAST_AGE] / own[INTERVAL]
    else:
        own[INTERVAL] = own[DUE] = -1.0


@compiled
def _shopper_features(
    products: Rows, kinds: NDArray[np.int8], ages: FloatArray, target: int
) -> tuple[float, float, float, float]:
    """Return the features `SHOPPER` of one shopper with these events."""
    n = len(products)
    activity, absence = 0.0, NEVER
    for event in range(n):
        if kinds[event] == target:
            activity += np.exp2(-ages[event] / ACTIVITY_HALF_LIFE_DAYS)
        absence = min(absence, ages[event])
    return np.log1p(n), max(n, 1) / max(len(distinct(products)), 1), np.log1p(activity), absence
