"""The diagnosis: what is wrong now, and since when as far as this coordinator has seen."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime

import structlog

from services.coordinator.background import Background
from services.coordinator.diagnosis.facts import Facts
from services.coordinator.diagnosis.findings import Finding
from services.coordinator.diagnosis.gauges import publish
from services.coordinator.diagnosis.rules import diagnose
from shared.telemetry import BACKGROUND_ERRORS, FINDINGS

LOOK_EVERY_SECONDS = 60.0
log = structlog.get_logger()


class Diagnosis:
    """Looks every minute and on demand, remembers since when each finding is there, logs and counts them."""

    def __init__(self, facts: Callable[[], Awaitable[Facts]]) -> None:
        self._facts = facts
        self._since: dict[tuple[str, str], datetime] = {}
        self._background = Background(self._run)

    def start(self) -> None:
        """Begin to look."""
        self._background.start()

    async def stop(self) -> None:
        """Stop looking. Safe to repeat."""
        await self._background.stop()

    async def look(self) -> list[Finding]:
        """Return what is wrong now, the worst first."""
        facts = await self._facts()
        publish(facts)
        found = diagnose(facts)
        for each in found:
            if (each.code, each.subject) not in self._since:
                log.warning("found", code=each.code, severity=each.severity.name, subject=each.subject)
        self._since = {key: self._since.get(key, facts.now) for key in _keys(found)}
        _count(found)
        return [replace(each, since=each.since or self._since[each.code, each.subject]) for each in found]

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:  # the next look may succeed
                log.exception("the state could not be looked at")
                BACKGROUND_ERRORS.labels("coordinator", "diagnosis").inc()
            await asyncio.sleep(LOOK_EVERY_SECONDS)


def _keys(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(each.code, each.subject) for each in findings]


def _count(findings: Iterable[Finding]) -> None:
    FINDINGS.clear()
    for each in findings:
        FINDINGS.labels(each.code, each.severity.name.lower()).inc()
