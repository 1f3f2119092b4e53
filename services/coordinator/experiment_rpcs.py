"""The RPCs about experiments: the recommendation agent keeps them, its answers are passed on as they come."""

from typing import Any

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb

from services.coordinator.agent import Coordinator
from services.coordinator.experiment_conclusion import conclude
from shared.limits import DEFAULT_EVALUATION_SECONDS

RESULTS_TIMEOUT_SECONDS = 30.0
EVALUATION_SPARE_SECONDS = 30.0
"""Time for an evaluation beyond what it may take to look at lists: the estimates come after."""


class ExperimentRpcs:
    """Create, read, stop, conclude and delete experiments; say what came of them, and of what was not done.

    The messages are those of the recommendation agent's own RPCs, field by field.
    """

    _agent: Coordinator

    async def CreateExperiment(self, request: pb.CreateExperimentRequest, context: Any) -> Any:
        return await self._agent.agents.forward("CreateExperiment", request)

    async def GetExperiment(self, request: pb.GetExperimentRequest, context: Any) -> Any:
        return await self._agent.agents.forward("GetExperiment", request)

    async def ListExperiments(self, request: pb.ListExperimentsRequest, context: Any) -> Any:
        return await self._agent.agents.forward("ListExperiments", request)

    async def StopExperiment(self, request: pb.StopExperimentRequest, context: Any) -> Any:
        return await self._agent.agents.forward("StopExperiment", request)

    async def ConcludeExperiment(
        self, request: pb.ConcludeExperimentRequest, context: Any
    ) -> pb.ConcludeExperimentResponse:
        asked = recommendation_pb.ConcludeExperimentRequest.FromString(request.SerializeToString())
        return pb.ConcludeExperimentResponse(experiment=await conclude(self._agent.agents, asked))

    async def DeleteExperiment(self, request: pb.DeleteExperimentRequest, context: Any) -> Any:
        return await self._agent.agents.forward("DeleteExperiment", request)

    async def GetExperimentResults(
        self, request: pb.GetExperimentResultsRequest, context: Any
    ) -> pb.GetExperimentResultsResponse:
        agents = self._agent.agents
        asked = feedback_pb.GetExperimentResultsRequest(experiment_id=request.experiment_id)
        answer = await agents.call(agents.feedback.GetExperimentResults, asked, RESULTS_TIMEOUT_SECONDS)
        return pb.GetExperimentResultsResponse(results=answer.results)

    async def EstimateSampleSize(
        self, request: pb.EstimateSampleSizeRequest, context: Any
    ) -> pb.EstimateSampleSizeResponse:
        agents = self._agent.agents
        asked = feedback_pb.EstimateSampleSizeRequest.FromString(request.SerializeToString())
        answer = await agents.call(agents.feedback.EstimateSampleSize, asked, RESULTS_TIMEOUT_SECONDS)
        return pb.EstimateSampleSizeResponse.FromString(answer.SerializeToString())

    async def EvaluateConfiguration(self, request: pb.EvaluateConfigurationRequest, context: Any) -> Any:
        seconds = (request.max_seconds or DEFAULT_EVALUATION_SECONDS) + EVALUATION_SPARE_SECONDS
        return await self._agent.agents.forward("EvaluateConfiguration", request, timeout_seconds=seconds)
