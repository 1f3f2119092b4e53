"""Token buckets: never more than the burst and the rate allow, each key and method by itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import RateLimited
from shared.rpc import rate_limit
from shared.rpc.rate_limit import BURST_SECONDS, RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(limiter: RateLimiter, rate: float, key: str = "k", method: str = "m") -> bool:
    try:
        limiter.take(key, method, rate)
    except RateLimited:
        return False
    return True


@given(st.floats(0.5, 100), st.lists(st.floats(0, 1), max_size=300))
def test_no_more_calls_than_burst_and_rate(rate: float, pauses: list[float]) -> None:
    clock = Clock()
    limiter = RateLimiter(clock)
    calls = 0
    for pause in pauses:
        clock.now += pause
        calls += taken(limiter, rate)
    assert calls <= max(1.0, rate * BURST_SECONDS) + rate * sum(pauses) + 1e-6


def test_it_says_when_to_call_again_and_means_it() -> None:
    clock = Clock()
    limiter = RateLimiter(clock)
    assert sum(taken(limiter, 5) for _ in range(100)) == 10
    with pytest.raises(RateLimited) as caught:
        limiter.take("k", "m", 5)
    wait = caught.value.retry_after_seconds
    assert wait == pytest.approx(0.2)
    clock.now += wait + 1e-9
    assert taken(limiter, 5)
    assert not taken(limiter, 5)


def test_keys_and_methods_have_buckets_of_their_own() -> None:
    limiter = RateLimiter(Clock())
    assert taken(limiter, 0.5)
    assert not taken(limiter, 0.5)
    assert taken(limiter, 0.5, key="other")
    assert taken(limiter, 0.5, method="other")


def test_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MOST_BUCKETS", 2)
    limiter = RateLimiter(Clock())
    for key in "abc":
        assert taken(limiter, 0.5, key=key)
    assert not taken(limiter, 0.5, key="c")
    assert taken(limiter, 0.5, key="a")
