"""The RPCs about placements and rules: convert, delegate, convert."""

import asyncio
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from quintet.recommendation.v1 import recommendation_service_pb2 as pb

from services.recommendation.agent import RecommendationAgent
from services.recommendation.merchandising.convert import to_preview, to_preview_request


class MerchandisingRpcs:
    """Create, change, read and delete placements and rules; preview rules."""

    _agent: RecommendationAgent

    async def CreatePlacement(self, request: pb.CreatePlacementRequest, context: Any) -> pb.CreatePlacementResponse:
        created = await asyncio.to_thread(self._agent.placements.create, request.placement)
        return pb.CreatePlacementResponse(placement=created)

    async def UpdatePlacement(self, request: pb.UpdatePlacementRequest, context: Any) -> pb.UpdatePlacementResponse:
        mask = _mask_of(request)
        changed = await asyncio.to_thread(self._agent.placements.update, request.placement, mask)
        return pb.UpdatePlacementResponse(placement=changed)

    async def GetPlacement(self, request: pb.GetPlacementRequest, context: Any) -> pb.GetPlacementResponse:
        found = await asyncio.to_thread(self._agent.placements.get, request.placement_id)
        return pb.GetPlacementResponse(placement=found)

    async def ListPlacements(self, request: pb.ListPlacementsRequest, context: Any) -> pb.ListPlacementsResponse:
        found, token = await asyncio.to_thread(self._agent.placements.list, request.page_size, request.page_token)
        return pb.ListPlacementsResponse(placements=found, next_page_token=token)

    async def DeletePlacement(self, request: pb.DeletePlacementRequest, context: Any) -> pb.DeletePlacementResponse:
        name, allow_missing = request.placement_id, request.allow_missing
        deleted = await asyncio.to_thread(self._agent.placements.delete, name, allow_missing=allow_missing)
        return pb.DeletePlacementResponse(deleted=deleted)

    async def CreateRule(self, request: pb.CreateRuleRequest, context: Any) -> pb.CreateRuleResponse:
        created = await asyncio.to_thread(self._agent.rules.create, request.rule)
        return pb.CreateRuleResponse(rule=created)

    async def UpdateRule(self, request: pb.UpdateRuleRequest, context: Any) -> pb.UpdateRuleResponse:
        mask = _mask_of(request)
        changed = await asyncio.to_thread(self._agent.rules.update, request.rule, mask)
        return pb.UpdateRuleResponse(rule=changed)

    async def GetRule(self, request: pb.GetRuleRequest, context: Any) -> pb.GetRuleResponse:
        found = await asyncio.to_thread(self._agent.rules.get, request.rule_id)
        return pb.GetRuleResponse(rule=found)

    async def ListRules(self, request: pb.ListRulesRequest, context: Any) -> pb.ListRulesResponse:
        found, token = await asyncio.to_thread(self._agent.rules.list, request.page_size, request.page_token)
        return pb.ListRulesResponse(rules=found, next_page_token=token)

    async def DeleteRule(self, request: pb.DeleteRuleRequest, context: Any) -> pb.DeleteRuleResponse:
        name, allow_missing = request.rule_id, request.allow_missing
        deleted = await asyncio.to_thread(self._agent.rules.delete, name, allow_missing=allow_missing)
        return pb.DeleteRuleResponse(deleted=deleted)

    async def PreviewRules(self, request: pb.PreviewRulesRequest, context: Any) -> pb.PreviewRulesResponse:
        wanted = to_preview_request(request)
        return to_preview(*await asyncio.to_thread(self._agent.preview, wanted))


def _mask_of(request: pb.UpdatePlacementRequest | pb.UpdateRuleRequest) -> FieldMask | None:
    return request.update_mask if request.HasField("update_mask") else None
