"""Each kind of trouble is found where its facts say so, and not where they are just within bounds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.coordinator.diagnosis.facts import AgentFacts, ExperimentAlarm, Facts, StoredFacts
from services.coordinator.diagnosis.findings import Code, Severity
from services.coordinator.diagnosis.rules import diagnose
from shared.api_keys import ApiKey, Role
from shared.db.agent_samples import StoredSample
from shared.db.database_figures import DatabaseFigures
from shared.db.job_runs import JobRun
from shared.db.leases import HeldLease
from shared.db.schedules import JobSchedule
from shared.monitoring.sample import Sample

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
GIB = 1024**3
WELL = StoredFacts(model_version="v1", model_time=NOW - DAY)


def found(stored: StoredFacts | None = WELL, **facts: Any) -> list[tuple[Code, Severity, str]]:
    whole = Facts(NOW, stored=stored, train_hours=168.0, **facts)
    return [(each.code, each.severity, each.subject) for each in diagnose(whole)]


def stored(**changes: Any) -> list[tuple[Code, Severity, str]]:
    return found(replace(WELL, **changes))


def figures(**values: Any) -> list[tuple[Code, Severity, str]]:
    return stored(database=DatabaseFigures(**values))


def job(**values: Any) -> JobRun:
    usual = {"ended_at": NOW, "error": "", "heartbeat_at": NOW}
    return JobRun("j", "train_models", stage="", progress=0, started_at=NOW - DAY, result={}, **(usual | values))


def key(**values: Any) -> ApiKey:
    usual = {"created_at": NOW - 40 * DAY, "last_used_at": NOW}
    return ApiKey("k", Role.BACKEND, "shop", b"", **(usual | values))


def schedule(**values: Any) -> JobSchedule:
    usual = {"period": DAY, "paused": False, "next_at": NOW, "failures": 0, "job_id": None, "settled": True}
    return JobSchedule("train_models", **(usual | values))


def test_an_alarm_of_an_experiment_is_told() -> None:
    alarms = (
        ExperimentAlarm("e", "guardrail_broken", "bold", NOW),
        ExperimentAlarm("f", "sample_ratio_mismatch", "", NOW),
    )
    assert stored(alarms=alarms) == [(Code.EXPERIMENT_ALARM, Severity.WARNING, name) for name in ("e", "f")]


def test_nothing_is_wrong_where_all_is_well() -> None:
    agents = (AgentFacts("feedback", True, behind=1_000),)
    within = replace(
        WELL,
        unjoined=1_000,
        schedules=(schedule(next_at=NOW - 5 * MINUTE), schedule(next_at=NOW - DAY, paused=True)),
        jobs=(job(state="SUCCEEDED"), job(state="RUNNING", ended_at=None)),
        leases=(HeldLease("schedule", NOW - MINUTE),),
        keys=(key(), key(created_at=NOW - DAY, last_used_at=None), key(expires_at=NOW + 15 * DAY)),
        database=DatabaseFigures(disk_free_bytes=50 * GIB, disk_bytes=100 * GIB, own_clock_ahead_seconds=1.0),
    )
    assert found(within, agents=agents, certificates={"a.pem": NOW + 31 * DAY}) == []


@pytest.mark.parametrize(
    ("agent", "code", "severity"),
    [
        (AgentFacts("product", False), Code.AGENT_NOT_READY, Severity.ERROR),
        (AgentFacts("product", True, behind=1_001), Code.EVENTS_BEHIND, Severity.WARNING),
        (AgentFacts("product", True, behind=100_001), Code.EVENTS_BEHIND, Severity.ERROR),
        (AgentFacts("product", True, failed=1), Code.EVENTS_FAILED, Severity.WARNING),
    ],
)
def test_trouble_of_an_agent(agent: AgentFacts, code: Code, severity: Severity) -> None:
    assert found(agents=(agent,)) == [(code, severity, "product")]


def test_an_agent_that_is_not_ready_says_why() -> None:
    (finding,) = diagnose(Facts(NOW, (AgentFacts("product", False, ("database",)),), WELL))
    assert "database" in finding.problem
    assert finding.runbook == "docs/operations.md#agent-not-ready"


def test_events_that_wait_since_when() -> None:
    (finding,) = diagnose(Facts(NOW, stored=replace(WELL, unjoined=1_001, unjoined_since=NOW - DAY)))
    assert (finding.code, finding.since) == (Code.EVENTS_UNJOINED, NOW - DAY)


def test_a_job_that_was_due_and_did_not_start() -> None:
    overdue = schedule(next_at=NOW - 11 * MINUTE)
    assert stored(schedules=(overdue,)) == [(Code.SCHEDULE_OVERDUE, Severity.WARNING, "train_models")]
    assert stored(schedules=(overdue,), jobs=(job(state="RUNNING", ended_at=None),)) == []


def test_jobs_that_failed_or_say_nothing() -> None:
    assert stored(jobs=(job(state="FAILED", error="no room"),)) == [(Code.JOB_FAILED, Severity.WARNING, "train_models")]
    quiet = job(state="RUNNING", ended_at=None, heartbeat_at=NOW - 3 * MINUTE)
    assert stored(jobs=(quiet,)) == [(Code.JOB_STUCK, Severity.WARNING, "train_models")]


def test_a_lease_that_nobody_took_over() -> None:
    lease = HeldLease("schedule", NOW - 6 * MINUTE)
    assert stored(leases=(lease,)) == [(Code.LEASE_STUCK, Severity.WARNING, "schedule")]


@pytest.mark.parametrize(
    ("values", "code", "severity"),
    [
        ({"disk_free_bytes": 9 * GIB, "disk_bytes": 100 * GIB}, Code.DISK_LOW, Severity.WARNING),
        ({"disk_free_bytes": 1 * GIB, "disk_bytes": 20 * GIB}, Code.DISK_LOW, Severity.ERROR),
        ({"disk_free_bytes": 29 * GIB, "disk_bytes": 1000 * GIB}, Code.DISK_LOW, Severity.ERROR),
        ({"wal_bytes": 2 * GIB}, Code.WAL_LARGE, Severity.WARNING),
        ({"unsafe_settings": {"fsync": "off"}}, Code.DATABASE_SETTING, Severity.ERROR),
        ({"own_clock_ahead_seconds": -3.0}, Code.CLOCK_DIFFERS, Severity.WARNING),
        ({"own_clock_ahead_seconds": 61.0}, Code.CLOCK_DIFFERS, Severity.ERROR),
    ],
)
def test_trouble_of_the_database(values: dict[str, Any], code: Code, severity: Severity) -> None:
    assert [each[:2] for each in figures(**values)] == [(code, severity)]


def test_a_large_disk_with_much_room_is_not_low() -> None:
    assert figures(disk_free_bytes=90 * GIB, disk_bytes=1000 * GIB) == []


def test_without_the_database_the_rest_is_judged() -> None:
    agents = (AgentFacts("product", False),)
    codes = [each[0] for each in found(None, agents=agents, database_problem="refused")]
    assert codes == [Code.AGENT_NOT_READY, Code.DATABASE_AWAY]


@pytest.mark.parametrize(("days", "severity"), [(29, Severity.WARNING), (6, Severity.ERROR), (-1, Severity.ERROR)])
def test_a_certificate_that_ends(days: int, severity: Severity) -> None:
    ends = {"a.pem": NOW + days * DAY}
    assert found(certificates=ends) == [(Code.CERTIFICATE_ENDS, severity, "a.pem")]


def test_keys_that_expire_or_were_never_used() -> None:
    assert stored(keys=(key(expires_at=NOW + 13 * DAY),)) == [(Code.KEY_EXPIRES, Severity.WARNING, "k")]
    assert stored(keys=(key(last_used_at=None),)) == [(Code.KEY_UNUSED, Severity.WARNING, "k")]
    assert stored(keys=(key(expires_at=NOW - DAY, last_used_at=None),)) == []


def test_models_that_are_missing_or_old() -> None:
    assert stored(model_time=None) == [(Code.MODEL_MISSING, Severity.WARNING, "recommender")]
    assert stored(model_time=NOW - 15 * DAY) == [(Code.MODEL_OLD, Severity.WARNING, "v1")]
    assert not diagnose(Facts(NOW, stored=replace(WELL, model_time=NOW - 900 * DAY), train_hours=0.0))


def test_the_worst_comes_first() -> None:
    severities = [
        each[1] for each in stored(model_time=None, database=DatabaseFigures(unsafe_settings={"fsync": "off"}))
    ]
    assert severities == [Severity.ERROR, Severity.WARNING]


def sampled(clock: float = 0.0, **values: Any) -> StoredSample:
    usual = {"seconds": 300.0, "calls": 100, "failed": 0, "p50_ms": 1.0, "p99_ms": 5.0, "cpu_cores": 0.1}
    return StoredSample(
        "product", "host:1", NOW, clock, Sample(**(usual | {"memory_mb": 100.0, "answers": 100} | values))
    )


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"p99_ms": 501.0}, Code.ANSWERS_SLOW),
        ({"failed": 2}, Code.CALLS_FAILING),
        ({"memory_mb": 6_001.0}, Code.MEMORY_HIGH),
        ({"cpu_cores": 1.0}, Code.CPU_HIGH),
        ({"fallbacks": 6}, Code.FALLBACKS_MANY),
        ({"empty": 6}, Code.ANSWERS_EMPTY),
        ({"clock": 2.5}, Code.CLOCK_DIFFERS),
    ],
)
def test_trouble_that_samples_show(values: dict[str, Any], code: Code) -> None:
    assert stored(samples=(sampled(**values),)) == [(code, Severity.WARNING, "product host:1")]
    assert stored(samples=(sampled(),)) == []
