"""Customers are sums of products: weights, decay, invariances, and the batch equals the single."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.customer.clock import DAY
from services.customer.embedding import EventWeights, customer_vector, customer_vectors, event_weights
from services.customer.events import Events, Kind
from tests.unit.customer.histories import NOW, events, joined

VECTORS = np.eye(5, dtype=np.float32)


def test_purchases_outweigh_carts_and_views() -> None:
    history = Events.of([NOW] * 3, [0, 1, 2], list(Kind))
    assert event_weights(history).tolist() == [1.0, 3.0, 5.0]
    assert np.argsort(customer_vector(history, VECTORS))[-3:].tolist() == [0, 1, 2]


def test_the_weight_of_a_view_rises_with_its_duration_and_saturates() -> None:
    durations = [0, 10, 60, 10**6, float("nan"), -5]
    weights = event_weights(Events.of([NOW] * 6, [0] * 6, [Kind.VIEW] * 6, dwell_seconds=durations))
    assert weights[0] == weights[4] == weights[5] == 1.0
    assert weights[0] < weights[1] < weights[2] < weights[3] == pytest.approx(2.0)


def test_duration_matters_for_views_only() -> None:
    assert event_weights(Events.of([NOW], [0], [Kind.CART], dwell_seconds=100.0)).tolist() == [3.0]


def test_weight_halves_with_each_half_life() -> None:
    weights = EventWeights(half_life_days=10)
    history = Events.of([NOW, NOW - 20 * DAY], [0, 1], [Kind.CART, Kind.CART])
    vector = customer_vector(history, VECTORS, weights)
    assert vector[1] / vector[0] == pytest.approx(0.25)


def test_long_absence_does_not_change_the_taste() -> None:
    old = Events.of([0, 3 * DAY], [0, 1], [Kind.CART, Kind.VIEW])
    recent = Events.of([NOW, NOW + 3 * DAY], [0, 1], [Kind.CART, Kind.VIEW])
    np.testing.assert_array_equal(customer_vector(old, VECTORS), customer_vector(recent, VECTORS))


@pytest.mark.parametrize("products", [[], [-1], [5]])
def test_no_known_product_gives_zeros(products: list[int]) -> None:
    history = Events.of([NOW] * len(products), products, [Kind.VIEW] * len(products))
    assert customer_vector(history, VECTORS).tolist() == [0.0] * 5


def test_tastes_that_cancel_out_give_zeros() -> None:
    opposite = np.array([[1.0, 0.0], [-1.0, 0.0]], dtype=np.float32)
    assert not customer_vector(Events.of([NOW] * 2, [0, 1], [Kind.VIEW] * 2), opposite).any()


@settings(max_examples=60, deadline=None)
@given(st.lists(events(), min_size=1, max_size=5), st.integers(0, 1000))
def test_the_batch_equals_the_single_and_is_unit_or_zero(parts: list[Events], seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(6, 4)).astype(np.float32)
    batch = customer_vectors(*joined(parts), vectors, len(parts))
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch, [customer_vector(part, vectors) for part in parts], atol=1e-5)
    lengths = np.linalg.norm(batch, axis=1)
    assert np.all((lengths == 0) | (np.abs(lengths - 1) < 1e-5))


@settings(max_examples=40, deadline=None)
@given(events(), st.floats(0.01, 100))
def test_scaling_all_weights_changes_nothing(history: Events, factor: float) -> None:
    scaled = EventWeights(1.0 * factor, 2.0 * factor, 3.0 * factor, 5.0 * factor)
    np.testing.assert_allclose(customer_vector(history, VECTORS, scaled), customer_vector(history, VECTORS), atol=1e-6)
