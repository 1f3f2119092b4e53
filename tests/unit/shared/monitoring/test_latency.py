"""Response times are read from the histogram that is kept anyway, for the period between two readings."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from shared.monitoring.latency import CallCounts, call_counts

BOUNDS = (0.01, 0.1, 1.0)


def histogram() -> Histogram:
    return Histogram("seconds", "", ["method", "code"], buckets=BOUNDS, registry=CollectorRegistry())


def test_only_methods_that_count_are_read() -> None:
    seen = histogram()
    seen.labels("Get", "OK").observe(0.05)
    seen.labels("Get", "INTERNAL").observe(0.05)
    seen.labels("Get", "NOT_FOUND").observe(0.05)
    seen.labels("Train", "OK").observe(0.5)
    found = call_counts(seen, lambda method: method == "Get")
    assert (found.calls, found.failed) == (3, 1)
    assert found.buckets == {0.01: 0, 0.1: 3, 1.0: 3, inf: 3}


def test_a_period_has_the_calls_between_its_readings() -> None:
    seen = histogram()
    seen.labels("Get", "OK").observe(5)
    before = call_counts(seen, lambda _: True)
    seen.labels("Get", "OK").observe(0.05)
    period = call_counts(seen, lambda _: True).since(before)
    assert period.calls == 1
    assert 0.01 < period.quantile(0.99) <= 0.1


@pytest.mark.parametrize(("share", "seconds"), [(0.5, 0.01), (0.75, 0.055), (1.0, 0.1)])
def test_calls_count_as_spread_evenly_between_bounds(share: float, seconds: float) -> None:
    assert CallCounts({0.01: 50, 0.1: 100, inf: 100}, 100).quantile(share) == pytest.approx(seconds)


def test_beyond_the_largest_bound_its_value_is_said() -> None:
    assert CallCounts({0.01: 0, 0.1: 0, inf: 10}, 10).quantile(0.99) == 0.1


def test_without_calls_there_is_no_time() -> None:
    assert CallCounts().quantile(0.99) == 0.0


@given(st.lists(st.floats(0, 2), min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_a_quantile_lies_in_the_bucket_of_its_call(times: list[float], share: float) -> None:
    buckets = {bound: float(sum(time <= bound for time in times)) for bound in (*BOUNDS, inf)}
    found = CallCounts(buckets, len(times)).quantile(share)
    wanted = share * len(times)
    upper = next(bound for bound in (*BOUNDS, inf) if buckets[bound] >= wanted)
    assert 0 <= found <= min(upper, BOUNDS[-1])
