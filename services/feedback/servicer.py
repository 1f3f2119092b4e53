"""The gRPC servicer of the feedback service: converts requests, calls the agent and converts its answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from quintet.feedback.v1 import feedback_service_pb2 as pb
from quintet.feedback.v1 import feedback_service_pb2_grpc as pb_grpc

from services.feedback import convert
from services.feedback.agent import FeedbackAgent
from services.feedback.metrics import convert as metrics_convert
from shared import periods
from shared.db.weights import Weights
from shared.events.failed import check_sequences
from shared.job_messages import progress_message
from shared.rpc.generators import in_threads
from shared.rpc.interceptor import deadline
from shared.rpc.worker import MOST_APPLYING, BoundedWorker
from shared.timestamps import to_timestamp


class FeedbackServicer(pb_grpc.FeedbackServiceServicer):
    """Answers the calls of `quintet.feedback.v1.FeedbackService`."""

    def __init__(self, agent: FeedbackAgent) -> None:
        self._agent = agent
        self._applying = BoundedWorker(MOST_APPLYING)

    async def ApplyEvents(self, request: pb.ApplyEventsRequest, context: Any) -> pb.ApplyEventsResponse:
        sequence, until = convert.to_sequence(request), deadline.get()
        applied = await self._applying.run(lambda: self._agent.apply_events(sequence, until))
        return pb.ApplyEventsResponse(applied_sequence=applied.sequence, applied=applied.events)

    async def ReplayFailedEvents(
        self, request: pb.ReplayFailedEventsRequest, context: Any
    ) -> pb.ReplayFailedEventsResponse:
        check_sequences(request.sequences)
        replayed = await self._applying.run(lambda: self._agent.replay_events(request.sequences))
        return pb.ReplayFailedEventsResponse(applied=replayed.applied, failed=replayed.failed)

    async def RebuildOutcomes(
        self, request: pb.RebuildOutcomesRequest, context: Any
    ) -> AsyncIterator[pb.RebuildOutcomesResponse]:
        async with aclosing(in_threads(self._agent.rebuild_outcomes())) as steps:
            async for progress in steps:
                yield pb.RebuildOutcomesResponse(progress=progress_message(progress, "rebuild_projection"))

    async def GetAlgorithmPerformance(
        self, request: pb.GetAlgorithmPerformanceRequest, context: Any
    ) -> pb.GetAlgorithmPerformanceResponse:
        found = await asyncio.to_thread(self._agent.performance, *periods.asked(request))
        return pb.GetAlgorithmPerformanceResponse(algorithms=[convert.from_performance(each) for each in found])

    async def GetMetrics(self, request: pb.GetMetricsRequest, context: Any) -> pb.GetMetricsResponse:
        question = metrics_convert.to_question(request.query)
        found = await asyncio.to_thread(self._agent.metrics, question)
        return pb.GetMetricsResponse(report=metrics_convert.from_report(found.values, found.selection, found.behind))

    async def ExportMetrics(
        self, request: pb.ExportMetricsRequest, context: Any
    ) -> AsyncIterator[pb.ExportMetricsResponse]:
        table, (start, end) = metrics_convert.to_table(request.table), periods.asked(request)
        async with aclosing(in_threads(self._agent.metric_chunks(table, start, end))) as chunks:
            async for chunk in chunks:
                yield pb.ExportMetricsResponse(chunk=chunk)

    async def GetAttribution(self, request: pb.GetAttributionRequest, context: Any) -> pb.GetAttributionResponse:
        subject = request.WhichOneof("subject")
        if subject == "list_number":
            return convert.from_list_outcome(await asyncio.to_thread(self._agent.list_outcome, request.list_number))
        if subject == "recommendation_number":
            found = [await asyncio.to_thread(self._agent.outcome, request.recommendation_number)]
        else:
            found = await asyncio.to_thread(self._agent.purchase_outcomes, convert.to_purchase_id(request))
        return pb.GetAttributionResponse(outcomes=[convert.from_outcome(each) for each in found])

    async def GetWeights(self, request: pb.GetWeightsRequest, context: Any) -> pb.GetWeightsResponse:
        found = await asyncio.to_thread(self._agent.weights)
        return pb.GetWeightsResponse(
            weights=convert.from_weights(found.weights),
            update_time=None if found.updated_at is None else to_timestamp(found.updated_at),
            rationale=found.rationale,
        )

    async def UpdateWeights(self, request: pb.UpdateWeightsRequest, context: Any) -> pb.UpdateWeightsResponse:
        now_in_force = await asyncio.to_thread(self._update_weights, convert.to_weights_change(request))
        return pb.UpdateWeightsResponse(
            weights=convert.from_weights(now_in_force.weights), rationale=now_in_force.rationale
        )

    async def LearnBandits(self, request: pb.LearnBanditsRequest, context: Any) -> pb.LearnBanditsResponse:
        learned = await asyncio.to_thread(self._agent.learn_bandits)
        return pb.LearnBanditsResponse(placements=learned.placements, decisions=learned.decisions)

    def _update_weights(self, change: convert.WeightsChange) -> Weights:
        if change.reset:
            return self._agent.reset_weights(change.reason, change.key)
        if change.weights:
            return self._agent.set_weights(change.weights, change.reason, change.key)
        return self._agent.learn_weights(change.key)
