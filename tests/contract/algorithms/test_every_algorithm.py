"""What holds for every algorithm, whichever it is."""

import json
from pathlib import Path

import numpy as np
import pytest

from services.recommendation.algorithms.base import WORTH_MULTIPLYING, Algorithm, Interactions, NotFittedError, Shopper
from services.recommendation.algorithms.customer_knn import CustomerKnn
from services.recommendation.algorithms.ease import Ease
from services.recommendation.algorithms.graph_filter import GraphFilter
from services.recommendation.algorithms.histories import OWNERS, HistoriesMixin
from services.recommendation.algorithms.item_knn import ItemKnn
from services.recommendation.algorithms.matrix_factorization import MatrixFactorization
from services.recommendation.algorithms.registry import BY_NAME, CLASSES, default_algorithms
from services.recommendation.algorithms.repurchase import Repurchase
from services.recommendation.algorithms.session_knn import SessionKnn
from services.recommendation.algorithms.transitions import Transitions
from tests.contract.algorithms.synthetic_data import NOW, browsing, checkerboard, shop, shopper_of

COLLABORATIVE = [
    Ease(l2=10.0),
    ItemKnn(),
    CustomerKnn(),
    GraphFilter(),
    MatrixFactorization(embedding_size=2),
    SessionKnn(),
    Transitions(),
]
BAD_ROWS = [
    Shopper(
        now=NOW,
        products=np.array([row], np.int32),
        kinds=np.array([0], np.int8),
        quantities=np.ones(1, np.float32),
        times=np.array([NOW]),
        baskets=np.zeros(1, np.int32),
    )
    for row in (-1, 30)
] + [browsing(3, 30), browsing(current=30), browsing(cart=(-1,))]

MANY = 211
"""A number of customers that nothing else in the data has, nor a multiple of it: a prime."""
PRIVACY = Path(__file__).parents[3] / "docs/privacy.md"

every_class = pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.name)


@pytest.fixture(scope="module")
def data() -> Interactions:
    return shop()


@pytest.fixture(scope="module")
def fitted(data: Interactions) -> dict[str, Algorithm]:
    return {algorithm.name: algorithm.fit(data) for algorithm in default_algorithms()}


@pytest.fixture(scope="module")
def shoppers(data: Interactions) -> list[Shopper]:
    several = [shopper_of(data, customer) for customer in range(data.n_customers)]
    return [*several, Shopper(now=NOW), browsing(1, 2, 1, current=5, cart=(7, 8)), browsing(current=0)]


def require_scores(scores: np.ndarray, n_products: int) -> None:
    assert scores.shape == (n_products,)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()


def test_names_are_unique_and_registered():
    assert list(BY_NAME) == [kind.name for kind in CLASSES]
    assert len(BY_NAME) == len(CLASSES)


@every_class
def test_unfitted_algorithm_says_so(kind):
    algorithm = kind()
    for ask in (
        lambda: algorithm.score(Shopper(now=NOW)),
        lambda: algorithm.score_many([]),
        lambda: algorithm.explain(Shopper(now=NOW), 0),
        algorithm.state,
        lambda: algorithm.n_products,
    ):
        with pytest.raises(NotFittedError, match=kind.name):
            ask()


@every_class
def test_scores_are_finite_and_not_negative_for_anybody(kind, fitted, shoppers):
    for shopper in shoppers:
        require_scores(fitted[kind.name].score(shopper), 30)


@every_class
def test_many_at_once_are_scored_as_one_by_one(kind, fitted, shoppers):
    algorithm = fitted[kind.name]
    many = algorithm.score_many(shoppers)
    assert many.dtype == np.float32
    assert many.shape == (len(shoppers), 30)
    one_by_one = np.stack([algorithm.score(shopper) for shopper in shoppers])
    np.testing.assert_allclose(many, one_by_one, rtol=1e-4, atol=1e-6)
    assert (many >= 0).all()
    assert algorithm.score_many([]).shape == (0, 30)


@every_class
def test_one_bad_row_among_many_is_refused(kind, fitted, shoppers):
    with pytest.raises(ValueError, match="product rows must be from 0 to 29"):
        fitted[kind.name].score_many([shoppers[0], BAD_ROWS[1]])


@every_class
def test_somebody_gets_an_opinion(kind, fitted, shoppers):
    assert any(fitted[kind.name].score(shopper).any() for shopper in shoppers)


@every_class
@pytest.mark.parametrize("shopper", BAD_ROWS, ids=("below", "above", "session", "current", "cart"))
def test_rows_out_of_range_are_refused(kind, shopper, fitted):
    with pytest.raises(ValueError, match="product rows must be from 0 to 29"):
        fitted[kind.name].score(shopper)


