"""The RPCs about experiments: the recommendation agent keeps them, its answers are passed on as they come."""

from typing import Any

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb

from services.coordinator.agent import Coordinator
from services.coordinator.apply_variant import apply_variant


class ExperimentRpcs:
    """Create, read, stop, conclude and delete experiments.

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
        agents = self._agent.agents
        asked = recommendation_pb.ConcludeExperimentRequest.FromString(request.SerializeToString())
        answer = await agents.call(agents.recommendation.ConcludeExperiment, asked)
        if request.apply:
            await apply_variant(agents, answer.experiment, request.arm_id)
        return pb.ConcludeExperimentResponse(experiment=answer.experiment)

    async def DeleteExperiment(self, request: pb.DeleteExperimentRequest, context: Any) -> Any:
        return await self._agent.agents.forward("DeleteExperiment", request)
