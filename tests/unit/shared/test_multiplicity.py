"""Adjusted p-values are the published ones, never smaller than the raw ones, and in their order."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from shared.multiplicity import benjamini_hochberg, holm

Adjust = Callable[[Sequence[float]], list[float]]
METHODS = pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
P_VALUES = st.lists(st.floats(0, 1), max_size=12)
INFARCTION = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0
]  # fmt: skip
"""The 15 endpoints of the example in Benjamini & Hochberg (1995)."""


def test_holm_is_the_textbook_example() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_the_published_example_has_as_many_rejections_as_published() -> None:
    assert sum(p <= 0.05 for p in holm(INFARCTION)) == 3
    assert sum(p <= 0.05 for p in benjamini_hochberg(INFARCTION)) == 4


@METHODS
def test_nothing_is_adjusted_to_nothing(adjust: Adjust) -> None:
    assert adjust([]) == []


@METHODS
def test_one_test_is_as_it_was(adjust: Adjust) -> None:
    assert adjust([0.2]) == [0.2]


@METHODS
@given(p_values=P_VALUES)
def test_no_test_gets_more_significant_and_the_order_is_kept(adjust: Adjust, p_values: list[float]) -> None:
    adjusted = adjust(p_values)
    assert all(raw <= after <= 1 for raw, after in zip(p_values, adjusted, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.array(adjusted)[order]) >= 0)


@given(p_values=P_VALUES)
def test_false_discoveries_are_allowed_to_no_less_than_false_alarms(p_values: list[float]) -> None:
    pairs = zip(benjamini_hochberg(p_values), holm(p_values), strict=True)
    assert all(discovery <= alarm for discovery, alarm in pairs)


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_benjamini_hochberg_is_that_of_scipy(p_values: list[float]) -> None:
    assert benjamini_hochberg(p_values) == pytest.approx(list(false_discovery_control(p_values)))
