"""Errors across the wire: QuintetError to `google.rpc.Status` with details, and back."""

from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc import RpcError, StatusCode

from shared.errors import (
    AlreadyExists,
    Conflict,
    DataLoss,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    Overloaded,
    PermissionDenied,
    QuintetError,
    Unauthenticated,
    Unavailable,
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
    DataLoss,
)
_BY_CODE = {kind.code: kind for kind in _KINDS} | {StatusCode.DEADLINE_EXCEEDED: Unavailable}


def to_status(error: QuintetError) -> status_pb2.Status:
    """Return the error as a status with ErrorInfo and, where they apply, BadRequest and RetryInfo."""
    status = status_pb2.Status(code=error.code.value[0], message=error.message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN))
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


def from_rpc_error(error: RpcError | Any) -> QuintetError:
    """Return the error behind a failed call; an unknown status becomes a plain QuintetError."""
    kind = _BY_CODE.get(error.code(), QuintetError)
    return kind(error.details() or error.code().name, _violations(error))


def _violations(error: Any) -> tuple[FieldViolation, ...]:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            return _unpack(status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode()))
    return ()


def _unpack(status: status_pb2.Status) -> tuple[FieldViolation, ...]:
    bad = error_details_pb2.BadRequest()
    for detail in status.details:
        if detail.Unpack(bad):
            return tuple(FieldViolation(each.field, each.description) for each in bad.field_violations)
    return ()
