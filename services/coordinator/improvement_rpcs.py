"""The RPCs about continuous improvement: convert, delegate, convert."""

from typing import Any

from quintet.coordinator.v1 import improvement_pb2 as pb

from services.coordinator.agent import Coordinator
from services.coordinator.improvement import convert
from services.coordinator.improvement.shadows import Shadowed
from shared.drift_messages import to_drift_check


class ImprovementRpcs:
    """List and show improvement runs; pause and resume; mark and show shadow models."""

    _agent: Coordinator

    async def ListImprovementRuns(
        self, request: pb.ListImprovementRunsRequest, context: Any
    ) -> pb.ListImprovementRunsResponse:
        page = convert.to_page(request)
        found = await self._agent.improvement_runs.page(page.kinds, page.after, page.size + 1)
        return pb.ListImprovementRunsResponse(
            runs=[convert.from_run(run) for run in found.runs[: page.size]],
            next_page_token=page.token_after([(run.started_at, run.run_id) for run in found.runs]),
            control=convert.from_control(found.control),
            latest_check=None if found.latest is None else to_drift_check(found.latest),
        )

    async def GetImprovementRun(
        self, request: pb.GetImprovementRunRequest, context: Any
    ) -> pb.GetImprovementRunResponse:
        run, check = await self._agent.improvement_runs.get(convert.to_run_id(request))
        return pb.GetImprovementRunResponse(
            run=convert.from_run(run), check=None if check is None else to_drift_check(check)
        )

    async def SetShadowModel(self, request: pb.SetShadowModelRequest, context: Any) -> pb.SetShadowModelResponse:
        version, share = convert.to_version(request), convert.to_share(request)
        marked = await self._agent.shadow_models.mark(version, share)
        return pb.SetShadowModelResponse(shadow=convert.from_shadow(Shadowed(marked, None)))

    async def DeleteShadowModel(
        self, request: pb.DeleteShadowModelRequest, context: Any
    ) -> pb.DeleteShadowModelResponse:
        deleted = await self._agent.shadow_models.unmark(convert.to_version(request))
        return pb.DeleteShadowModelResponse(deleted=deleted)

    async def ListShadowModels(self, request: pb.ListShadowModelsRequest, context: Any) -> pb.ListShadowModelsResponse:
        found = await self._agent.shadow_models.all()
        return pb.ListShadowModelsResponse(shadows=map(convert.from_shadow, found))

    async def PauseImprovement(self, request: pb.PauseImprovementRequest, context: Any) -> pb.PauseImprovementResponse:
        control = await self._agent.improvement_runs.set_paused(paused=True, reason=convert.to_reason(request))
        return pb.PauseImprovementResponse(control=convert.from_control(control))

    async def ResumeImprovement(
        self, request: pb.ResumeImprovementRequest, context: Any
    ) -> pb.ResumeImprovementResponse:
        control = await self._agent.improvement_runs.set_paused(paused=False, reason=convert.to_reason(request))
        return pb.ResumeImprovementResponse(control=convert.from_control(control))
