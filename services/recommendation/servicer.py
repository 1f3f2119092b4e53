"""gRPC to the agent and back: convert, delegate, convert."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from quintet.recommendation.v1 import recommendation_service_pb2 as pb
from quintet.recommendation.v1 import recommendation_service_pb2_grpc as pb_grpc

from services.recommendation import convert
from services.recommendation.agent import RecommendationAgent
from shared.events.check import check_id
from shared.recommendation_tokens import Shopper
from shared.rpc.worker import BoundedWorker

MOST_WAITING = 32
"""Calls for recommendations that wait; more are refused, and the coordinator answers with its fallback."""


class RecommendationServicer(pb_grpc.RecommendationServiceServicer):
    """The contract's RecommendationService."""

    def __init__(self, agent: RecommendationAgent) -> None:
        self._agent = agent
        self._worker = BoundedWorker(MOST_WAITING)

    async def Recommend(self, request: pb.RecommendRequest, context: Any) -> Any:
        """Return recommendations, a RecommendResponse in its wire format."""
        return await self._worker.run(lambda: self._answer(request))

    def _answer(self, request: pb.RecommendRequest) -> bytes:
        answer = self._agent.recommend(convert.to_query(request))
        shopper = Shopper(request.customer_id, request.visitor_id)
        return convert.to_response(answer, shopper, self._agent.tokens).SerializeToString()

    async def TrainModels(self, request: pb.TrainModelsRequest, context: Any) -> AsyncIterator[pb.TrainModelsResponse]:
        """Train and stream the progress."""
        async for progress in self._agent.train(quick=request.quick):
            yield pb.TrainModelsResponse(progress=convert.to_progress(progress))

    async def TuneAlgorithms(
        self, request: pb.TuneAlgorithmsRequest, context: Any
    ) -> AsyncIterator[pb.TuneAlgorithmsResponse]:
        """Try parameters and stream the progress."""
        async for progress in self._agent.tune(convert.to_tuning(request)):
            yield pb.TuneAlgorithmsResponse(progress=convert.to_progress(progress))

    async def ForgetHistories(
        self, request: pb.ForgetHistoriesRequest, context: Any
    ) -> AsyncIterator[pb.ForgetHistoriesResponse]:
        """Remove histories from stored models and stream the progress."""
        async for progress in self._agent.forget():
            yield pb.ForgetHistoriesResponse(progress=convert.to_progress(progress))

    async def ListModelVersions(
        self, request: pb.ListModelVersionsRequest, context: Any
    ) -> pb.ListModelVersionsResponse:
        """Return the model versions."""
        versions = await asyncio.to_thread(self._agent.versions)
        return pb.ListModelVersionsResponse(versions=[convert.to_version(version) for version in versions])

    async def ActivateModelVersion(
        self, request: pb.ActivateModelVersionRequest, context: Any
    ) -> pb.ActivateModelVersionResponse:
        """Put a version in force."""
        check_id(request.version, "version")
        version = await asyncio.to_thread(self._agent.activate, request.version)
        return pb.ActivateModelVersionResponse(version=convert.to_version(version))
