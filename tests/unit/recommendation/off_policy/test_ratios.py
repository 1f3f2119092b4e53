import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.recommendation.off_policy.ratios import Ratios, difference, gradient, value_of


def test_the_value_is_the_sum_of_the_ratios():
    ratios = Ratios.of(
        (np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0])), (np.array([4.0, 0.0, 0.0]), np.array([3.0, 4.0, 1.0]))
    )

    assert ratios.value == pytest.approx(2.0 + 0.5)


def test_a_denominator_of_zero_has_no_value():
    assert np.isnan(Ratios.of((np.array([1.0]), np.array([0.0]))).value)


def test_totals_are_added_up_by_unit_numerators_first():
    ratios = Ratios.of((np.array([1.0, 2.0, 4.0]), np.array([1.0, 1.0, 1.0])))

    assert ratios.totals(np.array([7, 3, 7])).tolist() == [[2.0, 1.0], [5.0, 2.0]]


@given(arrays(float, 4, elements=st.floats(0.5, 5.0)))
def test_the_gradient_is_what_small_changes_do(sums):
    step = 1e-6
    slopes = [
        (value_of(*np.split(sums + d, 2)) - value_of(*np.split(sums - d, 2))) / (2 * step) for d in step * np.eye(4)
    ]

    assert gradient(sums) == pytest.approx(np.array(slopes), rel=1e-4)


def test_the_difference_is_that_of_the_values():
    first, second = Ratios.mean(np.array([3.0, 5.0])), Ratios.of((np.array([1.0, 1.0]), np.array([1.0, 3.0])))

    assert difference((first, second)).value == pytest.approx(4.0 - 0.5)
