"""The errors of Quintet. Each knows its gRPC status, the machine-readable reason and, where one is at fault, the field.

QuintetError
├── InvalidArgument         a field of the request is wrong
├── NotFound                something named does not exist
├── AlreadyExists           something to be made exists
├── Conflict                the same work is under way already
├── Unauthenticated         the call has no valid key
├── PermissionDenied        the caller may not do this
├── FailedPrecondition      the system is not in the state the request needs
├── Unavailable             an agent or the database cannot be reached now; try again
└── DataLoss                stored data does not match its checksum
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import grpc

MAX_SHOWN = 100


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
    """Base of all errors that a caller may see."""

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL
    reason: ClassVar[str] = "INTERNAL"
    retry_after_seconds: float | None = None

    def __init__(self, message: str, violations: tuple[FieldViolation, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.violations = violations

    def renamed(self, inner: str, outer: str) -> Self:
        """Return the error with the field as another request names it: `products[0].price` as `product.price`."""
        violations = tuple(
            FieldViolation(each.field.replace(inner, outer, 1), each.description) for each in self.violations
        )
        return type(self)(self.message.replace(inner, outer, 1), violations)


class InvalidArgument(QuintetError):
    """A field of the request is wrong; names the field and the value."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = "INVALID_ARGUMENT"

    @classmethod
    def of(cls, field: str, value: object, problem: str) -> "InvalidArgument":
        """Return the error for one field: `InvalidArgument.of("limit", -1, "must not be negative")`."""
        description = f"{problem}, got {shown(value)}"
        return cls(f"{field}: {description}", (FieldViolation(field, description),))


class NotFound(QuintetError):
    """Something named in the request does not exist."""

    code = grpc.StatusCode.NOT_FOUND
    reason = "NOT_FOUND"

    @classmethod
    def of(cls, kind: str, name: object, field: str = "") -> "NotFound":
        """Return the error for one thing: `NotFound.of("customer", "c-1", "event.customer_id")`."""
        message = f"there is no {kind} {shown(name)}"
        return cls(message, (FieldViolation(field, message),) if field else ())


class AlreadyExists(QuintetError):
    """Something to be made exists already."""

    code = grpc.StatusCode.ALREADY_EXISTS
    reason = "ALREADY_EXISTS"

    @classmethod
    def of(cls, kind: str, name: object, field: str = "") -> "AlreadyExists":
        """Return the error for one thing: `AlreadyExists.of("customer", "c-1", "customer.customer_id")`."""
        message = f"there is already a {kind} {shown(name)}"
        return cls(message, (FieldViolation(field, message),) if field else ())


class Conflict(QuintetError):
    """The same work is under way already; try again when it has ended."""

    code = grpc.StatusCode.ABORTED
    reason = "CONFLICT"
    retry_after_seconds = 5.0


class Unauthenticated(QuintetError):
    """The call has no API key, or one that is not valid."""

    code = grpc.StatusCode.UNAUTHENTICATED
    reason = "API_KEY_INVALID"


class PermissionDenied(QuintetError):
    """The caller is known and may not do this."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = "PERMISSION_DENIED"


class FailedPrecondition(QuintetError):
    """The system is not in the state that the request needs."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = "FAILED_PRECONDITION"


class Unavailable(QuintetError):
    """An agent or the database cannot be reached at the moment; try again."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = "UNAVAILABLE"
    retry_after_seconds = 1.0


class Overloaded(Unavailable):
    """An agent has more to do than it can do in time; try again later, or do without."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "OVERLOADED"


class RateLimited(Overloaded):
    """The caller calls more often than its key may; `retry_after_seconds` says when it may again."""

    reason = "RATE_LIMITED"

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class DataLoss(QuintetError):
    """Stored data does not match its checksum or cannot be read."""

    code = grpc.StatusCode.DATA_LOSS
    reason = "DATA_LOSS"
