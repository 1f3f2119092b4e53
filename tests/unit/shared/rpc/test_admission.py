"""Places for calls: they follow the event loop's delay, and the dear is refused before the urgent."""

import asyncio
import time

import pytest

from shared.errors import Overloaded
from shared.rpc import admission
from shared.rpc.admission import FEWEST_PLACES, LONGEST_DELAY_SECONDS, Admission
from shared.rpc.rights import Work


def fill(places: Admission, count: int) -> None:
    for number in range(count):
        places.enter(f"key-{number}", "m", Work.SERVE)


def test_each_kind_fills_its_share_only() -> None:
    for kind in Work:
        places = Admission("test", most=100)
        fill(places, round(100 * kind.limits.share) - 1)
        places.enter("one", "m", kind)
        with pytest.raises(Overloaded) as caught:
            places.enter("two", "m", kind)
        assert caught.value.retry_after_seconds


def test_one_key_does_not_take_all_places() -> None:
    places = Admission("test")
    for _ in range(Work.REPORT.limits.at_once):
        places.enter("greedy", "m", Work.REPORT)
    with pytest.raises(Overloaded):
        places.enter("greedy", "m", Work.REPORT)
    places.enter("other", "m", Work.REPORT)
    places.enter("greedy", "another", Work.REPORT)
    places.leave("greedy", "m")
    places.enter("greedy", "m", Work.REPORT)


@pytest.mark.parametrize(("factor", "most"), [(2.0, 2 * Work.REPORT.limits.at_once), (0.01, 1)])
def test_how_many_calls_a_key_may_have_in_progress_can_change(factor: float, most: int) -> None:
    places = Admission("test")
    places.of_one_caller = factor
    for _ in range(most):
        places.enter("greedy", "m", Work.REPORT)
    with pytest.raises(Overloaded, match=f"{most} calls"):
        places.enter("greedy", "m", Work.REPORT)


def test_callers_without_keys_are_not_counted_as_one() -> None:
    places = Admission("test")
    for _ in range(Work.REPORT.limits.at_once + 1):
        places.enter("", "m", Work.REPORT)


def test_places_become_fewer_with_the_delay_and_more_without() -> None:
    places = Admission("test", most=100)
    fill(places, 80)
    for _ in range(200):
        places.adapt(LONGEST_DELAY_SECONDS * 2)
    assert places.places == FEWEST_PLACES
    for _ in range(200):
        places.adapt(0.0)
    assert places.places == 100


def test_unused_places_do_not_grow() -> None:
    places = Admission("test", most=1000)
    fill(places, 1)
    places.places = FEWEST_PLACES * 16.0
    places.adapt(0.0)
    assert places.places == FEWEST_PLACES * 16


async def test_a_blocked_event_loop_takes_places_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "LOOKS", 1)
    monkeypatch.setattr(admission, "LOOK_SECONDS", 0.001)
    places = Admission("test", most=1000)
    fill(places, 500)
    places.start(_no_queue)
    async with asyncio.timeout(20):
        while places.places > 600:
            await asyncio.sleep(0)
            time.sleep(LONGEST_DELAY_SECONDS * 1.5)
    await places.stop()
    await places.stop()


async def test_calls_that_wait_to_be_taken_up_take_places_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "LOOK_SECONDS", 0.001)
    places = Admission("test", most=1000)
    fill(places, 500)

    async def queue_seconds() -> float:
        return LONGEST_DELAY_SECONDS * 2

    places.start(queue_seconds)
    async with asyncio.timeout(20):
        while places.places > 300:
            await asyncio.sleep(0.001)
    await places.stop()


async def test_a_single_long_wait_takes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "LOOK_SECONDS", 0.001)
    asked = 0

    async def queue_seconds() -> float:
        nonlocal asked
        asked += 1
        return LONGEST_DELAY_SECONDS * (2 if asked % 2 else 0.1)

    places = Admission("test", most=1000)
    fill(places, 500)
    places.start(queue_seconds)
    async with asyncio.timeout(20):
        while asked < 20:
            await asyncio.sleep(0.001)
    await places.stop()
    assert places.places == 1000


async def _no_queue() -> float:
    return 0.0
