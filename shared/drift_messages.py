"""Looks for drift as messages: the feedback agent answers with them, and the coordinator shows them."""

from quintet.type.v1.improvement_pb2 import DriftCheck, DriftKind, DriftTest, QualityLook

from shared.db import drift_checks
from shared.db.metric_cells import start_of
from shared.timestamps import to_timestamp


def date_of(day: int) -> str:
    """Return a day since 1970-01-01 in UTC as `2026-03-09`."""
    return f"{start_of(day):%Y-%m-%d}"


def to_drift_check(check: drift_checks.DriftCheck) -> DriftCheck:
    """Return a look as a message."""
    message = DriftCheck(
        date=date_of(check.day),
        check_time=to_timestamp(check.checked_at),
        found=check.found,
        model_version=check.model_version,
        tests=[
            DriftTest(**{**each, "kind": DriftKind.Value(f"DRIFT_KIND_{each['kind'].upper()}")}) for each in check.tests
        ],
        job_id=check.job_id or "",
    )
    if check.quality:
        message.quality.CopyFrom(QualityLook(**check.quality))
    return message
