"""A shop whose customers have a taste that their purchases do not show, but their clicks on what they are shown do.

Products come in pairs of an old and a fresh one, which nobody met before the last 60 of 120 days. Customers buy what
follows what they bought last, the old or the fresh one alike; but of a list they choose the fresh ones.
"""

import numpy as np

from services.recommendation.algorithms.base import Algorithm, Interactions, Kind
from services.recommendation.algorithms.interactions import DAY
from services.recommendation.algorithms.item_knn import ItemKnn
from services.recommendation.algorithms.popular import Popular
from services.recommendation.algorithms.repurchase import Repurchase
from services.recommendation.algorithms.transitions import Transitions
from services.recommendation.training.reranker_params import BoostingParams, RerankerParams
from services.recommendation.training.shown_lists import PAGES, Grade, ShownLists
from shared.page_rules import Page
from tests.contract.algorithms.synthetic_data import NOW

CUSTOMERS, PRODUCTS, DEPARTMENTS, VISITS = 600, 160, 2, 12
PAIRS = PRODUCTS // (2 * DEPARTMENTS)
"""Of each department."""
DAYS, FRESH_DAYS, LIST_DAYS = 120, 60, 11
PLACES = 8
EXAMINATION = 1.0 / np.arange(1, PLACES + 1) ** 0.7
CHOSEN = {True: 0.5, False: 0.08}
"""Probability that a fresh and another product is clicked when it is looked at."""
QUICK = RerankerParams(depth=60, boosting=BoostingParams(rounds=30, min_leaf=20, threads=1), most_splits=1)


def algorithms() -> list[Algorithm]:
    """Return few algorithms, unfitted."""
    return [Popular(), Repurchase(), Transitions(), ItemKnn()]


def is_fresh(products: np.ndarray) -> np.ndarray:
    """Say which products are fresh: the odd ones."""
    return products % 2 == 1


def interactions(seed: int = 0) -> Interactions:
    """Return purchases of two products each, which mostly go on where the customer's last one ended."""
    rng = np.random.default_rng(seed)
    n = CUSTOMERS * VISITS
    customers = np.repeat(np.arange(CUSTOMERS), VISITS)
    days = np.sort(rng.uniform(0, DAYS, (CUSTOMERS, VISITS)))[:, ::-1].ravel()
    first = rng.integers(0, PAIRS, (CUSTOMERS, VISITS))
    for visit in range(1, VISITS):
        goes_on = rng.random(CUSTOMERS) < 0.7
        first[goes_on, visit] = first[goes_on, visit - 1] + 2
    fresh = (days < FRESH_DAYS)[:, None] & (rng.random((n, 2)) < 0.5)
    pairs = (first.reshape(-1, 1) + np.arange(2)) % PAIRS
    products = 2 * (DEPARTMENTS * pairs + customers[:, None] % DEPARTMENTS) + fresh
    return Interactions.of(
        np.repeat(customers, 2),
        products.ravel(),
        n_customers=CUSTOMERS,
        n_products=PRODUCTS,
        now=NOW,
        kinds=Kind.PURCHASE,
        times=np.repeat(NOW - (days * DAY).astype(np.int64), 2),
        baskets=np.repeat(np.arange(n), 2),
    )


def shown_lists(
    n_lists: int = 2_500,
    *,
    page: Page = Page.HOME,
    seed: int = 1,
    prefers_fresh: bool = True,
    days: tuple[float, float] = (0.0, LIST_DAYS),
) -> ShownLists:
    """Return lists of random products of the customers' departments, made so many days ago, and their clicks."""
    rng = np.random.default_rng(seed)
    customers = rng.integers(0, CUSTOMERS, n_lists)
    times = np.sort(NOW - (rng.uniform(*days, n_lists) * DAY).astype(np.int64))
    of_department = PRODUCTS // DEPARTMENTS
    drawn = np.argsort(rng.random((n_lists, of_department)), axis=1)[:, :PLACES]
    products = 2 * (DEPARTMENTS * (drawn // 2) + customers[:, None] % DEPARTMENTS) + drawn % 2
    chance = np.where(is_fresh(products), CHOSEN[prefers_fresh], CHOSEN[False])
    clicked = rng.random(products.shape) < chance * EXAMINATION
    order = np.argsort(products, axis=1)
    positions = np.take_along_axis(np.tile(np.arange(1, PLACES + 1), (n_lists, 1)), order, axis=1)
    grades = np.where(np.take_along_axis(clicked, order, axis=1), Grade.CLICK, Grade.NONE)
    n = n_lists * PLACES
    return ShownLists(
        customers=customers.astype(np.int32),
        pages=np.full(n_lists, PAGES.index(page), np.int8),
        times=times,
        whole=np.ones(n_lists, np.bool_),
        owners=np.repeat(np.arange(n_lists), PLACES),
        products=np.take_along_axis(products, order, axis=1).ravel().astype(np.int32),
        positions=positions.ravel(),
        grades=grades.ravel().astype(np.int8),
        dismissed=np.zeros(n, np.bool_),
        propensities=np.ones(n, np.float32),
        worth=np.ones(n, np.float32),
    )
