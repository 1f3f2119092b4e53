"""An agent that is answering calls can start child processes: jobs depend on it."""

import subprocess
import sys
from pathlib import Path

CHILDREN = 100  # one in twenty crashed before
PROGRAM = f"""
import asyncio
import services  # first, as in every agent
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc
from shared.config import Settings
from shared.rpc.client import open_channel
from shared.rpc.server import AgentServer

async def child():
    return await (await asyncio.create_subprocess_exec("true")).wait()

async def keep_asking(check):
    while True:
        await check(health_pb2.HealthCheckRequest())

async def main():
    server = AgentServer("product", Settings(product_port=0), [])
    async with open_channel(f"127.0.0.1:{{await server.start()}}") as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        callers = [asyncio.create_task(keep_asking(check)) for _ in range(8)]
        codes = [await child() for _ in range({CHILDREN})]
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    await server.stop()
    print(codes.count(0))

uvloop.run(main())
"""


def test_no_child_crashes_while_calls_are_in_progress() -> None:
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split()[-1:] == [str(CHILDREN)], done.stderr
