"""Jobs and schedules over gRPC: lists by page, cancelling, results with fields, and what bad requests are told."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from click.testing import Result
from google.protobuf.json_format import MessageToDict
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.job_pb2 import Job, JobState, MaintenanceResult
from typer.testing import CliRunner

from cli.job_results import plain
from cli.main import app
from services.coordinator import job_convert
from services.coordinator.agent import Coordinator
from services.coordinator.agent_clients import AgentClients
from services.coordinator.server import build
from shared import job_kinds
from shared.config import AGENTS, Settings
from shared.db import job_runs
from shared.db.engine import Database
from shared.errors import Conflict, InvalidArgument, NotFound
from shared.rpc.client import call, open_channel, stream
from shared.running_job import RunningJob

NOWHERE = {f"{agent}_address": "127.0.0.1:1" for agent in AGENTS}


@pytest.fixture
async def address(sqlite_database: Database) -> AsyncIterator[str]:
    settings = Settings(database_url=sqlite_database.url, coordinator_port=0, drain_seconds=0, **NOWHERE)
    agent = Coordinator(settings, sqlite_database, AgentClients(settings))
    await agent.start()
    server = build(settings, agent)
    port = await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop()
    await agent.stop()


@pytest.fixture
async def stub(address: str) -> AsyncIterator[Any]:
    async with open_channel(address) as channel:
        yield pb_grpc.CoordinatorServiceStub(channel)


async def ended(stub: Any, job: Job) -> Job:
    seen = [answer.job async for answer in stream(stub.WatchJob, pb.WatchJobRequest(job_id=job.job_id))]
    return seen[-1]


async def test_maintenance_is_run_now_listed_and_has_a_result_with_fields(stub: Any) -> None:
    jobs = []
    for _ in range(3):
        started = await call(stub.RunSchedule, pb.RunScheduleRequest(kind="maintenance"), 10)
        jobs.append(await ended(stub, started.job))
    assert {each.WhichOneof("result") for each in jobs} == {"maintenance"}
    assert set(plain(jobs[0].maintenance)) == {field.name for field in MaintenanceResult.DESCRIPTOR.fields}
    found: list[Job] = []
    token = ""
    while True:
        request = pb.ListJobsRequest(kinds=["maintenance"], page_size=2, page_token=token)
        page = await call(stub.ListJobs, request, 10)
        found += page.jobs
        token = page.next_page_token
        if not token:
            break
    assert [each.job_id for each in found] == [each.job_id for each in reversed(jobs)]
    other = (await call(stub.ListJobs, pb.ListJobsRequest(page_size=2), 10)).next_page_token
    with pytest.raises(InvalidArgument, match="other filters"):
        await call(stub.ListJobs, pb.ListJobsRequest(kinds=["maintenance"], page_token=other), 10)


async def test_a_job_of_another_process_is_cancelled(stub: Any, sqlite_database: Database) -> None:
    job = RunningJob.claim(sqlite_database, job_kinds.TRAIN)
    with pytest.raises(Conflict, match=job.run.job_id):
        await call(stub.TrainModels, pb.TrainModelsRequest(), 10)
    asked = (await call(stub.CancelJob, pb.CancelJobRequest(job_id=job.run.job_id), 10)).job
    assert asked.state == JobState.JOB_STATE_RUNNING
    assert asked.HasField("cancel_request_time")
    job.cancel()
    assert (await ended(stub, asked)).state == JobState.JOB_STATE_CANCELLED


async def test_schedules_are_changed(stub: Any) -> None:
    listed = (await call(stub.ListSchedules, pb.ListSchedulesRequest(), 10)).schedules
    assert sorted(each.kind for each in listed) == sorted(job_kinds.SCHEDULED)
    assert all(each.HasField("next_time") for each in listed)
    request = pb.UpdateScheduleRequest(kind="train_models", paused=True, period_seconds=7200)
    changed = (await call(stub.UpdateSchedule, request, 10)).schedule
    assert (changed.paused, changed.period_seconds, changed.HasField("next_time")) == (True, 7200, False)
    request = pb.UpdateScheduleRequest(kind="train_models", paused=False, usual_period=True)
    changed = (await call(stub.UpdateSchedule, request, 10)).schedule
    assert (changed.paused, changed.period_seconds) == (False, 168 * 3600)


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("ListJobs", pb.ListJobsRequest(page_size=-1), "page_size"),
        ("ListJobs", pb.ListJobsRequest(page_token="!"), "page_token"),  # noqa: S106 - no secret
        ("ListJobs", pb.ListJobsRequest(page_token="x" * 201), "page_token"),
        ("ListJobs", pb.ListJobsRequest(kinds=["dance"]), "kinds[0]"),
        ("ListJobs", pb.ListJobsRequest(kinds=["maintenance"] * 11), "kinds"),
        ("ListJobs", pb.ListJobsRequest(states=[9]), "states[0]"),  # type: ignore[list-item]
        ("CancelJob", pb.CancelJobRequest(), "job_id"),
        ("UpdateSchedule", pb.UpdateScheduleRequest(kind="train_models"), "paused"),
        ("UpdateSchedule", pb.UpdateScheduleRequest(kind="train_models", period_seconds=59), "period_seconds"),
        (
            "UpdateSchedule",
            pb.UpdateScheduleRequest(kind="train_models", period_seconds=float("nan")),
            "period_seconds",
        ),
        ("UpdateSchedule", pb.UpdateScheduleRequest(kind="train_models", usual_period=False), "usual_period"),
        ("RunSchedule", pb.RunScheduleRequest(), "kind"),
    ],
)
async def test_a_bad_request_names_its_field(stub: Any, method: str, request_: Any, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await call(getattr(stub, method), request_, 10)
    assert refused.value.violations[0].field == field


async def test_what_is_unknown_is_not_found(stub: Any) -> None:
    with pytest.raises(NotFound):
        await call(stub.CancelJob, pb.CancelJobRequest(job_id="nothing"), 10)
    with pytest.raises(NotFound):
        await call(stub.UpdateSchedule, pb.UpdateScheduleRequest(kind="dance", paused=True), 10)
    with pytest.raises(NotFound):
        await call(stub.RunSchedule, pb.RunScheduleRequest(kind="dance"), 10)


async def run(address: str, *arguments: str) -> Result:
    """Run the command line in a thread: the coordinator answers in this one."""
    return await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--address", address])


def last_line(result: Result) -> dict[str, Any]:
    """Return the JSON that was printed, after what the coordinator logged meanwhile."""
    printed: dict[str, Any] = json.loads(result.output.strip().splitlines()[-1])
    return printed


async def test_the_command_line_lists_watches_cancels_and_schedules(address: str, sqlite_database: Database) -> None:
    started = last_line(await run(address, "schedule", "run", "maintenance", "--json"))
    job_id = started["job_id"]
    assert "succeeded, 100%" in (await run(address, "jobs", "watch", job_id)).output
    assert "views_dropped 0" in (await run(address, "jobs", "show", job_id)).output
    listed = last_line(await run(address, "jobs", "list", "--kind", "maintenance", "--json"))
    assert [each["job_id"] for each in listed["jobs"]] == [job_id]
    assert job_id in (await run(address, "jobs", "list", "--state", "succeeded")).output
    assert (await run(address, "jobs", "list", "--state", "dancing")).exit_code == 2
    other = RunningJob.claim(sqlite_database, job_kinds.TRAIN)
    assert "asked to end" in (await run(address, "jobs", "cancel", other.run.job_id)).output
    other.fail("no memory")
    shown = await run(address, "jobs", "show", other.run.job_id)
    assert shown.exit_code == 1
    assert "no memory" in shown.output
    assert "paused" in (await run(address, "schedule", "pause", "maintenance")).output
    assert "paused" in (await run(address, "schedule", "list")).output
    assert "every 48 h" in (await run(address, "schedule", "every", "maintenance", "48")).output
    resumed = last_line(await run(address, "schedule", "resume", "maintenance", "--json"))
    assert resumed["period_seconds"] == 48 * 3600
    assert "every 24 h" in (await run(address, "schedule", "every", "maintenance", "--usual")).output


TRAINED = {
    "catalogue": {"products": 3, "space_version": "s", "space_fitted": True, "embedded": 3, "seconds": 1.5},
    "models": {
        "version": "v1",
        "size_bytes": 2_000_000,
        "params": {"ease": {"k": 3}, "popular": {}},
        "evaluation": {"discovery": {"questions": 5, "evaluated": 1, "learned": False, "best": "ease",
                                     "ndcg_at_20.best": 0.25}},
        "newcomers": {"unknown": "to the contract"},
    },
    "customers": {"customers": 0},
}  # fmt: skip


def test_a_training_has_a_result_with_fields(sqlite_database: Database) -> None:
    with sqlite_database.write() as connection:
        job_runs.start(connection, "j", job_kinds.TRAIN)
        job_runs.succeed(connection, "j", TRAINED)
        run = job_runs.get(connection, "j")
    assert run is not None
    job = job_convert.to_job(run)
    assert job.train_models.models.version == "v1"
    assert list(job.train_models.models.algorithms) == ["ease", "popular"]
    shown = plain(job.train_models)
    assert shown["models"]["evaluation"]["discovery"]["ndcg_at_20.best"] == 0.25
    assert shown["models"]["evaluation"]["discovery"]["learned"] is False
    assert shown["customers"]["customers"] == 0
    assert "unknown" not in str(MessageToDict(job))
