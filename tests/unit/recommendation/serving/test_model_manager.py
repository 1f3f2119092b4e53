"""When a model that could not be loaded is tried again."""

import pytest

from services.recommendation.serving.model_manager import LONGEST_PAUSE_SECONDS, pause_after

WHOLE_WITHIN_SECONDS = 5.0


@pytest.mark.parametrize("failures", [1, 4, 100])
def test_what_was_mended_is_in_use_in_time_however_long_it_was_broken(failures: int) -> None:
    assert 0 < pause_after(failures, took=0.1) <= LONGEST_PAUSE_SECONDS < WHOLE_WITHIN_SECONDS


def test_a_large_model_that_stays_broken_leaves_most_of_the_time() -> None:
    assert pause_after(10, took=20.0) == 40.0
