"""Jobs as messages."""

from datetime import UTC, datetime
from typing import Any

import pytest
from quintet.type.v1.job_pb2 import Job

from services.coordinator.job_convert import to_job
from shared import job_kinds
from shared.db import job_runs
from shared.db.job_runs import JobRun


def ended(kind: str, result: dict[str, Any]) -> Job:
    now = datetime.now(UTC)
    return to_job(JobRun("j", kind, job_runs.SUCCEEDED, "done", 1.0, now, now, now, "", result))


@pytest.mark.parametrize("kind", job_kinds.KINDS)
def test_a_job_of_every_kind_has_a_result_when_it_succeeded(kind: str) -> None:
    assert ended(kind, {}).WhichOneof("result") == kind


def test_a_gain_comes_with_the_ends_of_its_interval() -> None:
    facts = {"learned": True, "best": "ease", "ndcg.hybrid": 0.25, "ndcg_gain.over_best": [0.02, -0.01, 0.05]}
    result = {"models": {"version": "v", "evaluation": {"discovery": facts}}}
    found = ended(job_kinds.TRAIN, result).train_models.models.evaluation["discovery"]
    assert found.learned
    assert dict(found.metrics) == {
        "ndcg.hybrid": 0.25,
        "ndcg_gain.over_best": 0.02,
        "ndcg_gain.over_best.low": -0.01,
        "ndcg_gain.over_best.high": 0.05,
    }


def test_what_came_of_forgetting_is_said() -> None:
    found = ended(job_kinds.FORGET, {"checked": 3, "rewritten": 2}).forget_histories
    assert (found.checked, found.rewritten) == (3, 2)
