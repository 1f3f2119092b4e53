"""The RPCs about model versions and weights: the agents keep them, the coordinator passes on."""

from typing import Any

from quintet.coordinator.v1 import operations_pb2 as pb
from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb

from services.coordinator import operations_convert as convert
from services.coordinator.agent import Coordinator

ACTIVATE_TIMEOUT_SECONDS = 120.0
"""A version that is put in use is loaded first."""


class ModelRpcs:
    """Models and weights. The messages of what is forwarded are those of the agent's own RPCs, field by field."""

    _agent: Coordinator

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> Any:
        return await self._agent.agents.forward("ListModelVersions", request)

    async def ActivateModel(self, request: pb.ActivateModelRequest, context: Any) -> Any:
        return await self._agent.agents.forward(
            "ActivateModelVersion", request, timeout_seconds=ACTIVATE_TIMEOUT_SECONDS
        )

    async def RollBackModel(self, request: pb.RollBackModelRequest, context: Any) -> Any:
        wanted: recommendation_pb.RollBackModelVersionRequest = convert.to_roll_back(request)
        return await self._agent.agents.forward(
            "RollBackModelVersion", wanted, timeout_seconds=ACTIVATE_TIMEOUT_SECONDS
        )

    async def GetModelQuality(self, request: pb.GetModelQualityRequest, context: Any) -> Any:
        return await self._agent.agents.forward("GetModelQuality", request)

    async def GetWeights(self, request: pb.GetWeightsRequest, context: Any) -> pb.GetWeightsResponse:
        agents = self._agent.agents
        found = await agents.call(agents.feedback.GetWeights, feedback_pb.GetWeightsRequest())
        return convert.from_weights(found)

    async def SetWeights(self, request: pb.SetWeightsRequest, context: Any) -> pb.SetWeightsResponse:
        agents = self._agent.agents
        changed = await agents.call(agents.feedback.UpdateWeights, convert.to_weights_update(request))
        return pb.SetWeightsResponse(weights=changed.weights, rationale=changed.rationale)

    async def GetAttribution(self, request: pb.GetAttributionRequest, context: Any) -> pb.GetAttributionResponse:
        agents = self._agent.agents
        wanted = convert.to_attribution(request, self._agent.tokens)
        found = await agents.call(agents.feedback.GetAttribution, wanted)
        made = found.list if found.HasField("list") else None
        return pb.GetAttributionResponse(outcomes=found.outcomes, list=made)
