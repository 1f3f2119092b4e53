"""The RPCs for long-running jobs and for the schedule that starts them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb
from quintet.type.v1.job_pb2 import JobState

from services.coordinator import convert, job_convert
from services.coordinator.agent import Coordinator
from services.coordinator.newest_first import NewestFirstPage
from shared import job_kinds
from shared.errors import InvalidArgument
from shared.events.check import check_count, check_id, check_number
from shared.request_ids import key_of

MOST_FILTERS = 10
USUAL_JOBS, MOST_JOBS = 50, 500
SHORTEST_PERIOD_SECONDS, LONGEST_PERIOD_SECONDS = 60.0, 366 * 86_400.0


class JobRpcs:
    """Jobs and schedules."""

    _agent: Coordinator

    async def RefreshCatalog(self, request: pb.RefreshCatalogRequest, context: Any) -> pb.RefreshCatalogResponse:
        return pb.RefreshCatalogResponse(
            job=job_convert.to_job(await self._agent.start_job(job_kinds.REFRESH, request=key_of(request)))
        )

    async def OptimizeAlgorithms(
        self, request: pb.OptimizeAlgorithmsRequest, context: Any
    ) -> pb.OptimizeAlgorithmsResponse:
        tuning = convert.to_tuning(request, self._agent.tune_minutes)
        job = await self._agent.start_job(job_kinds.OPTIMIZE, tuning, request=key_of(request))
        return pb.OptimizeAlgorithmsResponse(job=job_convert.to_job(job))

    async def TrainModels(self, request: pb.TrainModelsRequest, context: Any) -> pb.TrainModelsResponse:
        training = recommendation_pb.TrainModelsRequest(quick=request.quick)
        job = await self._agent.start_job(job_kinds.TRAIN, training=training, request=key_of(request))
        return pb.TrainModelsResponse(job=job_convert.to_job(job))

    async def GetJob(self, request: pb.GetJobRequest, context: Any) -> pb.GetJobResponse:
        check_id(request.job_id, "job_id")
        return pb.GetJobResponse(job=job_convert.to_job(await self._agent.jobs.get(request.job_id)))

    async def WatchJob(self, request: pb.WatchJobRequest, context: Any) -> AsyncIterator[pb.WatchJobResponse]:
        check_id(request.job_id, "job_id")
        async for run in self._agent.jobs.watch(request.job_id):
            yield pb.WatchJobResponse(job=job_convert.to_job(run))

    async def ListJobs(self, request: pb.ListJobsRequest, context: Any) -> pb.ListJobsResponse:
        page = _page(request)
        found = await self._agent.jobs.page(page.kinds, page.states, page.after, page.size + 1)
        jobs = [job_convert.to_job(run) for run in found[: page.size]]
        return pb.ListJobsResponse(
            jobs=jobs, next_page_token=page.token_after([(run.started_at, run.job_id) for run in found])
        )

    async def CancelJob(self, request: pb.CancelJobRequest, context: Any) -> pb.CancelJobResponse:
        check_id(request.job_id, "job_id")
        return pb.CancelJobResponse(job=job_convert.to_job(await self._agent.jobs.cancel(request.job_id)))

    async def ListSchedules(self, request: pb.ListSchedulesRequest, context: Any) -> pb.ListSchedulesResponse:
        found = await self._agent.schedule.all()
        return pb.ListSchedulesResponse(schedules=[job_convert.to_schedule(each) for each in found])

    async def UpdateSchedule(self, request: pb.UpdateScheduleRequest, context: Any) -> pb.UpdateScheduleResponse:
        check_id(request.kind, "kind")
        updated = await self._agent.schedule.update(
            request.kind,
            paused=request.paused if request.HasField("paused") else None,
            period=_period(request),
            usual=request.usual_period,
        )
        return pb.UpdateScheduleResponse(schedule=job_convert.to_schedule(updated))

    async def RunSchedule(self, request: pb.RunScheduleRequest, context: Any) -> pb.RunScheduleResponse:
        check_id(request.kind, "kind")
        return pb.RunScheduleResponse(
            job=job_convert.to_job(await self._agent.schedule.run_now(request.kind, key_of(request)))
        )


def _page(request: pb.ListJobsRequest) -> NewestFirstPage:
    check_count(request.kinds, "kinds", MOST_FILTERS)
    check_count(request.states, "states", MOST_FILTERS)
    for index, kind in enumerate(request.kinds):
        if kind not in job_kinds.KINDS:
            raise InvalidArgument.of(f"kinds[{index}]", kind, "is not a kind of job")
    states = [_state(request, index) for index in range(len(request.states))]
    return NewestFirstPage.of(request.kinds, states, request, usual=USUAL_JOBS, most=MOST_JOBS)


def _state(request: pb.ListJobsRequest, index: int) -> str:
    value = request.states[index]
    if value not in JobState.values() or value == JobState.JOB_STATE_UNSPECIFIED:
        raise InvalidArgument.of(f"states[{index}]", value, "is not a state")
    return JobState.Name(value).removeprefix("JOB_STATE_")


def _period(request: pb.UpdateScheduleRequest) -> timedelta | None:
    """Return the period that is asked for, or None. Raises InvalidArgument for a bad one, or when nothing changes."""
    asked = request.WhichOneof("period")
    if asked is None and not request.HasField("paused"):
        raise InvalidArgument.of("paused", None, "or a period is required")
    if asked == "usual_period" and not request.usual_period:
        raise InvalidArgument.of("usual_period", False, "must be true when it is set")
    if asked != "period_seconds":
        return None
    if request.period_seconds:
        check_number(request.period_seconds, "period_seconds", SHORTEST_PERIOD_SECONDS, LONGEST_PERIOD_SECONDS)
    return timedelta(seconds=request.period_seconds)