@every_class
@pytest.mark.parametrize("row", [-1, 30])
def test_explaining_a_product_out_of_range_is_refused(kind, row, fitted):
    with pytest.raises(ValueError, match="product: must be a row from 0 to 29"):
        fitted[kind.name].explain(Shopper(now=NOW), row)


@every_class
def test_products_newer_than_the_model_are_left_out_on_request(kind, fitted):
    algorithm = fitted[kind.name]
    known, newer = browsing(3, current=4, cart=(5,)), browsing(3, 31, current=4, cart=(5, 30))
    np.testing.assert_array_equal(algorithm.score(newer.within(30)), algorithm.score(known))


@every_class
def test_state_and_params_bring_back_the_same_scores(kind, fitted, shoppers):
    algorithm = fitted[kind.name]
    restored = kind.load(algorithm.state(), json.loads(json.dumps(algorithm.params)))
    assert restored.params == algorithm.params
    for shopper in shoppers:
        np.testing.assert_array_equal(restored.score(shopper), algorithm.score(shopper))


@every_class
def test_state_is_plain_arrays(kind, fitted):
    for array in fitted[kind.name].state().values():
        assert isinstance(array, np.ndarray)
        assert array.dtype.kind in "iuf"


def by_customer(state: dict[str, np.ndarray], n_customers: int) -> list[str]:
    "names of arrays that may have a value, or a row, for each customer; a sparse matrix has an offset more"
    sizes = {name: {*array.shape, array.size} for name, array in state.items()}
    return [
        name
        for name, found in sizes.items()
        if any(size and (size % n_customers == 0 or size == n_customers + 1) for size in found)
    ]


@every_class
def test_no_row_of_a_customer_is_saved_but_by_those_that_forget_it(kind):
    state = kind().fit(shop(n_customers=MANY, n_events=2_000)).state()
    if issubclass(kind, HistoriesMixin):
        assert OWNERS in state
    else:
        assert by_customer(state, MANY) == []


def test_the_page_on_privacy_names_those_that_hold_histories():
    names = [f"`{kind.name}`" for kind in CLASSES if issubclass(kind, HistoriesMixin)]
    assert f"| models: {' and '.join(sorted(names))} hold histories" in PRIVACY.read_text()


@every_class
def test_fitting_twice_gives_the_same(kind, data, fitted, shoppers):
    again = kind().fit(data)
    for shopper in shoppers[::5]:
        np.testing.assert_array_equal(again.score(shopper), fitted[kind.name].score(shopper))


@every_class
@pytest.mark.parametrize(("n_customers", "n_products"), [(0, 0), (0, 5), (5, 0), (5, 5)])
def test_a_data_set_without_events_gives_no_opinions(kind, n_customers, n_products):
    algorithm = kind().fit(Interactions.of(n_customers=n_customers, n_products=n_products, now=NOW))
    scores = algorithm.score(Shopper(now=NOW, groups={"region": 1}))
    require_scores(scores, n_products)
    assert not scores.any()
    if n_products:
        assert algorithm.explain(Shopper(now=NOW), 0) is None


@every_class
def test_known_history_in_a_data_set_without_events_is_no_failure(kind, data):
    algorithm = kind().fit(Interactions.of(n_customers=40, n_products=30, now=NOW))
    require_scores(algorithm.score(shopper_of(data, 0)), 30)


@every_class
def test_there_is_a_reason_exactly_where_there_is_a_score(kind, fitted, shoppers):
    algorithm = fitted[kind.name]
    for shopper in (shoppers[0], shoppers[-2]):
        met = set(shopper.trail.tolist()) | set(shopper.cart.tolist())
        for product, score in enumerate(algorithm.score(shopper)):
            reason = algorithm.explain(shopper, product)
            assert (reason is not None) == (score > 0)
            assert reason is None or (len(reason.products) <= 3 and met.issuperset(reason.products))


@pytest.mark.parametrize("algorithm", COLLABORATIVE, ids=lambda algorithm: algorithm.name)
def test_the_hidden_product_ranks_first(algorithm):
    "shoppers like the products of their own parity; the one hidden from each comes out on top"
    data = checkerboard(20)
    algorithm.fit(data)
    for customer in range(20):
        shopper = shopper_of(data, customer)
        scores = algorithm.score(shopper)
        scores[shopper.bought] = -1.0
        assert np.argmax(scores) == customer
        assert scores[customer] > 0


