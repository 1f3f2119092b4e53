"""The errors of Quintet. Each knows its gRPC status, a reason for programs and, where one is at fault, the field.

QuintetError
├── InvalidArgument         a field of the request is wrong
├── NotFound                something named does not exist
├── AlreadyExists           something to be made exists
├── Conflict                the same work is under way already
├── Unauthenticated         the call has no valid key
├── PermissionDenied        the caller may not do this
├── FailedPrecondition      the system is not in the state the request needs
├── Unavailable             an agent or the database cannot be reached now; try again
│   └── Overloaded          more is asked for than can be done in time
│       └── RateLimited     the caller's API key may not call so often
├── MessageTooLarge         a message is larger than messages may be
├── UnknownMethod           the server has no such method
└── DataLoss                stored data does not match its checksum
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self, TypeAlias

import grpc
from quintet.type.v1.error_pb2 import ErrorReason

MAX_SHOWN = 100
Reason: TypeAlias = ErrorReason.ValueType
"""A value of the contract's enum of reasons."""


def shown(value: object) -> str:
    """Return `value` as error messages show it: quoted, and cut after 100 characters."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"


@dataclass(frozen=True)
class FieldViolation:
    """A field at fault: its path in the request, such as `event.product_view.product_id`, and what is wrong."""

    field: str
    description: str


class QuintetError(Exception):
    """Base of all errors that a caller may see.

    Parameters
    ----------
    message : str
        For people. Says nothing of drivers, addresses or stack traces: those belong into the log.
    violations : tuple of FieldViolation
        The fields at fault.
    reason : ErrorReason, optional
        Why, for programs; default the class's own.
    metadata : mapping of str to str, optional
        More about the reason, by the keys that `ErrorReason` names for it. Nothing personal.
    """

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL
    usual_reason: ClassVar[Reason] = ErrorReason.INTERNAL_FAULT
    retry_after_seconds: float | None = None

    def __init__(
        self,
        message: str,
        violations: tuple[FieldViolation, ...] = (),
        reason: Reason | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.violations = violations
        self.reason = self.usual_reason if reason is None else reason
        self.metadata = dict(metadata or {})

    @property
    def reason_name(self) -> str:
        """Name of the reason, as the contract has it; the number of one that this release does not know."""
        known = self.reason in ErrorReason.values()
        return ErrorReason.Name(self.reason) if known else str(self.reason)

    @property
    def field(self) -> str:
        """Path of the first field at fault; empty when it is not a field's."""
        return self.violations[0].field if self.violations else ""

    def renamed(self, inner: str, outer: str) -> Self:
        """Return the error with the field as another request names it: `products[0].price` as `product.price`."""
        violations = tuple(
            FieldViolation(each.field.replace(inner, outer, 1), each.description) for each in self.violations
        )
        metadata = self.metadata
        if "field" in metadata:
            metadata = metadata | {"field": metadata["field"].replace(inner, outer, 1)}
        return type(self)(self.message.replace(inner, outer, 1), violations, self.reason, metadata)


class InvalidArgument(QuintetError):
    """A field of the request is wrong; names the field and the value."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    usual_reason = ErrorReason.FIELD_INVALID

    @classmethod
    def of(
        cls,
        field: str,
        value: object,
        problem: str,
        reason: Reason = ErrorReason.FIELD_INVALID,
        **metadata: object,
    ) -> "InvalidArgument":
        """Return the error for one field: `InvalidArgument.of("limit", -1, "must not be negative")`.

        `metadata` are the facts that belong to the reason, such as `limit=128`.
        """
        description = f"{problem}, got {shown(value)}"
        facts = {"field": field} | {name: str(fact) for name, fact in metadata.items()}
        return cls(f"{field}: {description}", (FieldViolation(field, description),), reason, facts)


class NotFound(QuintetError):
    """Something named in the request does not exist."""

    code = grpc.StatusCode.NOT_FOUND
    usual_reason = ErrorReason.RESOURCE_NOT_FOUND

    @classmethod
    def of(cls, kind: str, name: object, field: str = "") -> "NotFound":
        """Return the error for one thing: `NotFound.of("customer", "c-1", "event.customer_id")`."""
        message = f"there is no {kind} {shown(name)}"
        return cls(message, *_about(kind, message, field, _NOT_FOUND.get(kind, cls.usual_reason)))


class AlreadyExists(QuintetError):
    """Something to be made exists already."""

    code = grpc.StatusCode.ALREADY_EXISTS
    usual_reason = ErrorReason.RESOURCE_ALREADY_EXISTS

    @classmethod
    def of(cls, kind: str, name: object, field: str = "") -> "AlreadyExists":
        """Return the error for one thing: `AlreadyExists.of("customer", "c-1", "customer.customer_id")`."""
        message = f"there is already a {kind} {shown(name)}"
        return cls(message, *_about(kind, message, field, _ALREADY_EXISTS.get(kind, cls.usual_reason)))


class Conflict(QuintetError):
    """The same work is under way already; try again when it has ended."""

    code = grpc.StatusCode.ABORTED
    usual_reason = ErrorReason.JOB_RUNNING
    retry_after_seconds = 5.0


class Unauthenticated(QuintetError):
    """The call has no API key, or one that is not valid."""

    code = grpc.StatusCode.UNAUTHENTICATED
    usual_reason = ErrorReason.API_KEY_INVALID


class PermissionDenied(QuintetError):
    """The caller is known and may not do this."""

    code = grpc.StatusCode.PERMISSION_DENIED
    usual_reason = ErrorReason.ROLE_NOT_ALLOWED


class FailedPrecondition(QuintetError):
    """The system is not in the state that the request needs."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    usual_reason = ErrorReason.PRECONDITION_FAILED


