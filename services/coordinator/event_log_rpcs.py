"""The RPCs about the event log itself: what could not be applied, and what to do about it."""

import asyncio
from typing import Any

from quintet.coordinator.v1 import event_log_pb2 as pb

from services.coordinator import event_log_convert as convert
from services.coordinator.agent import Coordinator
from services.coordinator.job_convert import to_job
from shared.events.failed import check_sequences
from shared.request_ids import key_of
from shared.rpc.interceptor import deadline


class EventLogRpcs:
    """Events that wait for what they name, and events that an agent could not apply."""

    _agent: Coordinator

    async def GetEventQuality(self, request: pb.GetEventQualityRequest, context: Any) -> pb.GetEventQualityResponse:
        start, end = convert.to_hours(request)
        return convert.from_faults(await asyncio.to_thread(self._agent.event_operations.faults, start, end))

    async def ListUnjoinedEvents(
        self, request: pb.ListUnjoinedEventsRequest, context: Any
    ) -> pb.ListUnjoinedEventsResponse:
        limit = convert.to_limit(request)
        return convert.from_unjoined(*await asyncio.to_thread(self._agent.event_operations.unjoined, limit))

    async def RejoinEvents(self, request: pb.RejoinEventsRequest, context: Any) -> pb.RejoinEventsResponse:
        period = convert.to_period(request)
        joined, waiting = await asyncio.to_thread(self._agent.event_operations.rejoin, period, deadline.get())
        return pb.RejoinEventsResponse(joined=joined, waiting=waiting)

    async def PurgeEvents(self, request: pb.PurgeEventsRequest, context: Any) -> pb.PurgeEventsResponse:
        wanted = convert.to_filter(request)
        job = await self._agent.event_operations.purge(wanted, key_of(request), dry_run=request.dry_run)
        return pb.PurgeEventsResponse(job=to_job(job))

    async def RebuildProjection(
        self, request: pb.RebuildProjectionRequest, context: Any
    ) -> pb.RebuildProjectionResponse:
        agent = convert.to_agent(request.agent, required=True)
        job = await self._agent.event_operations.rebuild(agent, key_of(request))
        return pb.RebuildProjectionResponse(job=to_job(job))

    async def ListFailedEvents(self, request: pb.ListFailedEventsRequest, context: Any) -> pb.ListFailedEventsResponse:
        agent, page = convert.to_agent(request.agent), convert.to_page(request)
        found = await asyncio.to_thread(self._agent.event_operations.failed, agent, *page)
        return convert.from_failed(found, page)

    async def ReplayFailedEvents(
        self, request: pb.ReplayFailedEventsRequest, context: Any
    ) -> pb.ReplayFailedEventsResponse:
        check_sequences(request.sequences, least=0)
        agent = convert.to_agent(request.agent)
        applied, failed = await self._agent.event_operations.replay(agent, request.sequences)
        return pb.ReplayFailedEventsResponse(applied=applied, failed=failed)
