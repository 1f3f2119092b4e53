"""Threads by kind of work: a slow kind keeps no other waiting, and each queue has an end."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from shared.errors import Overloaded
from shared.rpc import threads
from shared.rpc.rights import Work
from shared.rpc.threads import THREADS, ThreadsByWork, work
from shared.telemetry import WORK_UNFINISHED


@pytest.fixture
async def release() -> AsyncIterator[threading.Event]:
    pools = ThreadsByWork()
    asyncio.get_running_loop().set_default_executor(pools)
    event = threading.Event()
    yield event
    event.set()


def start(kind: Work | None, what: object) -> "asyncio.Task[object]":
    async def run() -> object:
        work.set(kind)
        return await asyncio.to_thread(what)  # type: ignore[arg-type]

    return asyncio.create_task(run())


async def test_slow_exports_do_not_keep_recording_waiting(release: threading.Event) -> None:
    unfinished = WORK_UNFINISHED.labels("report")
    before = unfinished._value.get()
    exports = [start(Work.REPORT, release.wait) for _ in range(50)]
    for kind in (Work.SERVE, Work.WRITE, Work.BULK, None):
        async with asyncio.timeout(10):
            assert await start(kind, lambda: "done") == "done"
    assert not any(each.done() for each in exports)
    assert unfinished._value.get() == before + 50, "how much waits can be scraped"
    release.set()
    await asyncio.gather(*exports)
    async with asyncio.timeout(10):
        while unfinished._value.get() != before:
            await asyncio.sleep(0)


async def test_a_queue_has_an_end(release: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "MOST_WAITING", 2)
    most = THREADS[Work.REPORT] + 2
    held = [start(Work.REPORT, release.wait) for _ in range(most)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await start(Work.REPORT, release.wait)
    release.set()
    await asyncio.gather(*held)
    assert await start(Work.REPORT, lambda: 1) == 1
