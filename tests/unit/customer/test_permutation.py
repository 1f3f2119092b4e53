"""Permutation tests: exact p-values."""

import numpy as np

from services.customer.permutation import choices, differences, p_value


def test_choices_pick_as_many_as_observed_and_the_observed_first() -> None:
    chosen = choices(10, 3, 500, np.random.default_rng(0))
    assert chosen[0].tolist() == [0.0] * 7 + [1.0] * 3
    assert set(chosen.sum(axis=1)) == {3.0}
    np.testing.assert_allclose(chosen[1:].mean(axis=0), 0.3, atol=0.08)


def test_differences_are_between_means() -> None:
    features = np.array([[1.0, 0.0], [3.0, 0.0], [10.0, 6.0]])
    chosen = np.array([[0, 0, 1], [1, 0, 0]], dtype=np.float32)
    np.testing.assert_allclose(differences(features, chosen), [[8, 6], [1 - 6.5, -3]], rtol=1e-6)


def test_p_value_counts_the_observed_and_ties() -> None:
    assert p_value(np.array([5.0, 1, 2, 5])) == 0.5
    assert p_value(np.array([9.0, 1, 2, 5])) == 0.25
    assert p_value(np.zeros(4)) == 1.0
