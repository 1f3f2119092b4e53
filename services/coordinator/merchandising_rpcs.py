"""The RPCs about placements and rules: the recommendation agent keeps them, its answers are passed on as they come."""

from typing import Any

from quintet.coordinator.v1 import coordinator_service_pb2 as pb

from services.coordinator.agent import Coordinator
from shared.limits import DEFAULT_PREVIEW_SECONDS

PREVIEW_SPARE_SECONDS = 10.0
"""Time for a preview beyond what it may take: reading the lists before, making the answer after."""


class MerchandisingRpcs:
    """Create, change, read and delete placements and rules; preview rules.

    The messages are those of the recommendation agent's own RPCs, field by field.
    """

    _agent: Coordinator

    async def CreatePlacement(self, request: pb.CreatePlacementRequest, context: Any) -> Any:
        return await self._agent.agents.forward("CreatePlacement", request)

    async def UpdatePlacement(self, request: pb.UpdatePlacementRequest, context: Any) -> Any:
        return await self._agent.agents.forward("UpdatePlacement", request)

    async def GetPlacement(self, request: pb.GetPlacementRequest, context: Any) -> Any:
        return await self._agent.agents.forward("GetPlacement", request)

    async def ListPlacements(self, request: pb.ListPlacementsRequest, context: Any) -> Any:
        return await self._agent.agents.forward("ListPlacements", request)

    async def DeletePlacement(self, request: pb.DeletePlacementRequest, context: Any) -> Any:
        return await self._agent.agents.forward("DeletePlacement", request)

    async def CreateRule(self, request: pb.CreateRuleRequest, context: Any) -> Any:
        return await self._agent.agents.forward("CreateRule", request)

    async def UpdateRule(self, request: pb.UpdateRuleRequest, context: Any) -> Any:
        return await self._agent.agents.forward("UpdateRule", request)

    async def GetRule(self, request: pb.GetRuleRequest, context: Any) -> Any:
        return await self._agent.agents.forward("GetRule", request)

    async def ListRules(self, request: pb.ListRulesRequest, context: Any) -> Any:
        return await self._agent.agents.forward("ListRules", request)

    async def DeleteRule(self, request: pb.DeleteRuleRequest, context: Any) -> Any:
        return await self._agent.agents.forward("DeleteRule", request)

    async def PreviewRules(self, request: pb.PreviewRulesRequest, context: Any) -> Any:
        seconds = (request.max_seconds or DEFAULT_PREVIEW_SECONDS) + PREVIEW_SPARE_SECONDS
        return await self._agent.agents.forward("PreviewRules", request, timeout_seconds=seconds)