@pytest.mark.parametrize("algorithm", COLLABORATIVE, ids=lambda algorithm: algorithm.name)
def test_a_fresh_click_changes_the_answer_without_training(algorithm):
    algorithm.fit(checkerboard(20))
    even, odd = algorithm.score(browsing(4, current=6)), algorithm.score(browsing(4, 6, current=7))
    assert not np.array_equal(even, odd)
    assert odd[1::2].sum() > even[1::2].sum()


@every_class
@pytest.mark.parametrize("value", [0, -1.0, float("nan")])
def test_configuration_out_of_range_is_refused(kind, value):
    numeric = [name for name, default in kind().params.items() if name != "seed" and isinstance(default, float | int)]
    may_be_zero = {
        "decay",
        "rhythm",
        "damping",
        "length_power",
        "smooth",
        "source_power",
        "target_power",
        "idf_weight",
        "basket_weight",
    }
    for name in numeric:
        if name in may_be_zero and value == 0:
            continue
        with pytest.raises(ValueError, match=name):
            kind(**{name: value})


def test_repurchase_ranks_only_what_was_bought(data):
    shopper = shopper_of(data, 3)
    scores = Repurchase().fit(data).score(shopper)
    assert set(np.flatnonzero(scores)) == set(shopper.bought)


def masks(n: int) -> list[np.ndarray]:
    "everything, a random half, one product, nothing"
    one = np.zeros(n, bool)
    one[n // 2] = True
    return [np.ones(n, bool), np.random.default_rng(7).random(n) < 0.5, one, np.zeros(n, bool)]


@every_class
@pytest.mark.parametrize("k", [1, 5, 30, 100])
def test_proposals_are_the_top_of_the_full_scores(kind, k, fitted, shoppers):
    algorithm = fitted[kind.name]
    for shopper in shoppers:
        full = algorithm.score(shopper)
        for allowed in masks(30):
            rows, scores = algorithm.propose(shopper, k, allowed)
            possible = np.sort(full[allowed & (full > 0)])[::-1]
            assert rows.dtype == np.int32
            assert scores.dtype == np.float32
            assert allowed[rows].all()
            assert len(set(rows.tolist())) == len(rows)
            np.testing.assert_allclose(scores, possible[:k], rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(scores, full[rows], rtol=1e-4, atol=1e-6)


@every_class
def test_given_products_get_their_full_scores(kind, fitted, shoppers):
    algorithm = fitted[kind.name]
    rng = np.random.default_rng(3)
    for shopper in shoppers:
        products = rng.permutation(30)[:12].astype(np.int32)
        np.testing.assert_allclose(
            algorithm.score_products(shopper, products), algorithm.score(shopper)[products], rtol=1e-4, atol=1e-6
        )
        assert len(algorithm.score_products(shopper, products[:0])) == 0


@every_class
@pytest.mark.parametrize("times", [1, WORTH_MULTIPLYING])
def test_the_sparse_scores_of_many_shoppers_are_the_full_scores(kind, fitted, shoppers, times):
    algorithm = fitted[kind.name]
    every = np.arange(30, dtype=np.int32)
    asked = [*shoppers] * times
    many = algorithm.scores_of_many(asked)
    assert len(many) == len(asked)
    assert algorithm.scores_of_many([]) == []
    for shopper, scores in zip(asked, many, strict=True):
        full = algorithm.score(shopper)
        np.testing.assert_allclose(scores.at(every), full, rtol=1e-4, atol=1e-6)
        for allowed in masks(30):
            rows, values = scores.top(5, allowed)
            assert allowed[rows].all()
            np.testing.assert_allclose(values, np.sort(full[allowed & (full > 0)])[::-1][:5], rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(values, full[rows], rtol=1e-4, atol=1e-6)


@every_class
def test_proposals_follow_a_new_fit(kind, data):
    algorithm = kind().fit(data)
    anybody = shopper_of(data, 0)
    allowed = np.ones(30, bool)
    algorithm.propose(anybody, 5, allowed)
    algorithm.fit(shop(seed=99))
    again = shopper_of(data, 0)
    rows, scores = algorithm.propose(again, 5, allowed)
    np.testing.assert_allclose(scores, algorithm.score(again)[rows], rtol=1e-4, atol=1e-6)


@every_class
@pytest.mark.parametrize("shopper", BAD_ROWS, ids=("below", "above", "session", "current", "cart"))
def test_proposing_with_rows_out_of_range_is_refused(kind, shopper, fitted):
    with pytest.raises(ValueError, match="product rows must be from 0 to 29"):
        fitted[kind.name].propose(shopper, 5, np.ones(30, bool))
