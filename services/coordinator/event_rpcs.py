"""The RPCs that record what happens, and answer with recommendations where asked to."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import structlog
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb
from quintet.type.v1.event_pb2 import Event
from quintet.type.v1.recommendation_pb2 import RecommendationList

from services.coordinator import convert
from services.coordinator.agent import Coordinator
from services.coordinator.event_validation import Submission, submit_event, submit_feedback
from services.coordinator.group_commit import CommitResult
from services.coordinator.uploads import Rejected, message_bytes, portions
from shared.errors import InvalidArgument, QuintetError
from shared.events.check import check_count
from shared.events.recommend import check_recommend, context_products
from shared.limits import MAX_BATCH, MAX_REJECTIONS
from shared.merchandising.request import check_placed, fill_in
from shared.request_ids import check_request_id, id_from
from shared.rpc.slices import Slices
from shared.telemetry import FALLBACKS

NO_RECOMMENDATIONS = "no_recommendations"
"""Fallback of an answer to an event that is recorded, but could not be answered with recommendations."""
log = structlog.get_logger()
PORTION = 1_000
"""Events of a stream that are recorded together: each transaction costs as much as some hundred events."""
PORTIONS_AT_ONCE = 4
"""Portions of a stream that are being written while the next is read: the stream goes on while the database is busy."""


class _Portion(NamedTuple):
    """A piece of a stream on its way: the places of its events, what is refused already, what comes of the others."""

    places: list[int]
    rejections: list[Rejected]
    outcomes: asyncio.Task[list[CommitResult]]


class EventRpcs:
    """Events and feedback, and the recommendations that an event is answered with."""

    _agent: Coordinator

    async def RecordEvent(self, request: pb.RecordEventRequest, context: Any) -> pb.RecordEventResponse:
        submission = self._submitted(request.event, _derived_id(request.request_id))
        await self._check_options(request)
        if request.validate_only:
            missing = convert.from_missing(await self._agent.check(submission))
            return pb.RecordEventResponse(event_id=submission.event_id, unjoined=bool(missing), missing=missing)
        outcome = _accepted((await self._agent.record([submission]))[0])
        response = pb.RecordEventResponse(
            event_id=outcome.event_id,
            duplicate=outcome.duplicate,
            session_id=request.event.session_id or outcome.session,
            pending_agents=self._agent.pending_agents(),
            unjoined=outcome.unjoined,
            missing=convert.from_missing(outcome.missing),
        )
        if request.HasField("recommend"):
            wanted = convert.to_recommend_after(request.event, request.recommend, outcome.missing)
            response.recommendations.CopyFrom(await self._recommend_after(wanted))
        return response

    async def BatchRecordEvents(
        self, request: pb.BatchRecordEventsRequest, context: Any
    ) -> pb.BatchRecordEventsResponse:
        check_count(request.events, "events", MAX_BATCH, least=1)
        check_request_id(request.request_id)
        good, rejections = await self._checked(request.events, 0, request.request_id)
        outcomes = await self._agent.record([submission for _, submission in good])
        rejections += convert.to_rejections(zip((index for index, _ in good), outcomes, strict=True))
        return pb.BatchRecordEventsResponse(
            recorded=_recorded(outcomes),
            duplicates=_duplicates(outcomes),
            rejections=[convert.to_rejection(each) for each in sorted(rejections, key=lambda each: each.index)],
            pending_agents=self._agent.pending_agents(),
            unjoined=_unjoined(outcomes),
        )

    async def ImportEvents(
        self, request_iterator: AsyncIterator[pb.ImportEventsRequest], context: Any
    ) -> pb.ImportEventsResponse:
        response, start, request_id = pb.ImportEventsResponse(), 0, ""
        written: deque[_Portion] = deque()
        try:
            async for portion in portions(request_iterator, PORTION, message_bytes):
                if start == 0 and check_request_id(portion.items[0].request_id):
                    request_id = portion.items[0].request_id
                good, rejections = await self._checked([each.event for each in portion.items], start, request_id)
                start += len(portion.items)
                if len(written) == PORTIONS_AT_ONCE:
                    await _add(response, written.popleft())
                written.append(await self._on_its_way(good, rejections, portion.bytes))
            while written:
                await _add(response, written.popleft())
        finally:
            for each in written:  # the stream broke: nobody waits for what is on its way
                each.outcomes.cancel()
        return response

    async def RecordFeedback(self, request: pb.RecordFeedbackRequest, context: Any) -> pb.RecordFeedbackResponse:
        submission = submit_feedback(request.feedback, derived_id=_derived_id(request.request_id))
        outcome = _accepted((await self._agent.record([submission]))[0])
        return pb.RecordFeedbackResponse(
            feedback_id=outcome.event_id,
            duplicate=outcome.duplicate,
            pending_agents=self._agent.pending_agents(),
        )

    def _submitted(self, event: Event, derived_id: str) -> Submission:
        """Return an event that is asked for alone. Raises InvalidArgument, and counts that, when it is malformed."""
        try:
            return submit_event(event, wants_session=True, derived_id=derived_id)
        except InvalidArgument as error:
            self._agent.event_monitor.malformed(event, error)
            raise

    async def _checked(
        self, events: Any, start: int, request_id: str = ""
    ) -> tuple[list[tuple[int, Submission]], list[Rejected]]:
        """Return what `_sorted_out` returns, and count what is malformed."""
        good, bad = await _sorted_out(events, start, request_id)
        for each in bad:
            self._agent.event_monitor.malformed(events[each.index - start], each.error)
        return good, bad

    async def _on_its_way(
        self, good: Sequence[tuple[int, Submission]], rejections: list[Rejected], size: int
    ) -> _Portion:
        """Begin to record the well-formed events of a portion of `size` bytes, once all streams leave room for it."""
        budget = self._agent.stream_bytes
        await budget.take(size)
        recording = self._agent.record([submission for _, submission in good])
        portion = _Portion([index for index, _ in good], rejections, asyncio.create_task(recording))
        portion.outcomes.add_done_callback(lambda _: budget.give_back(size))
        return portion

    async def _recommend_after(self, wanted: recommendation_pb.RecommendRequest) -> RecommendationList:
        """Return recommendations, or a list that says why there are none.

        The event is recorded. An error now would have the caller record it again.
        """
        try:
            return recommendation_pb.RecommendResponse.FromString(await self._agent.recommend(wanted)).list
        except Exception as error:
            log.warning("no recommendations after an event", exc_info=error)
            FALLBACKS.labels("coordinator", NO_RECOMMENDATIONS).inc()
            return RecommendationList(fallbacks=[NO_RECOMMENDATIONS])

    async def _check_options(self, request: pb.RecordEventRequest) -> None:
        """Refuse what cannot be answered before anything is recorded."""
        if not request.HasField("recommend"):
            return
        options = request.recommend
        check_recommend(options.context, options.filter, options.limit, "recommend.")
        if options.placement_id:
            self._check_placement(request)
        await self._agent.check_products(list(context_products(options.context, "recommend.")))

    def _check_placement(self, request: pb.RecordEventRequest) -> None:
        """Refuse a placement that is not known, or that does not fit the event, as far as it was read."""
        merchandising = self._agent.merchandising
        try:
            wanted = convert.to_recommend_after(request.event, request.recommend)
            check_placed(wanted)
            if merchandising is not None:
                fill_in(wanted, merchandising)
        except QuintetError as error:
            field = error.violations[0].field
            raise error.renamed(field, f"recommend.{field}") from error


def _derived_id(request_id: str) -> str:
    """Return the id that a request gives to what it records without one; "" for none. Raises InvalidArgument."""
    return id_from(request_id) if check_request_id(request_id) else ""


async def _sorted_out(
    events: Any, start: int, request_id: str = ""
) -> tuple[list[tuple[int, Submission]], list[Rejected]]:
    """Return the well-formed events with their places, and the others with what is wrong."""
    good: list[tuple[int, Submission]] = []
    bad: list[Rejected] = []
    slices = Slices()
    for index, event in enumerate(events, start):
        await slices.pause()
        try:
            derived_id = id_from(request_id, index) if request_id else ""
            good.append((index, submit_event(event, f"events[{index}]", derived_id=derived_id)))
        except InvalidArgument as error:
            bad.append(Rejected(index, event.event_id, error))
    return good, bad


async def _add(response: pb.ImportEventsResponse, portion: _Portion) -> None:
    """Count what became of a portion, once it is durable. Raises Unavailable when it cannot be written."""
    outcomes = await portion.outcomes
    rejections = portion.rejections + convert.to_rejections(zip(portion.places, outcomes, strict=True))
    response.recorded += _recorded(outcomes)
    response.duplicates += _duplicates(outcomes)
    response.unjoined += _unjoined(outcomes)
    response.rejected += len(rejections)
    room = MAX_REJECTIONS - len(response.rejections)
    rejections.sort(key=lambda each: each.index)
    response.rejections.extend(convert.to_rejection(each) for each in rejections[:room])


def _accepted(outcome: CommitResult) -> CommitResult:
    if outcome.error is not None:
        raise outcome.error
    return outcome


def _recorded(outcomes: list[CommitResult]) -> int:
    return sum(outcome.error is None and not outcome.duplicate for outcome in outcomes)


def _duplicates(outcomes: list[CommitResult]) -> int:
    return sum(outcome.duplicate for outcome in outcomes)


def _unjoined(outcomes: list[CommitResult]) -> int:
    return sum(outcome.unjoined for outcome in outcomes)
