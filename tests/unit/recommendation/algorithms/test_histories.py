"""A history that is forgotten is in no score and in nothing that is stored."""

import numpy as np
import pytest

from services.recommendation.algorithms.customer_knn import CustomerKnn
from services.recommendation.algorithms.histories import NOBODY, HistoriesMixin
from services.recommendation.algorithms.interactions import Interactions
from services.recommendation.algorithms.registry import CLASSES
from services.recommendation.algorithms.session_knn import SessionKnn
from services.recommendation.algorithms.shopper import Shopper

NOW = 1_750_000_000
SECRET = (8, 9)
"""Products that only customer 2 bought, beside product 0, which everybody did."""
DATA = Interactions.of(
    customers=[0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3],
    products=[0, 1, 2, 0, 1, 3, 0, *SECRET, 5, 6],
    n_customers=4,
    n_products=10,
    now=NOW,
)
WHO = Shopper(
    NOW + 60,
    products=np.array([0, 8], np.int32),
    kinds=np.full(2, 2, np.int8),
    quantities=np.ones(2, np.float32),
    times=np.full(2, NOW, np.int64),
    baskets=np.zeros(2, np.int32),
    session=np.array([0, 8], np.int32),
)


@pytest.fixture(params=[CustomerKnn, SessionKnn], ids=lambda each: str(each.name))
def fitted(request: pytest.FixtureRequest) -> HistoriesMixin:
    algorithm: HistoriesMixin = request.param().fit(DATA)
    return algorithm


def again() -> Shopper:
    """Return the shopper without what was computed for them before."""
    return Shopper(WHO.now, WHO.products, WHO.kinds, WHO.quantities, WHO.times, WHO.baskets, WHO.session)


def test_a_forgotten_history_is_in_no_score(fitted: HistoriesMixin) -> None:
    assert fitted.score(again())[9] > 0
    fitted.forget(np.array([2], np.int32))
    assert fitted.score(again())[9] == 0
    assert fitted.score_many([again()])[0, 9] == 0
    assert fitted.explain(again(), 9) is None
    assert fitted.score(again())[1] > 0


def test_a_forgotten_history_is_not_stored(fitted: HistoriesMixin) -> None:
    fitted.forget(np.array([2], np.int32))
    fitted.forget(np.array([3], np.int32))
    state = fitted.state()
    assert set(state["owners"].tolist()) == {0, 1, NOBODY}
    loaded = type(fitted).load(state, fitted.params)
    assert loaded.score(again()).tolist() == pytest.approx(fitted.score(again()).tolist())
    histories = "habits" if isinstance(fitted, CustomerKnn) else "sessions"
    assert not set(SECRET) & set(state[f"{histories}.indices"].tolist())
    lengths = np.diff(state["index.indptr"])
    assert lengths[list(SECRET)].tolist() == [0, 0]
    assert lengths[5] == 0


def test_a_model_that_does_not_say_whose_its_histories_are_forgets_all(fitted: HistoriesMixin) -> None:
    state = fitted.state()
    del state["owners"]
    loaded = type(fitted).load(state, fitted.params)
    assert loaded.score(again())[9] > 0
    loaded.forget(np.empty(0, np.int32))
    assert not loaded.score(again()).any()


def test_no_other_algorithm_stores_a_row_for_each_customer() -> None:
    """A number of customers that no other array has for a length shows who stores something of each."""
    n = 37
    rng = np.random.default_rng(1)
    data = Interactions.of(
        customers=np.repeat(np.arange(n), 5),
        products=rng.integers(0, 10, n * 5),
        n_customers=n,
        n_products=10,
        now=NOW,
        embeddings=rng.normal(size=(10, 4)).astype(np.float32),
    )
    for algorithm in (each().fit(data) for each in CLASSES):
        if not isinstance(algorithm, HistoriesMixin):
            shapes = {name: array.shape for name, array in algorithm.state().items()}
            values = {name: array.tolist() for name, array in algorithm.state().items() if name.endswith(".shape")}
            assert not any(n in shape or n + 1 in shape for shape in shapes.values()), (algorithm.name, shapes)
            assert not any(n in shape for shape in values.values()), (algorithm.name, values)
