"""Open calls: fewer when answers come too late, more when they come in time."""

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import NotFound, Overloaded, QuintetError, Unavailable
from shared.rpc.concurrency_limit import ConcurrencyLimit

FEWEST, MOST = 4, 64


def make(limit: ConcurrencyLimit, error: QuintetError | None) -> None:
    try:
        with limit.call():
            if error is not None:
                raise error
    except QuintetError:
        pass


def test_no_more_calls_are_open_than_the_limit() -> None:
    limit = ConcurrencyLimit(FEWEST, MOST)
    with ExitStack() as held:
        for _ in range(MOST):
            held.enter_context(limit.call())
        with pytest.raises(Overloaded), limit.call():
            pass
    assert limit.open == 0


def test_an_agent_that_hangs_has_few_calls_waiting_and_recovers() -> None:
    limit = ConcurrencyLimit(FEWEST, MOST)
    for _ in range(100):
        make(limit, Unavailable("too late"))
    assert limit.limit == FEWEST
    with ExitStack() as held:
        for _ in range(FEWEST):
            held.enter_context(limit.call())
        with pytest.raises(Unavailable) as caught, limit.call():
            pass
    assert not isinstance(caught.value, Overloaded), "the agent is away, not busy"
    for _ in range(10_000):
        make(limit, None)
    assert limit.limit == MOST


@pytest.mark.parametrize("error", [Overloaded("busy"), NotFound.of("customer", "c")])
def test_answers_that_are_errors_are_in_time(error: QuintetError) -> None:
    limit = ConcurrencyLimit(FEWEST, MOST)
    make(limit, error)
    assert limit.limit == MOST


@given(st.lists(st.sampled_from([None, Unavailable("late"), Overloaded("busy")])))
def test_the_limit_keeps_its_bounds(outcomes: list[QuintetError | None]) -> None:
    limit = ConcurrencyLimit(FEWEST, MOST)
    for outcome in outcomes:
        make(limit, outcome)
        assert FEWEST <= limit.limit <= MOST
        assert limit.open == 0
