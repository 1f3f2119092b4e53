import numpy as np
import pytest
from hypothesis import given as given_by
from hypothesis import strategies as st

from services.recommendation.algorithms.base import Interactions, Kind
from services.recommendation.algorithms.interactions import DAY, decay, distinct_columns, sorted_columns

NOW = 1_700_000_000


def interactions(**given) -> Interactions:
    return Interactions.of([0, 1], [2, 0], **({"n_customers": 2, "n_products": 3, "now": NOW} | given))


def test_left_out_values_are_neutral():
    data = interactions()
    assert data.kinds.tolist() == [Kind.PURCHASE, Kind.PURCHASE]
    assert data.times.tolist() == [NOW, NOW]
    assert data.baskets.tolist() == [0, 1]
    assert data.embeddings.shape == (3, 0)
    assert data.similar.nnz == data.complementary.nnz == 0
    assert data.category.tolist() == [-1, -1, -1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"times": [NOW]}, "times: must have length 2, got 1"),
        ({"embeddings": np.zeros((2, 4))}, "embeddings: must have length 3, got 2"),
        ({"groups": {"region": [0]}}, r"groups\['region'\]: must have length 2, got 1"),
        ({"n_products": 2}, "products: rows must be from 0 to 1, got 2"),
        ({"n_customers": 1}, "customers: rows must be from 0 to 0, got 1"),
        ({"kinds": [0, 3]}, "kinds: rows must be from 0 to 2, got 3"),
        ({"kinds": [-1, 0]}, "kinds: rows must be from 0 to 2, got -1"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(given, message):
    with pytest.raises(ValueError, match=message):
        interactions(**given)


def test_relations_must_be_square():
    with pytest.raises(ValueError, match=r"similar: must have shape \(4, 4\), got \(3, 3\)"):
        interactions(similar=interactions().similar, n_products=4)


def test_weights_follow_kind_and_age():
    data = interactions(kinds=[Kind.VIEW, Kind.PURCHASE], times=[NOW, NOW - 20 * DAY])
    assert data.weights(half_life_days=10).tolist() == pytest.approx([1.0, 1.25])


def test_decay_counts_a_clock_ahead_as_now():
    np.testing.assert_allclose(decay(np.array([-DAY, 0, DAY]), 1.0), [1.0, 1.0, 0.5])


def test_where_keeps_all_else_and_chooses_events():
    chosen = interactions(category=[5, 6, 7]).where(np.array([False, True]))
    assert chosen.customers.tolist() == [1]
    assert chosen.products.tolist() == [0]
    assert chosen.category.tolist() == [5, 6, 7]


def test_weights_of_kinds_are_part_of_the_data():
    data = Interactions.of([0, 0], [0, 1], n_customers=1, n_products=2, now=10, kinds=[0, 2], kind_weights=[0.5, 1, 2])
    assert data.weights(half_life_days=1).tolist() == [0.5, 2.0]
    assert data.relative_weights.tolist() == [0.25, 0.5, 1.0]


def test_data_of_one_kind_counts_one_whatever_its_weight():
    data = Interactions.of([0], [0], n_customers=1, n_products=1, now=10, kinds=0)
    assert data.relative_weights[0] == 1.0
    nothing = Interactions.of(n_customers=1, n_products=1, now=10)
    assert np.isfinite(nothing.relative_weights).all()


@pytest.mark.parametrize("weights", [[1, 2], [1, -2, 3], [1, float("nan"), 3]])
def test_weights_of_kinds_are_checked(weights):
    with pytest.raises(ValueError, match="kind_weights"):
        Interactions.of(n_customers=1, n_products=1, now=10, kind_weights=weights)


SMALL = st.integers(-3, 3)
WIDE = st.integers(-(2**40), 2**40)


@given_by(st.lists(st.tuples(SMALL, SMALL, SMALL) | st.tuples(WIDE, WIDE, SMALL), max_size=40))
def test_columns_are_sorted_by_one_row_after_the_other(columns):
    rows = np.array(columns, np.int64).reshape(-1, 3).T
    assert sorted_columns(*rows).T.tolist() == [list(column) for column in sorted(columns)]
    assert distinct_columns(*rows).T.tolist() == [list(column) for column in sorted(set(columns))]
