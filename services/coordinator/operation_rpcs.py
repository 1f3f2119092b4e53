"""The RPCs for operations people: measured performance, long-running jobs, the state of the system."""

from collections.abc import AsyncIterator
from typing import Any

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb

from services.coordinator import convert, job_steps
from services.coordinator.agent import Coordinator
from shared.events.check import check_id
from shared.request_ids import key_of


class OperationRpcs:
    """Performance, jobs, status."""

    _agent: Coordinator

    async def GetAlgorithmPerformance(
        self, request: pb.GetAlgorithmPerformanceRequest, context: Any
    ) -> pb.GetAlgorithmPerformanceResponse:
        agents = self._agent.agents
        wanted = feedback_pb.GetAlgorithmPerformanceRequest()
        if request.HasField("start_time"):
            wanted.start_time.CopyFrom(request.start_time)
        if request.HasField("end_time"):
            wanted.end_time.CopyFrom(request.end_time)
        measured = await agents.call(agents.feedback.GetAlgorithmPerformance, wanted)
        weights = await agents.call(agents.feedback.GetWeights, feedback_pb.GetWeightsRequest())
        return pb.GetAlgorithmPerformanceResponse(algorithms=measured.algorithms, weights=weights.weights)

    async def RefreshCatalog(self, request: pb.RefreshCatalogRequest, context: Any) -> pb.RefreshCatalogResponse:
        return pb.RefreshCatalogResponse(
            job=convert.to_job(await self._agent.start_job(job_steps.REFRESH, request=key_of(request)))
        )

    async def OptimizeAlgorithms(
        self, request: pb.OptimizeAlgorithmsRequest, context: Any
    ) -> pb.OptimizeAlgorithmsResponse:
        tuning = convert.to_tuning(request, self._agent.tune_minutes)
        job = await self._agent.start_job(job_steps.OPTIMIZE, tuning, request=key_of(request))
        return pb.OptimizeAlgorithmsResponse(job=convert.to_job(job))

    async def TrainModels(self, request: pb.TrainModelsRequest, context: Any) -> pb.TrainModelsResponse:
        job = await self._agent.start_job(job_steps.TRAIN, quick=request.quick, request=key_of(request))
        return pb.TrainModelsResponse(job=convert.to_job(job))

    async def GetJob(self, request: pb.GetJobRequest, context: Any) -> pb.GetJobResponse:
        check_id(request.job_id, "job_id")
        return pb.GetJobResponse(job=convert.to_job(await self._agent.jobs.get(request.job_id)))

    async def WatchJob(self, request: pb.WatchJobRequest, context: Any) -> AsyncIterator[pb.WatchJobResponse]:
        check_id(request.job_id, "job_id")
        async for run in self._agent.jobs.watch(request.job_id):
            yield pb.WatchJobResponse(job=convert.to_job(run))

    async def GetStatus(self, request: pb.GetStatusRequest, context: Any) -> pb.GetStatusResponse:
        return convert.to_status(await self._agent.state())
