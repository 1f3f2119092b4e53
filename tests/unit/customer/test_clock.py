"""Parts of days and weekdays agree with the calendar, also before 1970."""

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.customer.clock import DAYPARTS, WEEKDAYS, daypart, weekday


@given(st.integers(-(10**9), 4 * 10**9), st.sampled_from([0, 3600, -18_000]))
def test_agrees_with_the_calendar(time: int, offset: int) -> None:
    moment = datetime.fromtimestamp(time + offset, UTC)
    times = np.array([time])
    assert WEEKDAYS[weekday(times, offset)[0]] == moment.strftime("%A").lower()
    assert DAYPARTS[daypart(times, offset)[0]] == DAYPARTS[moment.hour // 6]
