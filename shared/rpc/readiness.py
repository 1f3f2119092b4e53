"""Whether an agent can do its work, found out again and again; health checks, logs and metrics follow it.

`grpc.health.v1.Health` answers for these names:

- the empty name and the full names of the services: ready, SERVING only while every check of the agent holds;
- `check/` and the name of a check, such as `check/database`: SERVING while that one holds;
- `liveness`: the process answers; SERVING until it stops. A process that is alive and not ready needs no restart.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog
from grpc_health.v1 import health, health_pb2

from shared.errors import QuintetError
from shared.telemetry import READY

LIVENESS = "liveness"
CHECK = "check/"
"""Begins the names of single checks."""
LOOK_EVERY_SECONDS = 1.0
CHECK_SECONDS = 3.0
"""A check that takes longer counts as failed; it is not started again before it has ended."""
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
log = structlog.get_logger()

Check = Callable[[], str]
"""Returns what is wrong, empty when nothing is. It may block and raise a QuintetError, whose message is the reason."""


class Readiness:
    """Sets the health of an agent from its checks, by name, until it is stopped."""

    def __init__(
        self, agent: str, health_service: health.aio.HealthServicer, names: Sequence[str], checks: Mapping[str, Check]
    ) -> None:
        self._agent = agent
        self._health = health_service
        self._names = ("", *names)
        self._checks = dict(checks)
        self._running: dict[str, asyncio.Task[str]] = {}
        self._reasons: dict[str, str] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look for the first time, set the health, and go on looking."""
        await self._health.set(LIVENESS, SERVING)
        await self._look()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop looking. Safe to repeat."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            try:
                await self._look()
            except Exception:  # the next look may succeed
                log.exception("readiness could not be looked at")

    async def _look(self) -> None:
        names = list(self._checks)
        found = await asyncio.gather(*(self._reason(name) for name in names))
        reasons = {name: reason for name, reason in zip(names, found, strict=True) if reason}
        for name in names:
            READY.labels(self._agent, name).set(name not in reasons)
            await self._health.set(f"{CHECK}{name}", NOT_SERVING if name in reasons else SERVING)
        if reasons == self._reasons:
            return
        self._say(reasons)
        self._reasons = reasons
        for name in self._names:
            await self._health.set(name, NOT_SERVING if reasons else SERVING)

    async def _reason(self, name: str) -> str:
        running = self._running.get(name)
        if running is None or running.done():
            running = self._running[name] = asyncio.create_task(asyncio.to_thread(self._checks[name]))
        try:
            return await asyncio.wait_for(asyncio.shield(running), CHECK_SECONDS)
        except TimeoutError:
            return f"no answer within {CHECK_SECONDS:g} seconds"
        except QuintetError as error:
            return error.message
        except Exception as error:
            log.exception("a check of readiness failed", check=name)
            return f"internal error ({type(error).__name__})"

    def _say(self, reasons: dict[str, str]) -> None:
        if reasons:
            log.warning("not ready", **{f"check_{name}": reason for name, reason in reasons.items()})
        elif self._reasons:
            log.info("ready again")
