"""Progress of jobs as messages: each result has a field of its own, and comes back with all fields."""

import pytest
from quintet.type.v1.job_pb2 import JobProgress

from shared.job_messages import progress_message, to_progress
from shared.jobs import Progress


def test_there_is_a_result_at_the_end_only() -> None:
    assert progress_message(Progress("reading", 0.25), "refresh_catalog").WhichOneof("result") is None
    assert to_progress(JobProgress(stage="reading", progress=0.25)) == Progress("reading", 0.25)


@pytest.mark.parametrize("field", [each.name for each in JobProgress.DESCRIPTOR.oneofs_by_name["result"].fields])
def test_an_empty_result_is_a_result(field: str) -> None:
    assert progress_message(Progress("done", 1.0, {}), field).WhichOneof("result") == field


def test_facts_that_the_contract_does_not_name_are_left_out() -> None:
    message = progress_message(Progress("done", 1.0, {"products": 2, "unnamed": 1}), "refresh_catalog")
    assert (message.progress, message.refresh_catalog.products) == (1.0, 2)
    result = to_progress(message).result
    assert result is not None
    assert (result["products"], result["space_fitted"]) == ("2", False)
    assert "unnamed" not in result


def test_facts_of_a_training_come_through_twice() -> None:
    facts = {"version": "v", "params": {"ease": {}}, "evaluation": {"home": {"learned": True, "ndcg.hybrid": 0.5}}}
    once = progress_message(Progress("done", 1.0, facts), "train_models")
    assert list(once.train_models.algorithms) == ["ease"]
    assert dict(once.train_models.evaluation["home"].metrics) == {"ndcg.hybrid": 0.5}
    assert progress_message(to_progress(once), "train_models") == once
