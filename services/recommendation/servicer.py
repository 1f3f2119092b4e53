"""gRPC to the agent and back: convert, delegate, convert."""

from collections.abc import AsyncIterator
from typing import Any

from quintet.recommendation.v1 import recommendation_service_pb2 as pb
from quintet.recommendation.v1 import recommendation_service_pb2_grpc as pb_grpc
from quintet.type.v1.recommendation_pb2 import RecommendationList

from services.recommendation import convert
from services.recommendation.agent import RecommendationAgent
from services.recommendation.experiment_rpcs import ExperimentRpcs
from services.recommendation.merchandising import convert as lists
from services.recommendation.merchandising_rpcs import MerchandisingRpcs
from services.recommendation.model_rpcs import ModelRpcs
from shared.job_messages import progress_message
from shared.recommendation_tokens import Shopper
from shared.rpc.worker import BoundedWorker
from shared.telemetry import ANSWERS, EMPTY_ANSWERS

MOST_WAITING = 32
"""Calls for recommendations that wait; more are refused, and the coordinator answers with its fallback."""


class RecommendationServicer(MerchandisingRpcs, ExperimentRpcs, ModelRpcs, pb_grpc.RecommendationServiceServicer):
    """The contract's RecommendationService."""

    def __init__(self, agent: RecommendationAgent) -> None:
        self._agent = agent
        self._worker = BoundedWorker(MOST_WAITING)

    async def Recommend(self, request: pb.RecommendRequest, context: Any) -> Any:
        """Return recommendations, a RecommendResponse in its wire format."""
        return await self._worker.run(lambda: self._answer(request))

    def _answer(self, request: pb.RecommendRequest) -> bytes:
        answer = self._agent.recommend(convert.to_query(request, self._agent.merchandising))
        shopper = Shopper(request.customer_id, request.visitor_id)
        message = convert.to_response(answer, shopper, self._agent.tokens)
        _count(message.list)
        return message.SerializeToString()

    async def BatchRecommend(self, request: pb.BatchRecommendRequest, context: Any) -> pb.BatchRecommendResponse:
        """Return the lists of one page."""
        return await self._worker.run(lambda: self._answer_all(request))

    def _answer_all(self, request: pb.BatchRecommendRequest) -> pb.BatchRecommendResponse:
        answers = self._agent.recommend_all(lists.to_queries(request, self._agent.merchandising))
        shopper = Shopper(request.customer_id, request.visitor_id)
        messages = [convert.to_response(each, shopper, self._agent.tokens).list for each in answers]
        for each in messages:
            _count(each)
        return pb.BatchRecommendResponse(lists=messages)

    async def RankProducts(self, request: pb.RankProductsRequest, context: Any) -> pb.RankProductsResponse:
        """Order a list that the platform brings."""
        return await self._worker.run(lambda: self._rank(request))

    def _rank(self, request: pb.RankProductsRequest) -> pb.RankProductsResponse:
        asked = lists.to_rank_query(request)
        shopper = Shopper(request.customer_id, request.visitor_id)
        return lists.to_rank_response(self._agent.rank(asked), asked.limit, shopper, self._agent.tokens)

    async def TrainModels(self, request: pb.TrainModelsRequest, context: Any) -> AsyncIterator[pb.TrainModelsResponse]:
        """Train and stream the progress."""
        trigger, day = convert.to_trigger(request.trigger), convert.to_drift_day(request.drift_day)
        async for progress in self._agent.train(quick=request.quick, trigger=trigger, drift_day=day):
            yield pb.TrainModelsResponse(progress=progress_message(progress, "train_models"))

    async def TestCandidate(
        self, request: pb.TestCandidateRequest, context: Any
    ) -> AsyncIterator[pb.TestCandidateResponse]:
        """Test the candidate that waits for it and stream the progress."""
        async for progress in self._agent.test_candidate():
            yield pb.TestCandidateResponse(progress=progress_message(progress, "train_models"))

    async def ReplayQuestions(
        self, request: pb.ReplayQuestionsRequest, context: Any
    ) -> AsyncIterator[pb.ReplayQuestionsResponse]:
        """Answer the questions of a span with the live model and stream the progress."""
        async for progress in self._agent.replay(*convert.to_span(request)):
            yield pb.ReplayQuestionsResponse(progress=progress_message(progress, "replay"))

    async def TuneAlgorithms(
        self, request: pb.TuneAlgorithmsRequest, context: Any
    ) -> AsyncIterator[pb.TuneAlgorithmsResponse]:
        """Try parameters and stream the progress."""
        async for progress in self._agent.tune(convert.to_tuning(request)):
            yield pb.TuneAlgorithmsResponse(progress=progress_message(progress, "tuning"))

    async def ForgetHistories(
        self, request: pb.ForgetHistoriesRequest, context: Any
    ) -> AsyncIterator[pb.ForgetHistoriesResponse]:
        """Remove histories from stored models and stream the progress."""
        async for progress in self._agent.forget():
            yield pb.ForgetHistoriesResponse(progress=progress_message(progress, "forget_histories"))


def _count(answer: RecommendationList) -> None:
    ANSWERS.labels("recommendation", answer.strategy).inc()
    if not answer.recommendations:
        EMPTY_ANSWERS.labels("recommendation").inc()
