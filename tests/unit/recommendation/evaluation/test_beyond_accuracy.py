"""Beyond accuracy: every number by hand."""

from math import log2, sqrt

import numpy as np
import pytest

from services.recommendation.algorithms.base import Interactions
from services.recommendation.algorithms.content import unit_rows
from services.recommendation.evaluation import beyond_accuracy
from services.recommendation.evaluation.beyond_accuracy import (
    OVERALL,
    PER_LIST,
    cooccurrence,
    diversity,
    overall,
    per_list,
)
from services.recommendation.evaluation.popularity import Popularity
from tests.unit.recommendation.evaluation.synthetic_data import at_random, bought, events, lists, rows

TRAIN = events(
    *(bought(customer, 0, customer) for customer in range(4)),
    bought(0, 0, 9),
    bought(0, 1, 10),
    bought(1, 1, 11),
    bought(0, 2, 12),
    n_customers=6,
    n_products=4,
)
"""Of four customers, product 0 has all (one of them twice), 1 two, 2 one, 3 none; customers 4 and 5 met nothing."""


def test_popularity_counts_customers_once():
    popularity = Popularity.of(TRAIN)
    assert popularity.counts.tolist() == [4, 2, 1, 0]
    assert popularity.n_customers == 4
    assert popularity.known.tolist() == [True, True, True, False]
    assert popularity.information.tolist() == [0.0, 1.0, 2.0, 2.0]
    assert popularity.relative.tolist() == [1.0, 0.5, 0.25, 0.0]
    assert popularity.percentile[:3] == pytest.approx([5 / 6, 3 / 6, 1 / 6])
    assert popularity.typical == pytest.approx((4 * 5 / 6 + 2 * 3 / 6 + 1 / 6) / 7)


def test_equally_popular_products_share_a_percentile():
    popularity = Popularity.of(events(bought(0, 0, 1), bought(1, 1, 1)))
    assert popularity.percentile[:2].tolist() == [0.5, 0.5]


def test_coverage_and_gini_of_the_known_catalogue():
    assert overall(lists((0, 1), (0, -1), (0, 1)), TRAIN) == pytest.approx(
        {"coverage": 2 / 3, "gini": (-2 * 0 + 0 * 2 + 2 * 3) / (3 * 5)}
    )


def test_gini_is_zero_when_all_are_shown_alike_and_near_one_when_one_is():
    everything = np.ones(100, dtype=bool)
    assert beyond_accuracy.gini(np.arange(100, dtype=np.int32).reshape(10, 10), everything) == pytest.approx(0.0)
    assert beyond_accuracy.gini(np.zeros((10, 1), np.int32), everything) == pytest.approx(0.99)


def test_nothing_shown_has_no_gini():
    found = overall(lists((-1, -1)), TRAIN)
    assert found["coverage"] == 0.0
    assert np.isnan(found["gini"])
    assert np.isnan(overall(lists((-1,)), events())["coverage"])


def test_novelty_is_the_mean_self_information_of_what_is_listed():
    found = per_list(lists((0, 1, 2), (2, -1, -1), (-1, -1, -1)), [rows(0)] * 3, TRAIN)["novelty"]
    assert found[:2] == pytest.approx([(log2(4 / 4) + log2(4 / 2) + log2(4 / 1)) / 3, 2.0])
    assert np.isnan(found[2])


def test_serendipity_is_worth_most_in_the_long_tail():
    found = per_list(lists((0, 1), (2, 1), (-1, -1)), [rows(0), rows(1, 2), rows(0)], TRAIN)["serendipity"]
    assert found == pytest.approx([0.0, ((1 - 0.25) + (1 - 0.5)) / 2, 0.0])


def test_popularity_bias_compares_with_what_customers_met():
    found = per_list(lists((0, -1), (2, 2 - 1), (-1, -1)), [rows(0)] * 3, TRAIN)["popularity_bias"]
    typical = (4 * 5 / 6 + 2 * 3 / 6 + 1 / 6) / 7
    assert found[:2] == pytest.approx([5 / 6 - typical, 2 / 6 - typical])
    assert np.isnan(found[2])


def test_lists_like_what_people_chose_have_no_popularity_bias():
    train = at_random(1)
    met = np.unique(np.stack([train.customers, train.products]), axis=1)[1][:, None].astype(np.int32)
    assert beyond_accuracy.popularity_bias(met, Popularity.of(train)).mean() == pytest.approx(0.0, abs=1e-9)


def test_diversity_is_the_mean_distance_of_the_pairs_that_have_embeddings():
    unit = unit_rows(np.array([[1, 0], [0, 2], [1, 1], [0, 0]], dtype=np.float32))
    found = diversity(lists((0, 1, 2), (0, 1, 3), (0, 3, -1), (2, -1, -1)), unit)
    assert found[:2] == pytest.approx([1 - (0 + 2 / sqrt(2)) / 3, 1.0], abs=1e-6)
    assert np.isnan(found[2:]).all()


def test_without_embeddings_the_distance_is_by_common_customers():
    found = per_list(lists((0, 1), (1, 2), (0, 2), (0, 3)), [rows(0)] * 4, TRAIN)["diversity"]
    assert found[:3] == pytest.approx([1 - 2 / sqrt(4 * 2), 1 - 1 / sqrt(2 * 1), 1 - 1 / sqrt(4 * 1)], abs=1e-6)
    assert np.isnan(found[3])


def test_with_embeddings_they_decide():
    train = Interactions.of([0, 0], [0, 1], n_customers=1, n_products=2, now=1, embeddings=[[1, 0], [0, 1]])
    assert per_list(lists((0, 1)), [rows(0)], train)["diversity"].tolist() == [1.0]


def test_diversity_is_that_of_the_pairs_one_by_one():
    train = at_random(2)
    vectors = cooccurrence(train).toarray()
    listed = np.stack([np.random.default_rng(q).permutation(25)[:6] for q in range(30)]).astype(np.int32)
    wanted = [
        np.mean([1 - vectors[a] @ vectors[b] for place, a in enumerate(own) for b in own[:place]]) for own in listed
    ]
    assert diversity(listed, cooccurrence(train)) == pytest.approx(wanted, abs=1e-6)


def test_diversity_by_common_customers_takes_a_sample_of_many_lists(monkeypatch: pytest.MonkeyPatch):
    train, listed = at_random(3), np.tile(np.arange(5, dtype=np.int32), (20, 1))
    whole = per_list(listed, [rows(0)] * 20, train)["diversity"]
    monkeypatch.setattr(beyond_accuracy, "MOST_LISTS", 6)
    some = per_list(listed, [rows(0)] * 20, train)["diversity"]
    assert np.isfinite(some).sum() == 6
    assert np.nanmean(some) == pytest.approx(whole.mean())


def test_every_metric_has_a_name_and_survives_no_lists():
    empty = np.empty((0, 5), np.int32)
    assert tuple(per_list(empty, [], TRAIN)) == PER_LIST
    assert tuple(overall(empty, TRAIN)) == OVERALL
    assert all(values.shape == (0,) for values in per_list(empty, [], TRAIN).values())