class Unavailable(QuintetError):
    """An agent or the database cannot be reached at the moment; try again."""

    code = grpc.StatusCode.UNAVAILABLE
    usual_reason = ErrorReason.AGENT_UNAVAILABLE
    retry_after_seconds = 1.0


class Overloaded(Unavailable):
    """An agent has more to do than it can do in time; try again later, or do without."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    usual_reason = ErrorReason.OVERLOADED


class MessageTooLarge(QuintetError):
    """A message is larger than messages may be. Trying again does not help."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    usual_reason = ErrorReason.MESSAGE_TOO_LARGE

    @classmethod
    def of(cls, limit: int) -> "MessageTooLarge":
        """Return the error for messages of at most `limit` bytes."""
        return cls(f"a message must have at most {limit} bytes", metadata={"limit": str(limit)})


class UnknownMethod(QuintetError):
    """The server has no such method."""

    code = grpc.StatusCode.UNIMPLEMENTED
    usual_reason = ErrorReason.METHOD_NOT_FOUND


class RateLimited(Overloaded):
    """The caller calls more often than its key may; `retry_after_seconds` says when it may again."""

    usual_reason = ErrorReason.RATE_LIMITED

    @classmethod
    def after(cls, seconds: float, calls_per_second: float, method: str) -> "RateLimited":
        """Return the error for a method that a key may call so often; `seconds` is when it may again."""
        facts = {"method": method, "limit": f"{calls_per_second:g}"}
        error = cls(f"the API key may call this method {calls_per_second:g} times a second", metadata=facts)
        error.retry_after_seconds = seconds
        return error


class DataLoss(QuintetError):
    """Stored data does not match its checksum or cannot be read."""

    code = grpc.StatusCode.DATA_LOSS
    usual_reason = ErrorReason.DATA_CORRUPT


_NOT_FOUND: dict[str, Reason] = {
    "customer": ErrorReason.CUSTOMER_NOT_FOUND,
    "product": ErrorReason.PRODUCT_NOT_FOUND,
    "recommendation": ErrorReason.RECOMMENDATION_NOT_FOUND,
    "purchase": ErrorReason.PURCHASE_NOT_FOUND,
    "job": ErrorReason.JOB_NOT_FOUND,
    "model version": ErrorReason.MODEL_VERSION_NOT_FOUND,
    "recommender model version": ErrorReason.MODEL_VERSION_NOT_FOUND,
    "segments model version": ErrorReason.MODEL_VERSION_NOT_FOUND,
    "embedding_space model version": ErrorReason.MODEL_VERSION_NOT_FOUND,
}
_ALREADY_EXISTS: dict[str, Reason] = {
    "customer": ErrorReason.CUSTOMER_ALREADY_EXISTS,
    "purchase": ErrorReason.PURCHASE_ALREADY_EXISTS,
}


def _about(
    kind: str, message: str, field: str, reason: Reason
) -> tuple[tuple[FieldViolation, ...], Reason, dict[str, str]]:
    """Return violations, reason and metadata of an error about a resource that `field` names, where one does."""
    if not field:
        return (), reason, {"resource": kind}
    return (FieldViolation(field, message),), reason, {"resource": kind, "field": field}
