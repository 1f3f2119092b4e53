"""The diagnosis remembers since when something is wrong, and forgets what is mended."""

from datetime import UTC, datetime, timedelta

from services.coordinator.diagnosis.diagnosis import Diagnosis
from services.coordinator.diagnosis.facts import AgentFacts, Facts, StoredFacts
from shared.telemetry import FINDINGS

NOW = datetime(2026, 5, 4, tzinfo=UTC)
WELL = StoredFacts(model_version="v", model_time=NOW)


class Installation:
    """Stands for what is observed: an agent that serves or not, by a clock of its own."""

    def __init__(self) -> None:
        self.serving = False
        self.now = NOW

    async def facts(self) -> Facts:
        return Facts(self.now, (AgentFacts("product", self.serving),), WELL)


async def test_a_finding_is_there_since_it_was_first_seen() -> None:
    installation = Installation()
    diagnosis = Diagnosis(installation.facts)
    (first,) = await diagnosis.look()
    installation.now += timedelta(minutes=5)
    (again,) = await diagnosis.look()
    assert (first.since, again.since) == (NOW, NOW)


async def test_what_is_mended_and_comes_back_begins_anew() -> None:
    installation = Installation()
    diagnosis = Diagnosis(installation.facts)
    await diagnosis.look()
    installation.serving = True
    assert await diagnosis.look() == []
    installation.serving, installation.now = False, NOW + timedelta(hours=1)
    (again,) = await diagnosis.look()
    assert again.since == NOW + timedelta(hours=1)


async def test_findings_are_counted() -> None:
    installation = Installation()
    diagnosis = Diagnosis(installation.facts)
    await diagnosis.look()
    assert _counted() == {("agent_not_ready", "error"): 1.0}
    installation.serving = True
    await diagnosis.look()
    assert _counted() == {}


def _counted() -> dict[tuple[str, str], float]:
    samples = [sample for metric in FINDINGS.collect() for sample in metric.samples]
    return {(sample.labels["code"], sample.labels["severity"]): sample.value for sample in samples}
