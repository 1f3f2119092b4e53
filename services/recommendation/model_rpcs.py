"""The RPCs about stored model versions: convert, delegate, convert."""

import asyncio
from typing import Any

from quintet.recommendation.v1 import recommendation_service_pb2 as pb

from services.recommendation import convert
from services.recommendation.agent import RecommendationAgent
from services.recommendation.models.versions import page_of
from shared.events.check import check_id
from shared.page_tokens import page_token
from shared.request_ids import RequestKey


class ModelRpcs:
    """List, activate and roll back model versions; say how good they are."""

    _agent: RecommendationAgent

    async def ListModelVersions(
        self, request: pb.ListModelVersionsRequest, context: Any
    ) -> pb.ListModelVersionsResponse:
        start, size = convert.to_models_page(request)
        page, next_start = page_of(await asyncio.to_thread(self._agent.versions), start, size)
        return pb.ListModelVersionsResponse(
            models=map(convert.to_version, page), next_page_token=page_token(next_start) if next_start else ""
        )

    async def ActivateModelVersion(
        self, request: pb.ActivateModelVersionRequest, context: Any
    ) -> pb.ActivateModelVersionResponse:
        check_id(request.version, "version")
        version = await asyncio.to_thread(self._agent.activate, request.version)
        return pb.ActivateModelVersionResponse(model=convert.to_version(version))

    async def RollBackModelVersion(
        self, request: pb.RollBackModelVersionRequest, context: Any
    ) -> pb.RollBackModelVersionResponse:
        version = await asyncio.to_thread(self._agent.roll_back, RequestKey.of_message(request.request_key))
        return pb.RollBackModelVersionResponse(model=convert.to_version(version))

    async def GetModelQuality(self, request: pb.GetModelQualityRequest, context: Any) -> pb.GetModelQualityResponse:
        check_id(request.version, "version", required=False)
        return convert.to_model_quality(await asyncio.to_thread(self._agent.quality, request.version))
