"""Work of calls: bounded, in its caller's context, and not done for nobody."""

import asyncio
import threading
import time

import pytest

from shared.errors import Overloaded
from shared.rpc.interceptor import deadline
from shared.rpc.worker import BoundedWorker
from shared.telemetry import request_id


async def test_work_is_done_in_the_context_of_its_call():
    worker = BoundedWorker(1)
    request_id.set("r-17")
    assert await worker.run(request_id.get) == "r-17"


async def test_what_work_raises_is_raised():
    with pytest.raises(ZeroDivisionError):
        await BoundedWorker(1).run(lambda: 1 // 0)


async def test_what_would_wait_behind_too_much_is_refused_at_once():
    worker = BoundedWorker(1)
    gate = threading.Event()
    held = [asyncio.ensure_future(worker.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await worker.run(lambda: None)
    gate.set()
    assert await asyncio.gather(*held) == [True, True]
    assert await worker.run(lambda: "again") == "again"


async def test_nothing_is_done_for_a_caller_who_is_gone():
    done: list[str] = []
    deadline.set(time.monotonic() - 1.0)
    with pytest.raises(Overloaded):
        await BoundedWorker(1).run(lambda: done.append("work"))
    assert done == []
