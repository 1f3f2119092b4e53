"""Learned weights follow evidence: none changes nothing, more success never costs weight, and no algorithm dies."""

from collections.abc import Mapping

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.feedback.weights import FLOOR, learn, normalised, with_floor
from shared.algorithms import DEFAULT_WEIGHTS
from shared.db.algorithm_performance import AlgorithmCounts

ACTIVE = [name for name, weight in DEFAULT_WEIGHTS.items() if weight]
COUNTS = st.integers(0, 50_000).flatmap(
    lambda shown: st.integers(0, shown).flatmap(
        lambda clicked: st.tuples(st.just(shown), st.just(clicked), st.integers(0, clicked), st.integers(0, clicked))
    )
)
MEASURED = st.dictionaries(st.sampled_from(list(DEFAULT_WEIGHTS)), COUNTS).map(
    lambda rows: {name: AlgorithmCounts(name, *row[:1], *row) for name, row in rows.items()}
)
CURRENT = st.lists(st.floats(0.01, 1), min_size=len(ACTIVE), max_size=len(ACTIVE)).map(
    lambda values: normalised(dict(zip(ACTIVE, values, strict=True)))
)


def shown(name: str, shown: int, clicked: int = 0, purchased: int = 0) -> AlgorithmCounts:
    return AlgorithmCounts(name, shown, shown, clicked, 0, purchased)


def changed(before: Mapping[str, float], after: Mapping[str, float]) -> bool:
    return dict(before) != dict(after)


@given(CURRENT, MEASURED)
def test_weights_add_up_to_one_and_keep_the_floor(
    current: dict[str, float], measured: dict[str, AlgorithmCounts]
) -> None:
    learned = learn(current, measured.values(), 30)
    assert sum(learned.weights.values()) == pytest.approx(1.0, abs=1e-9)
    assert set(learned.weights) == set(current)
    if changed(current, learned.weights):
        assert min(learned.weights.values()) >= FLOOR - 1e-12


@given(CURRENT, MEASURED, st.sampled_from(ACTIVE), st.integers(1, 1000))
def test_more_success_never_costs_weight(
    current: dict[str, float], measured: dict[str, AlgorithmCounts], better: str, more: int
) -> None:
    assume(better in measured)
    before = learn(current, measured.values(), 30).weights
    was = measured[better]
    improved = AlgorithmCounts(
        better, was.generated, was.shown, min(was.clicked + more, was.shown), was.added_to_cart, was.purchased
    )
    # The first response of all moves weights from where they were put to where they are earned: nothing to compare.
    assume(any(each.clicked for name, each in measured.items() if name in ACTIVE))
    after = learn(current, (measured | {better: improved}).values(), 30).weights
    assert after[better] >= before[better] - 1e-9


@given(st.integers(200, 20_000), st.integers(0, 100), st.integers(1, 100))
def test_of_two_equal_algorithms_the_better_one_gets_more(count: int, clicks: int, more: int) -> None:
    measured = [shown("transitions", count, clicks), shown("session_knn", count, clicks + more)]
    weights = learn(DEFAULT_WEIGHTS, measured, 30).weights
    assert weights["session_knn"] > weights["transitions"]


@pytest.mark.parametrize(
    ("measured", "reason"),
    [
        ([], "only 0 recommendations"),
        ([shown("ease", 5, 5)], "only 5 recommendations were shown in the last 30 days, 100 are needed"),
        ([shown("ease", 5000)], "of 5000 recommendations shown in the last 30 days none was responded to"),
        ([shown("popular", 5000, 100)], "only 0 recommendations"),
    ],
)
def test_without_evidence_nothing_changes_and_it_is_said(measured: list[AlgorithmCounts], reason: str) -> None:
    learned = learn(DEFAULT_WEIGHTS, measured, 30)
    assert learned.weights == DEFAULT_WEIGHTS
    assert reason in learned.rationale


def test_an_algorithm_that_is_off_stays_off() -> None:
    measured = [shown("ease", 5000, 10), shown("popular", 5000, 5000)]
    weights = learn(DEFAULT_WEIGHTS, measured, 30).weights
    assert weights["popular"] == 0


def test_an_algorithm_that_the_operator_switched_on_takes_part() -> None:
    current = {"trending": 0.5, "ease": 0.5}
    weights = learn(current, [shown("ease", 20_000, 100), shown("trending", 20_000, 2_000)], 30).weights
    assert weights["trending"] > weights["ease"]


def test_the_same_evidence_again_and_again_settles() -> None:
    measured = [shown("ease", 20_000, 1_500), shown("content", 20_000, 1_000)]
    weights = DEFAULT_WEIGHTS
    for _ in range(100):
        before, weights = weights, learn(weights, measured, 30).weights
    assert weights == pytest.approx(before, abs=1e-9)
    assert weights["content"] > 0.3


def test_a_purchase_weighs_as_ten_clicks() -> None:
    clicks = learn(DEFAULT_WEIGHTS, [shown("ease", 1000, 110), shown("content", 1000, 50)], 30)
    bought = learn(DEFAULT_WEIGHTS, [shown("ease", 1000, 10, 10), shown("content", 1000, 50)], 30)
    assert clicks.weights == bought.weights


def test_the_rationale_names_the_moves_with_their_numbers() -> None:
    learned = learn(DEFAULT_WEIGHTS, [shown("ease", 10_000, 900), shown("content", 10_000, 300)], 30)
    assert "From 20000 recommendations shown in the last 30 days (mean value 0.0600 points each)" in learned.rationale
    assert (
        f"ease {DEFAULT_WEIGHTS['ease']:.3f} to {learned.weights['ease']:.3f} (0.0900 points each from 10000 shown)"
        in learned.rationale
    )
    assert "(not shown)" in learned.rationale


def test_a_rationale_without_moves_says_so() -> None:
    measured = [shown(name, 1000, 50) for name in ACTIVE]
    assert "no weight moves by 0.005 or more" in learn(DEFAULT_WEIGHTS, measured, 30).rationale


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0, 1 / 12))
def test_a_floor_raises_the_small_and_keeps_the_order(values: list[float], floor: float) -> None:
    assume(sum(values) > 1e-6)
    weights = with_floor({str(n): value for n, value in enumerate(values)}, floor)
    assert sum(weights.values()) == pytest.approx(1.0)
    assert min(weights.values()) >= floor - 1e-12
    for one, first in enumerate(values):
        for other, second in enumerate(values):
            assert first < second or weights[str(one)] >= weights[str(other)] - 1e-12


def test_a_floor_too_high_for_all_is_refused() -> None:
    with pytest.raises(ValueError, match=r"floor: must be at most 0\.5 for 2 weights, got 0\.6"):
        with_floor({"a": 1, "b": 1}, 0.6)


def test_weights_that_add_up_to_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="must not add up to 0"):
        normalised({"a": 0.0})
