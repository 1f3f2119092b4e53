"""The RPCs about experiments: convert, delegate, convert."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from quintet.recommendation.v1 import recommendation_service_pb2 as pb

from services.recommendation.agent import RecommendationAgent
from services.recommendation.what_if.convert import to_estimate, to_evaluation_request


class ExperimentRpcs:
    """Create, read, stop, conclude and delete experiments, note alarms; say what other ways would have earned."""

    _agent: RecommendationAgent

    async def CreateExperiment(self, request: pb.CreateExperimentRequest, context: Any) -> pb.CreateExperimentResponse:
        created = await asyncio.to_thread(self._agent.experiments.create, request.experiment)
        return pb.CreateExperimentResponse(experiment=created)

    async def GetExperiment(self, request: pb.GetExperimentRequest, context: Any) -> pb.GetExperimentResponse:
        found = await asyncio.to_thread(self._agent.experiments.get, request.experiment_id)
        return pb.GetExperimentResponse(experiment=found)

    async def ListExperiments(self, request: pb.ListExperimentsRequest, context: Any) -> pb.ListExperimentsResponse:
        found, token = await asyncio.to_thread(self._agent.experiments.list, request.page_size, request.page_token)
        return pb.ListExperimentsResponse(experiments=found, next_page_token=token)

    async def StopExperiment(self, request: pb.StopExperimentRequest, context: Any) -> pb.StopExperimentResponse:
        stopped = await asyncio.to_thread(self._agent.experiments.stop, request.experiment_id, request.reason)
        return pb.StopExperimentResponse(experiment=stopped)

    async def ConcludeExperiment(
        self, request: pb.ConcludeExperimentRequest, context: Any
    ) -> pb.ConcludeExperimentResponse:
        name, arm = request.experiment_id, request.arm_id
        concluded = await asyncio.to_thread(self._agent.experiments.conclude, name, arm, request.reason)
        return pb.ConcludeExperimentResponse(experiment=concluded)

    async def RecordExperimentAlarm(
        self, request: pb.RecordExperimentAlarmRequest, context: Any
    ) -> pb.RecordExperimentAlarmResponse:
        told = (request.experiment_id, request.alarm, request.arm_id, request.reason)
        found = await asyncio.to_thread(self._agent.experiments.record_alarm, *told)
        return pb.RecordExperimentAlarmResponse(experiment=found)

    async def DeleteExperiment(self, request: pb.DeleteExperimentRequest, context: Any) -> pb.DeleteExperimentResponse:
        name, allow_missing = request.experiment_id, request.allow_missing
        deleted = await asyncio.to_thread(self._agent.experiments.delete, name, allow_missing=allow_missing)
        return pb.DeleteExperimentResponse(deleted=deleted)

    async def EvaluateConfiguration(
        self, request: pb.EvaluateConfigurationRequest, context: Any
    ) -> pb.EvaluateConfigurationResponse:
        wanted = to_evaluation_request(request, self._agent.merchandising, datetime.now(UTC))
        return to_estimate(*await asyncio.to_thread(self._agent.evaluate, wanted))
