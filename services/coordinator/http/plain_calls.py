"""The three plain calls for pages, on the same RPCs as everything else."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from quintet.coordinator.v1 import coordinator_service_pb2 as pb

from services.coordinator.http.call_context import KEY_PARAMETER, context_of
from services.coordinator.http.plain_event import to_record_request
from services.coordinator.http.plain_feedback import to_feedback_request
from services.coordinator.http.plain_fields import Fields, fields_of_query, parse_object
from services.coordinator.http.plain_recommendations import LISTS, flag, to_cards, to_recommendations_request
from services.coordinator.http.problem import Problem
from services.coordinator.http.request import Request
from services.coordinator.http.response import Response
from services.coordinator.http.visitors import Visitor, visitor_of
from shared.ids import new_id
from shared.rpc.in_process import CallFailed, InProcessCall, InProcessCalls
from shared.rpc.rights import Work

Answer = Callable[[Request, str], Awaitable[Response]]

SERVICE = f"/{pb.DESCRIPTOR.services_by_name['CoordinatorService'].full_name}"
MOST_BYTES = Work.SERVE.limits.bytes
BEACON_TYPES = ("", "text/plain")
"""What `navigator.sendBeacon` sends: nobody reads the answer."""
BODY_TYPES = (*BEACON_TYPES, "application/json", "application/x-www-form-urlencoded")
"""Taken as JSON, the last one for a `curl -d` that names no type."""


class PlainCalls:
    """Answers `GET /recommendations`, `POST /event` and `POST /feedback`.

    Parameters
    ----------
    calls : InProcessCalls
        Where the RPCs are called.
    cookie_days : int
        Days that the cookie of a visitor is kept.
    """

    def __init__(self, calls: InProcessCalls, cookie_days: int) -> None:
        self._calls = calls
        self._cookie_days = cookie_days
        self._routes: dict[str, tuple[str, Answer]] = {
            "/recommendations": ("GET", self._recommendations),
            "/event": ("POST", self._event),
            "/feedback": ("POST", self._feedback),
        }

    def verbs(self, path: str) -> list[str]:
        """Return the verb that a path takes; none when it is no plain call."""
        return [self._routes[path][0]] if path in self._routes else []

    async def answer(self, request: Request, request_id: str) -> Response | None:
        """Return the answer of a request; None for another path or verb.

        Raises
        ------
        Problem, QuintetError
            If the request is malformed.
        CallFailed
            If the call ended with another status than OK.
        """
        verb, answer = self._routes.get(request.path, ("", None))
        return await answer(request, request_id) if answer is not None and request.verb == verb else None

    async def _recommendations(self, request: Request, request_id: str) -> Response:
        parameters = [each for each in request.query if each[0] != KEY_PARAMETER]
        fields = fields_of_query(parameters, LISTS)
        consent = flag(fields, "consent")
        wanted = to_recommendations_request(fields)
        visitor = visitor_of(request, consent, self._cookie_days)
        if not wanted.customer_id and not wanted.visitor_id:
            wanted.visitor_id = visitor.visitor_id or new_id()  # a stranger for this once
        call = await self._begin("GetRecommendations", request, request_id)
        answer = await _answer(call, wanted, pb.GetRecommendationsResponse)
        return _response(to_cards(answer.list), visitor)

    async def _event(self, request: Request, request_id: str) -> Response:
        call = await self._begin("RecordEvent", request, request_id)
        fields, visitor = await self._body(request)
        wanted = to_record_request(fields)
        event = wanted.event
        if not event.visitor_id:
            event.visitor_id = visitor.visitor_id  # beside a customer: the visitor has logged in
        if visitor.refused and not event.customer_id and not event.visitor_id:
            return _acknowledged(request, {"recorded": False, "reason": "CONSENT_DENIED"}, visitor)
        answer = await _answer(call, wanted, pb.RecordEventResponse)
        return _acknowledged(request, _event_recorded(answer), visitor)

    async def _feedback(self, request: Request, request_id: str) -> Response:
        call = await self._begin("RecordFeedback", request, request_id)
        fields, visitor = await self._body(request)
        wanted = to_feedback_request(fields)
        feedback = wanted.feedback
        if not feedback.customer_id and not feedback.visitor_id:
            feedback.visitor_id = visitor.visitor_id
        answer = await _answer(call, wanted, pb.RecordFeedbackResponse)
        recorded = {
            "recorded": True,
            "feedback_id": answer.feedback_id,
            "duplicate": answer.duplicate,
            "pending_agents": list(answer.pending_agents),
        }
        return _acknowledged(request, recorded, visitor)

    async def _body(self, request: Request) -> tuple[Fields, Visitor]:
        """Return the fields of the body, and the visitor with the consent that body or query say."""
        if request.content_type not in BODY_TYPES:
            detail = "the body must be application/json or text/plain"
            raise Problem(415, "INVALID_ARGUMENT", "CONTENT_TYPE_UNSUPPORTED", detail, close=True)
        parameters = fields_of_query([each for each in request.query if each[0] != KEY_PARAMETER], frozenset())
        consent = flag(parameters, "consent")
        parameters.end("the query of this call")
        fields = parse_object(await request.body(MOST_BYTES))
        said = fields.boolean("consent")
        return fields, visitor_of(request, consent if said is None else said, self._cookie_days)

    async def _begin(self, name: str, request: Request, request_id: str) -> InProcessCall:
        return await self._calls.begin(f"{SERVICE}/{name}", context_of(request, request_id))


async def _answer(call: InProcessCall, wanted: Any, response_type: Any) -> Any:
    try:
        return await call.unary(wanted, response_type)
    except CallFailed as failed:
        raise flattened(Problem.of_call(failed), wanted) from failed


def flattened(problem: Problem, wanted: Any) -> Problem:
    """Return a problem with the fields as the flat object names them: `event.page_view.category` is `category`."""
    inner = wanted.event.WhichOneof("detail") if isinstance(wanted, pb.RecordEventRequest) else None
    prefix = re.compile(rf"\b(?:event\.(?:{inner}\.)?|feedback\.|context\.|filter\.|recommend\.)(?=[a-z])")
    problem.detail = prefix.sub("", problem.detail)
    problem.field_violations = tuple(
        (prefix.sub("", field), prefix.sub("", description)) for field, description in problem.field_violations
    )
    return problem


def _event_recorded(answer: Any) -> dict[str, Any]:
    recorded = {
        "recorded": True,
        "event_id": answer.event_id,
        "duplicate": answer.duplicate,
        "session_id": answer.session_id,
        "pending_agents": list(answer.pending_agents),
    }
    return recorded | to_cards(answer.recommendations) if answer.HasField("recommendations") else recorded


def _acknowledged(request: Request, value: dict[str, Any], visitor: Visitor) -> Response:
    """Return the answer to what was recorded: none for a beacon."""
    if request.content_type in BEACON_TYPES:
        return Response(204, b"", "", visitor.headers())
    return _response(value, visitor)


def _response(value: dict[str, Any], visitor: Visitor) -> Response:
    response = Response.of_json(value)
    response.headers += visitor.headers()
    return response
