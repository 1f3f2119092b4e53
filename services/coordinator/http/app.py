"""The ASGI application: what every request and every answer have in common."""

from collections.abc import Sequence
from typing import Any, Protocol

import structlog

from services.coordinator.http.call_context import request_id_of
from services.coordinator.http.cors import Cors
from services.coordinator.http.problem import MEDIA_TYPE, Problem
from services.coordinator.http.request import Receive, Request
from services.coordinator.http.response import Response, Send
from shared.errors import QuintetError
from shared.rpc.in_process import CallFailed
from shared.telemetry import HTTP_REFUSED, request_id

log = structlog.get_logger()

MOST_AT_ONCE = 512
"""Requests that are being answered; more are refused."""


class Part(Protocol):
    """Something that answers the requests of some paths."""

    def verbs(self, path: str) -> list[str]:
        """Return the verbs that a path takes; none when it is not one of these paths."""
        ...

    async def answer(self, request: Request, request_id: str) -> Response | None:
        """Return the answer; None for another path or verb. Raises Problem, QuintetError, CallFailed."""
        ...


class HttpApp:
    """Asks its parts in turn, and answers every error as a problem.

    Parameters
    ----------
    parts : sequence of Part
        Who answers.
    cors : Cors
        Which pages may read the answers.
    """

    def __init__(self, parts: Sequence[Part], cors: Cors) -> None:
        self._parts = parts
        self._cors = cors
        self._in_progress = 0

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        name = request_id_of(request)
        request_id.set(name)
        self._in_progress += 1
        try:
            response = await self._answer(request, name)
            response.headers += self._common_headers(request, response, name)
            await response.send(send)
        except TimeoutError:  # the client does not take the answer
            scope["state"]["abort"]()
        finally:
            self._in_progress -= 1

    async def _answer(self, request: Request, name: str) -> Response:
        try:
            if self._in_progress > MOST_AT_ONCE:
                detail = "too many requests are being answered"
                raise Problem(503, "UNAVAILABLE", "OVERLOADED", detail, retry_after=1.0, close=True)
            return self._cors.preflight(request) or await self._dispatch(request, name)
        except Problem as problem:
            return _refused(problem, name)
        except QuintetError as error:
            return _refused(Problem.of_error(error), name)
        except CallFailed as failed:
            return _problem(Problem.of_call(failed), name)
        except Exception as error:
            # the caller is told where to look, not what a stack trace would give away
            log.error("request failed", exc_info=error)
            return _problem(
                Problem(500, "INTERNAL", "INTERNAL", f"internal error, see the log for request {name}"), name
            )

    async def _dispatch(self, request: Request, name: str) -> Response:
        for part in self._parts:
            response = await part.answer(request, name)
            if response is not None:
                return response
        raise _not_here(request, sorted({verb for part in self._parts for verb in part.verbs(request.path)}))

    def _common_headers(self, request: Request, response: Response, name: str) -> list[tuple[str, str]]:
        found = [("x-request-id", name), ("x-content-type-options", "nosniff"), *self._cors.headers(request)]
        if not any(key == "cache-control" for key, _ in response.headers):
            found.append(("cache-control", "no-store"))
        return found


def _refused(problem: Problem, name: str) -> Response:
    """Count what never became a call."""
    HTTP_REFUSED.labels(problem.reason).inc()
    return _problem(problem, name)


def _problem(problem: Problem, name: str) -> Response:
    return Response(problem.status, problem.to_json(name), MEDIA_TYPE, problem.all_headers())


def _not_here(request: Request, verbs: Sequence[str]) -> Problem:
    """Return the problem of a path, or of a verb that the path does not take."""
    if not verbs:
        return Problem(404, "NOT_FOUND", "PATH_UNKNOWN", "there is nothing at this path: see /docs", close=True)
    detail = f"this path takes {', '.join(verbs)}"
    headers = [("allow", ", ".join(verbs))]
    return Problem(405, "UNIMPLEMENTED", "METHOD_NOT_ALLOWED", detail, headers=headers, close=True)
