"""Each algorithm is asked what suits it, of data that holds none of the answers."""

from dataclasses import replace

import numpy as np
import pytest

from services.recommendation.algorithms.base import Interactions, Kind
from services.recommendation.algorithms.item_knn import ItemKnn
from services.recommendation.algorithms.transitions import Transitions
from services.recommendation.holdout.tasks import Protocol
from services.recommendation.tuning.objective import MOST_QUESTIONS, Objective
from services.recommendation.tuning.tuning_data import TuningData, has_order
from tests.unit.recommendation.evaluation.synthetic_data import DAY, two_tastes
from tests.unit.recommendation.tuning.toys import Settled, Toy


def browsing(
    count: int = 120, *, at_once: bool = False
) -> tuple[Interactions, "np.ndarray[tuple[int], np.dtype[np.int32]]"]:
    """Return sessions of four views, of products in a row, and a purchase of 60 customers; and each event's session."""
    sessions = np.repeat(np.arange(count), 5)
    step = np.tile(np.arange(5), count)
    products = (sessions + step) % 97
    data = Interactions.of(
        sessions % 60,
        products,
        n_customers=60,
        n_products=97,
        now=90 * DAY,
        kinds=np.where(step == 4, Kind.PURCHASE, Kind.VIEW),
        times=sessions * 3600 + (0 if at_once else 60) * step,
        baskets=np.where(step == 4, count + sessions, sessions),
    )
    return data, sessions.astype(np.int32)


@pytest.mark.parametrize(
    ("algorithm", "protocol"),
    [
        ("ease", Protocol.TOP_N_DISCOVERY),
        ("content", Protocol.TOP_N_DISCOVERY),
        ("popular", Protocol.TOP_N_DISCOVERY),
        ("toy", Protocol.TOP_N_DISCOVERY),
        ("repurchase", Protocol.TOP_N),
        ("session_knn", Protocol.SESSION),
        ("transitions", Protocol.SESSION),
    ],
)
def test_an_algorithm_is_asked_what_suits_its_family(algorithm: str, protocol: Protocol) -> None:
    assert TuningData(*browsing(1200)).protocol(algorithm) is protocol


def test_without_sessions_or_order_in_them_the_next_product_is_asked_for() -> None:
    data, sessions = browsing(at_once=True)
    assert TuningData(data).protocol("transitions") is Protocol.NEXT_ITEM
    assert TuningData(data, sessions).protocol("transitions") is Protocol.NEXT_ITEM
    assert not has_order(np.arange(5, dtype=np.int32), data.where(np.arange(len(data.times)) < 5))


def test_where_hardly_anybody_comes_back_sessions_are_asked_for_by_all_but_repurchase() -> None:
    data, sessions = browsing()
    strangers = replace(data, customers=sessions, n_customers=120)
    tuning_data = TuningData(strangers, sessions)
    assert tuning_data.protocol("item_knn") is tuning_data.protocol("popular") is Protocol.SESSION
    assert tuning_data.protocol("repurchase") is Protocol.TOP_N
    assert TuningData(strangers).protocol("item_knn") is Protocol.TOP_N_DISCOVERY


def test_sessions_are_asked_about_what_they_mostly_are_and_the_rest_about_the_strongest() -> None:
    tuning_data = TuningData(*browsing())
    assert tuning_data.objective(Protocol.SESSION).target is Kind.VIEW
    assert tuning_data.objective(Protocol.TOP_N).target is Kind.PURCHASE


def test_sessions_go_across_baskets() -> None:
    steps = TuningData(*browsing()).objective(Protocol.SESSION)
    assert len(steps) == 12 * 3  # of each held-out session every view but the first
    assert steps.gains(Transitions()).mean() > 0.9  # the next product is always the same


def test_gains_are_by_question_and_the_same_each_time() -> None:
    objective = TuningData(two_tastes(), timed=False).objective(Protocol.TOP_N_DISCOVERY)
    gains = objective.gains(ItemKnn())
    assert gains.shape == (len(objective),) == (120,)
    assert gains.dtype == np.float32
    assert gains.tolist() == objective.gains(ItemKnn()).tolist()
    assert objective.gains(Settled()).mean() > objective.gains(Toy()).mean()


def test_questions_are_capped() -> None:
    many = TuningData(two_tastes(n_customers=MOST_QUESTIONS + 100), timed=False)
    assert len(many.objective(Protocol.TOP_N_DISCOVERY)) == MOST_QUESTIONS


def fingerprint(data: Interactions) -> str:
    objective: Objective = TuningData(data, timed=False).objective(Protocol.TOP_N_DISCOVERY)
    return objective.fingerprint


def test_the_fingerprint_is_that_of_the_data() -> None:
    data = two_tastes()
    assert fingerprint(data) == fingerprint(two_tastes())
    assert fingerprint(data).startswith(f"960-120-40-{90 * DAY}-")
    others = [
        replace(data, now=data.now + 1),
        replace(data, quantities=data.quantities * 2),
        replace(data, embeddings=np.ones((data.n_products, 2), np.float32)),
        two_tastes(seed=1),
    ]
    assert len({fingerprint(data), *map(fingerprint, others)}) == 5
