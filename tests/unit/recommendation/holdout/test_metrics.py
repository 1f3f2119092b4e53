"""Metrics: numbers by hand, an independent implementation, and what must hold for every list."""

from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommendation.algorithms.arrays import Rows
from services.recommendation.holdout.metrics import NAMES, measure
from tests.unit.recommendation.evaluation.synthetic_data import lists, rows
from tests.unit.recommendation.holdout.ranx_values import values_by_ranx

K = 4


def one(listed: tuple[int, ...], relevant: tuple[int, ...], k: int = K) -> dict[str, float]:
    return {name: float(values[0]) for name, values in measure(lists(listed), [rows(*relevant)], k).items()}


def test_hits_at_the_second_and_fourth_place_of_three_relevant():
    assert one((7, 1, 8, 2), (1, 2, 3)) == pytest.approx(
        {
            "recall": 2 / 3,
            "recall_all": 2 / 3,
            "ndcg": (1 / log2(3) + 1 / log2(5)) / (1 + 1 / log2(3) + 1 / 2),
            "hit_rate": 1.0,
            "mrr": 1 / 2,
            "map": (1 / 2 + 2 / 4) / 3,
        }
    )


def test_more_relevant_than_places_caps_the_ideal_but_not_recall_all():
    assert one((1, 9), (1, 2, 3, 4, 5), k=2) == pytest.approx(
        {
            "recall": 1 / 2,
            "recall_all": 1 / 5,
            "ndcg": 1 / (1 + 1 / log2(3)),
            "hit_rate": 1.0,
            "mrr": 1.0,
            "map": 1 / 2,
        }
    )


def test_no_hit_is_zero_everywhere():
    assert set(one((7, 8, 9, -1), (1,)).values()) == {0.0}


def test_an_empty_list_is_zero_everywhere():
    assert set(one((-1, -1, -1, -1), (0, 1)).values()) == {0.0}


def test_one_relevant_product_makes_ndcg_the_discount_of_its_place():
    found = one((5, 6, 1, 7), (1,))
    assert found["ndcg"] == pytest.approx(1 / log2(4))
    assert found["mrr"] == found["map"] == pytest.approx(1 / 3)


def test_recall_over_all_swaps_the_names():
    found = measure(lists((1, 9)), [rows(1, 2, 3)], 2, recall_over="all")
    assert found["recall"][0] == pytest.approx(1 / 3)
    assert found["recall_capped"][0] == pytest.approx(1 / 2)
    assert "recall_all" not in found


def test_each_question_has_its_own_relevant_products():
    found = measure(lists((1, 2), (1, 2), (2, 1)), [rows(1), rows(2), rows(3)], 2)
    assert found["mrr"].tolist() == [1.0, 0.5, 0.0]


def test_no_questions_no_values():
    found = measure(np.empty((0, K), np.int32), [], K)
    assert set(found) == set(NAMES)
    assert all(values.shape == (0,) for values in found.values())


@pytest.mark.parametrize(
    ("listed", "relevant", "k", "says"),
    [
        (lists((1, 2)), [rows(1), rows(2)], 2, "targets: must be as many as the lists, 1, got 2"),
        (lists((1, 2)), [rows(1)], 3, "k: must be from 1 to the length of the lists, 2, got 3"),
        (lists((1, 2)), [rows(1)], 0, "k: must be from 1"),
        (lists((1, 2), (3, 3)), [rows(1), rows(1)], 2, "list 1 names product 3 twice"),
        (lists((1, 2), (3, 4)), [rows(1), rows()], 2, "question 1 has no relevant product"),
    ],
)
def test_what_cannot_be_measured_is_said(listed: Rows, relevant: list[Rows], k: int, says: str):
    with pytest.raises(ValueError, match=says):
        measure(listed, relevant, k)


def at_random(seed: int, *, n_questions: int = 60, n_products: int = 40, places: int = 12) -> tuple[Rows, list[Rows]]:
    """Lists, some of them short, and one to fifteen relevant products each."""
    rng = np.random.default_rng(seed)
    listed = np.stack([rng.permutation(n_products)[:places] for _ in range(n_questions)]).astype(np.int32)
    listed[np.arange(places) >= rng.integers(1, places + 1, n_questions)[:, None]] = -1
    sizes = rng.integers(1, 16, n_questions)
    return listed, [np.sort(rng.permutation(n_products)[:size]).astype(np.int32) for size in sizes]


def test_equal_to_ranx():
    listed, relevant = at_random(1)
    ours = {f"{name}@{k}": value for k in (1, 5, 12) for name, value in _as_ranx(listed, relevant, k).items()}
    assert values_by_ranx(listed, relevant, list(ours)) == pytest.approx(ours, abs=1e-6)


def _as_ranx(listed: Rows, relevant: list[Rows], k: int) -> dict[str, float]:
    """Return the means of our values by the name that ranx gives them: it divides MAP by all relevant products too."""
    sizes = np.array([len(own) for own in relevant])
    values = measure(listed, relevant, k, recall_over="all")
    values["map"] = measure(listed, relevant, k)["map"] * np.minimum(sizes, k) / sizes
    return {name: float(values[name].mean()) for name in ("recall", "ndcg", "hit_rate", "mrr", "map")}


@given(st.integers(0, 10_000))
def test_every_metric_is_between_zero_and_one(seed: int):
    for values in measure(*at_random(seed, n_questions=5), 12).values():
        assert np.all((values >= 0) & (values <= 1))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=20, unique=True), st.integers(1, 20))
def test_a_perfect_list_scores_one(relevant: list[int], k: int):
    others = list(range(31, 52))
    found = one(tuple((relevant + others)[:k]), tuple(sorted(relevant)), k)
    del found["recall_all"]
    assert found == pytest.approx(dict.fromkeys(found, 1.0))


@given(st.integers(0, 10_000), st.integers(1, 11))
def test_what_stands_below_k_changes_nothing(seed: int, k: int):
    listed, relevant = at_random(seed, n_questions=5)
    shuffled = listed.copy()
    shuffled[:, k:] = np.random.default_rng(seed).permutation(listed[:, k:], axis=1)
    for name, values in measure(shuffled, relevant, k).items():
        np.testing.assert_array_equal(values, measure(listed, relevant, k)[name])


@given(st.integers(0, 10_000))
def test_a_hit_moved_up_never_lowers_anything(seed: int):
    listed, relevant = at_random(seed, n_questions=5)
    better = listed.copy()
    for own, wanted in zip(better, relevant, strict=True):
        place = int(np.isin(own, wanted).argmax())
        if place and own[place] in wanted:
            own[[place - 1, place]] = own[[place, place - 1]]
    before, after = measure(listed, relevant, 8), measure(better, relevant, 8)
    assert all(np.all(after[name] >= before[name] - 1e-12) for name in NAMES)


def test_shuffled_labels_drop_to_chance():
    rng = np.random.default_rng(3)
    n, n_products, k = 4000, 50, 5
    wanted = rng.integers(0, n_products, n)
    listed = np.stack([np.append(own, np.setdiff1d(rng.permutation(n_products), own)[: k - 1]) for own in wanted])
    right = measure(listed.astype(np.int32), [rows(own) for own in wanted], k)
    chance = measure(listed.astype(np.int32), [rows(own) for own in rng.permutation(wanted)], k)
    assert right["recall"].mean() == 1.0
    assert chance["recall"].mean() == pytest.approx(k / n_products, abs=0.02)
