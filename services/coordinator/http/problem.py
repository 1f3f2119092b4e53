"""Errors as `application/problem+json` (RFC 9457), with the facts that a gRPC status carries in its details."""

import json
import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import grpc
from google.rpc import error_details_pb2

from shared.errors import QuintetError
from shared.rpc.in_process import CallFailed
from shared.rpc.status import to_status

MEDIA_TYPE = "application/problem+json"
CLIENT_CLOSED_REQUEST = 499

HTTP_STATUS: dict[grpc.StatusCode, int] = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: CLIENT_CLOSED_REQUEST,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
}
"""The HTTP status of each gRPC status, as grpc-gateway maps them."""


class Problem(Exception):
    """A request that is answered with an error.

    Parameters
    ----------
    status : int
        HTTP status.
    code : str
        Name of the gRPC status, such as `INVALID_ARGUMENT`.
    reason : str
        What a program can switch on, such as `MESSAGE_TOO_LARGE`.
    detail : str
        What is wrong, for people.
    field_violations : sequence of (str, str)
        Field at fault and what is wrong with it.
    metadata : dict of str to str, optional
        Further facts of the reason.
    retry_after : float or None
        Seconds after which trying again helps; None when it does not.
    headers : sequence of (str, str)
        Headers of the answer.
    close : bool
        Whether the connection is of no further use, such as with a body that was not read.
    """

    def __init__(
        self,
        status: int,
        code: str,
        reason: str,
        detail: str,
        *,
        field_violations: Sequence[tuple[str, str]] = (),
        metadata: dict[str, str] | None = None,
        retry_after: float | None = None,
        headers: Sequence[tuple[str, str]] = (),
        close: bool = False,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.reason = reason
        self.detail = detail
        self.field_violations = tuple(field_violations)
        self.metadata = metadata or {}
        self.retry_after = retry_after
        self.headers = tuple(headers)
        self.close = close

    @classmethod
    def of_request(cls, reason: str, detail: str, field: str = "") -> "Problem":
        """Return the problem of a request that cannot be read."""
        violations = ((field, detail),) if field else ()
        return cls(400, grpc.StatusCode.INVALID_ARGUMENT.name, reason, detail, field_violations=violations)

    @classmethod
    def of_error(cls, error: QuintetError) -> "Problem":
        """Return the problem of an error that was found before the call."""
        return cls.of_call(CallFailed(error.code, error.message, to_status(error)))

    @classmethod
    def of_call(cls, failed: CallFailed) -> "Problem":
        """Return the problem of a call that failed."""
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        known = {each.DESCRIPTOR.full_name: each for each in (info, bad, retry)}
        for detail in failed.status.details:
            if detail.TypeName() in known:
                detail.Unpack(known[detail.TypeName()])
        return cls(
            HTTP_STATUS[failed.code],
            failed.code.name,
            info.reason or failed.code.name,
            failed.message,
            field_violations=[(each.field, each.description) for each in bad.field_violations],
            metadata=dict(info.metadata),
            retry_after=retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None,
        )

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the problem as RFC 9457 has it, with members of our own."""
        found: dict[str, Any] = {
            "type": f"urn:quintet:error:{self.reason}",
            "title": _title(self.status),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "reason": self.reason,
            "metadata": self.metadata,
            "field_violations": [{"field": field, "description": text} for field, text in self.field_violations],
            "request_id": request_id,
        }
        return found if self.retry_after is None else found | {"retry_after": self.retry_after}

    def to_json(self, request_id: str) -> bytes:
        """Return the body of the answer."""
        return json.dumps(self.body(request_id)).encode()

    def all_headers(self) -> list[tuple[str, str]]:
        """Return the headers of the answer."""
        found = list(self.headers)
        if self.status == HTTPStatus.UNAUTHORIZED:
            found.append(("www-authenticate", "Bearer"))
        if self.retry_after is not None:
            found.append(("retry-after", str(math.ceil(self.retry_after))))
        return [*found, ("connection", "close")] if self.close else found


def _title(status: int) -> str:
    return "Client Closed Request" if status == CLIENT_CLOSED_REQUEST else HTTPStatus(status).phrase
