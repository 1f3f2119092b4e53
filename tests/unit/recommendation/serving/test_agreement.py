"""Agreement of two lists equals what is counted by hand, and what scipy computes."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from services.recommendation.serving.agreement import overlap, rank_correlation


def test_overlap_is_the_share_of_what_was_shown() -> None:
    assert overlap([1, 2, 3, 4], [4, 9, 1]) == 0.5
    assert overlap([1], []) == 0.0
    assert overlap([], [1]) == 1.0


def test_ranks_are_those_of_common_products() -> None:
    assert rank_correlation([1, 2, 3], [9, 1, 2, 8, 3]) == 1.0
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == -1.0
    assert rank_correlation([1, 2], [1, 3]) is None


@pytest.mark.parametrize("seed", range(5))
def test_the_correlation_is_spearmans(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(12)
    found = rank_correlation(list(range(12)), order.tolist())
    assert found == pytest.approx(spearmanr(np.arange(12), np.argsort(order)).statistic)
