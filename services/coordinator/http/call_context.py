"""What a request says about its call: who calls, for how long, under which id."""

import re
import uuid

from services.coordinator.http.problem import Problem
from services.coordinator.http.request import Request
from shared.rpc.authentication import ADDRESS_KEY
from shared.rpc.in_process import InProcessContext

USUAL_SECONDS = 30.0
"""Seconds until a call is given up for which the request says nothing."""
MOST_SECONDS = 3_600.0
PASSED_ON = ("authorization", "x-api-key", "origin", "traceparent", "tracestate")
"""Headers that interceptors see as metadata. Keys are checked there, by the same code as for gRPC."""
KEY_PARAMETER = "key"
"""The key of a page whose browser cannot send headers, as with `navigator.sendBeacon`. Only one for browsers is taken:
addresses stand in logs of proxies."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_GRPC_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])")
_UNITS = {"H": 3_600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def request_id_of(request: Request) -> str:
    """Return the id of a request, from `X-Request-Id` or made anew."""
    given = request.header("x-request-id")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def context_of(request: Request, request_id: str, *, endless: bool = False) -> InProcessContext:
    """Return the context of the call. Raises Problem for a malformed timeout.

    A call whose answer is a stream (`endless`) has no limit of time unless the request names one.
    """
    metadata = [("x-request-id", request_id)]
    metadata += [(name, value) for name in PASSED_ON if (value := request.header(name))]
    metadata += [(ADDRESS_KEY, value) for name, value in request.query if name == KEY_PARAMETER]
    return InProcessContext(metadata, _timeout(request, None if endless else USUAL_SECONDS), request.peer)


def _timeout(request: Request, usual: float | None) -> float | None:
    """Return the seconds of `X-Request-Timeout` or of `Grpc-Timeout`."""
    seconds, grpc = request.header("x-request-timeout"), request.header("grpc-timeout")
    if seconds:
        return _checked(seconds, "X-Request-Timeout")
    if not grpc:
        return usual
    match = _GRPC_TIMEOUT.fullmatch(grpc)
    if match is None:
        raise Problem.of_request("FIELD_MALFORMED", "Grpc-Timeout: is not a number and a unit", "Grpc-Timeout")
    return min(float(match.group(1)) * _UNITS[match.group(2)], MOST_SECONDS)


def _checked(text: str, name: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= MOST_SECONDS:  # NaN fails as well
        detail = f"{name}: must be seconds, above 0 and at most {MOST_SECONDS:g}"
        raise Problem.of_request("FIELD_MALFORMED", detail, name)
    return seconds
