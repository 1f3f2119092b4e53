"""The RPCs for operations people: measured performance, the state of the system."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import operations_pb2 as operations_pb
from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb

from services.coordinator import convert
from services.coordinator.agent import Coordinator
from services.coordinator.operations_convert import from_findings

METRICS_TIMEOUT_SECONDS = 30.0
"""Metrics of a year are summed for longer than other answers take."""


class OperationRpcs:
    """Performance, diagnosis, status."""

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

    async def GetMetrics(self, request: pb.GetMetricsRequest, context: Any) -> pb.GetMetricsResponse:
        agents = self._agent.agents
        wanted = feedback_pb.GetMetricsRequest(query=request.query)
        answer = await agents.call(agents.feedback.GetMetrics, wanted, METRICS_TIMEOUT_SECONDS)
        return pb.GetMetricsResponse(report=answer.report)

    async def ExportMetrics(
        self, request: pb.ExportMetricsRequest, context: Any
    ) -> AsyncIterator[pb.ExportMetricsResponse]:
        agents = self._agent.agents
        wanted = feedback_pb.ExportMetricsRequest(table=request.table)
        for name in ("start_time", "end_time"):
            if request.HasField(name):
                getattr(wanted, name).CopyFrom(getattr(request, name))
        async for piece in agents.stream(agents.feedback.ExportMetrics, wanted):
            yield pb.ExportMetricsResponse(chunk=piece.chunk)

    async def GetDiagnosis(
        self, request: operations_pb.GetDiagnosisRequest, context: Any
    ) -> operations_pb.GetDiagnosisResponse:
        return from_findings(await self._agent.diagnosis.look(), datetime.now(UTC))

    async def GetStatus(self, request: pb.GetStatusRequest, context: Any) -> pb.GetStatusResponse:
        return convert.to_status(await self._agent.state())
