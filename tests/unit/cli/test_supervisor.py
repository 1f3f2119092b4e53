"""When an agent that ended is started again."""

from itertools import accumulate, pairwise, repeat

import pytest

from cli.supervisor import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, STEADY_AFTER_SECONDS, pause_after

WHOLE_WITHIN_SECONDS = 5.0


def test_an_agent_that_served_is_started_at_once_however_often_it_died() -> None:
    assert pause_after(STEADY_AFTER_SECONDS + 1, LONGEST_PAUSE_SECONDS) == FIRST_PAUSE_SECONDS


def test_pauses_double_while_starts_fail_and_stay_short_enough_to_be_up_in_time() -> None:
    pauses = list(accumulate(repeat(1.0, 20), lambda before, lived: pause_after(lived, before), initial=0.0))[1:]
    assert pauses[0] == FIRST_PAUSE_SECONDS
    for before, after in pairwise(pauses):
        assert after == pytest.approx(min(2 * before, LONGEST_PAUSE_SECONDS))
    assert max(pauses) == LONGEST_PAUSE_SECONDS < WHOLE_WITHIN_SECONDS
