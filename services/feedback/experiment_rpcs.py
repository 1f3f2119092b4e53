"""The RPCs about experiments, bandits and drift: convert, delegate, convert.

What converts results loads scipy, so it is imported by the first call that needs it: the agent serves without.
"""

import asyncio
from typing import Any

from quintet.feedback.v1 import feedback_service_pb2 as pb
from quintet.type.v1.experiment_pb2 import ExperimentResults
from quintet.type.v1.improvement_pb2 import DriftCheck

from services.feedback.agent import FeedbackAgent
from shared.drift_messages import to_drift_check
from shared.events.check import check_text
from shared.limits import MAX_ID
from shared.merchandising.names import check_name


class ExperimentRpcs:
    """Say what came of experiments and how large they must be; learn bandits; look for drift."""

    _agent: FeedbackAgent

    async def GetExperimentResults(
        self, request: pb.GetExperimentResultsRequest, context: Any
    ) -> pb.GetExperimentResultsResponse:
        check_name(request.experiment_id, "experiment_id")
        return pb.GetExperimentResultsResponse(results=await asyncio.to_thread(self._results, request.experiment_id))

    async def EstimateSampleSize(
        self, request: pb.EstimateSampleSizeRequest, context: Any
    ) -> pb.EstimateSampleSizeResponse:
        return await asyncio.to_thread(self._sample_size, request)

    async def CheckDrift(self, request: pb.CheckDriftRequest, context: Any) -> pb.CheckDriftResponse:
        return pb.CheckDriftResponse(check=await asyncio.to_thread(self._drift, request))

    async def LearnBandits(self, request: pb.LearnBanditsRequest, context: Any) -> pb.LearnBanditsResponse:
        learned = await asyncio.to_thread(self._agent.learn_bandits)
        return pb.LearnBanditsResponse(placements=learned.placements, decisions=learned.decisions)

    def _results(self, experiment_id: str) -> ExperimentResults:
        from services.feedback.experiments.convert import from_results

        return from_results(self._agent.experiment_results(experiment_id))

    def _drift(self, request: pb.CheckDriftRequest) -> DriftCheck:
        from services.feedback.drift.convert import to_look

        check_text(request.model_version, "model_version", MAX_ID)
        given = [name for name in ("quality", "at_training") if request.HasField(name)]
        looks = {name: to_look(getattr(request, name), name) for name in given}
        return to_drift_check(self._agent.check_drift(request.day, request.model_version, **looks))

    def _sample_size(self, request: pb.EstimateSampleSizeRequest) -> pb.EstimateSampleSizeResponse:
        from services.feedback.experiments.convert import from_sample_size, to_sample_plan

        return from_sample_size(self._agent.sample_size(*to_sample_plan(request)))
