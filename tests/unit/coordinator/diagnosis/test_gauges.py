"""What the coordinator sees every minute can be scraped; without the database the last figures stay."""

from datetime import UTC, datetime, timedelta

from prometheus_client import REGISTRY

from services.coordinator.diagnosis.facts import AgentFacts, Facts, StoredFacts
from services.coordinator.diagnosis.gauges import publish
from shared.db.database_figures import DatabaseFigures
from shared.db.job_runs import JobRun

NOW = datetime(2026, 5, 4, tzinfo=UTC)
JOB = JobRun("j", "train_models", "FAILED", "", 0, NOW, NOW, NOW + timedelta(hours=1), "", {})
STORED = StoredFacts(
    jobs=(JOB,), model_time=NOW, database=DatabaseFigures(disk_free_bytes=5, disk_bytes=10, wal_bytes=3)
)


def scraped(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"quintet_{name}", labels)


def test_facts_are_scraped() -> None:
    agents = (AgentFacts("feedback", False, behind=7, failed=2),)
    publish(Facts(NOW, agents, STORED, certificates={"a.pem": NOW}))
    assert scraped("database_disk_free_bytes") == 5
    assert scraped("database_wal_bytes") == 3
    assert scraped("model_trained_timestamp_seconds") == NOW.timestamp()
    assert scraped("job_state_timestamp_seconds", kind="train_models", state="failed") == NOW.timestamp() + 3600
    assert scraped("certificate_end_timestamp_seconds", file="a.pem") == NOW.timestamp()
    assert scraped("agent_serving", agent="feedback") == 0
    assert scraped("log_behind", agent="feedback") == 7
    assert scraped("failed_events", agent="feedback") == 2


def test_without_the_database_its_last_figures_stay() -> None:
    publish(Facts(NOW, stored=STORED))
    publish(Facts(NOW))
    assert scraped("database_answers") == 0
    assert scraped("database_disk_free_bytes") == 5
    assert scraped("certificate_end_timestamp_seconds", file="a.pem") is None
