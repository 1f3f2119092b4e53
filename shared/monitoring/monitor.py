"""The monitor of an agent: a sample every five minutes, logged, stored and held against the thresholds."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict

import structlog

from shared.config import Settings
from shared.db import agent_samples
from shared.db.engine import Database
from shared.errors import QuintetError
from shared.monitoring.live_thresholds import LiveThresholds
from shared.monitoring.reading import Reading, read_process, sample_between
from shared.monitoring.sample import Sample
from shared.monitoring.thresholds import Thresholds, breaches
from shared.telemetry import BACKGROUND_ERRORS, PERFORMANCE_ALERTS

log = structlog.get_logger()


class Monitor:
    """Takes samples of this process.

    `instance` names it among the replicas of an agent; `thresholds` are asked for at each sample.
    """

    def __init__(
        self,
        agent: str,
        database: Database,
        thresholds: Callable[[], Thresholds],
        instance: str = "",
        read: Callable[[], Reading] = read_process,
    ) -> None:
        self._agent = agent
        self._database = database
        self._thresholds = thresholds
        self._instance = instance or f"{socket.gethostname()[:40]}:{os.getpid()}"
        self._read = read
        self._before = read()

    def take(self) -> Sample:
        """Return the sample since the last one, after it was logged and stored."""
        after = self._read()
        sample = sample_between(self._before, after)
        self._before = after
        log.info("performance", **asdict(sample))
        self._alert(sample)
        try:
            agent_samples.store(self._database, self._agent, self._instance, sample)
        except QuintetError as error:  # the next one may be stored
            log.warning("performance: was not stored", code=error.code.name)
            BACKGROUND_ERRORS.labels(self._agent, "performance_monitor").inc()
        return sample

    def _alert(self, sample: Sample) -> None:
        for breach in breaches(sample, self._thresholds()):
            log.warning("performance: beyond a threshold", **asdict(breach))
            PERFORMANCE_ALERTS.labels(self._agent, breach.figure).inc()


@asynccontextmanager
async def monitored(settings: Settings, agent: str, database: Database) -> AsyncIterator[None]:
    """Take samples as often as the settings say while the block runs."""
    if not settings.monitor_seconds:
        yield
        return
    task = asyncio.create_task(_run(Monitor(agent, database, LiveThresholds(settings).now), settings.monitor_seconds))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _run(monitor: Monitor, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await asyncio.to_thread(monitor.take)
        except Exception:  # whatever happens, the next sample is taken
            log.exception("performance could not be measured")
