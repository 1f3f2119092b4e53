"""Errors across the wire: QuintetError to `google.rpc.Status` with details, and back."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc import RpcError, StatusCode
from quintet.type.v1.error_pb2 import ErrorReason

from shared.errors import (
    AlreadyExists,
    Conflict,
    DataLoss,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    MessageTooLarge,
    NotFound,
    Overloaded,
    PermissionDenied,
    QuintetError,
    Unauthenticated,
    Unavailable,
    UnknownMethod,
)

DETAILS_KEY = "grpc-status-details-bin"
DOMAIN = "quintet"
_KINDS: tuple[type[QuintetError], ...] = (
    InvalidArgument,
    NotFound,
    AlreadyExists,
    Unauthenticated,
    PermissionDenied,
    Conflict,
    FailedPrecondition,
    Unavailable,
    Overloaded,
    UnknownMethod,
    DataLoss,
)
_BY_CODE = {kind.code: kind for kind in _KINDS} | {StatusCode.DEADLINE_EXCEEDED: Unavailable}
_TOO_LARGE = "larger than max"
"""Words of gRPC where a message is too large; the status alone does not tell it from an overload."""
_WITHOUT_DETAILS = {
    Unavailable: "an agent cannot be reached at the moment",
    Overloaded: "an agent has too much to do",
    MessageTooLarge: "a message between the agents is too large",
}


def to_status(error: QuintetError, request_id: str = "") -> status_pb2.Status:
    """Return the error as a status with ErrorInfo and, where they apply, RequestInfo, BadRequest and RetryInfo."""
    status = status_pb2.Status(code=error.code.value[0], message=error.message)
    info = error_details_pb2.ErrorInfo(reason=error.reason_name, domain=DOMAIN, metadata=error.metadata)
    status.details.add().Pack(info)
    if request_id:
        status.details.add().Pack(error_details_pb2.RequestInfo(request_id=request_id))
    if error.violations:
        bad = error_details_pb2.BadRequest()
        for violation in error.violations:
            bad.field_violations.add(field=violation.field, description=violation.description)
        status.details.add().Pack(bad)
    if error.retry_after_seconds is not None:
        delay = Duration()
        delay.FromMilliseconds(int(error.retry_after_seconds * 1000))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def from_rpc_error(error: RpcError | Any, *, verbatim: bool = False) -> QuintetError:
    """Return the error behind a failed call; an unknown status becomes a plain QuintetError.

    What no server of Quintet made has gRPC's words, with addresses in them. They are replaced, unless `verbatim`, which
    is for operators.
    """
    status = _status(error.trailing_metadata() or ())
    info = error_details_pb2.ErrorInfo()
    if status is None or not any(each.Unpack(info) for each in status.details) or info.domain != DOMAIN:
        return _from_grpc_itself(error, verbatim)
    kind = MessageTooLarge if info.reason == "MESSAGE_TOO_LARGE" else _BY_CODE.get(error.code(), QuintetError)
    reason = ErrorReason.Value(info.reason) if info.reason in ErrorReason.keys() else kind.usual_reason  # noqa: SIM118
    return kind(status.message, _violations(status), reason, dict(info.metadata))


def _from_grpc_itself(error: Any, verbatim: bool) -> QuintetError:
    code: StatusCode = error.code()
    words = error.details() or ""
    too_large = code is StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in words
    kind = MessageTooLarge if too_large else _BY_CODE.get(code, QuintetError)
    return kind(words if verbatim and words else _WITHOUT_DETAILS.get(kind, f"an agent answered {code.name}"))


def _status(trailing: Iterable[Any]) -> status_pb2.Status | None:
    for key, value in trailing:
        if key == DETAILS_KEY:
            try:
                return status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode())
            except DecodeError:
                return None
    return None


def _violations(status: status_pb2.Status) -> tuple[FieldViolation, ...]:
    bad = error_details_pb2.BadRequest()
    for detail in status.details:
        if detail.Unpack(bad):
            return tuple(FieldViolation(each.field, each.description) for each in bad.field_violations)
    return ()
