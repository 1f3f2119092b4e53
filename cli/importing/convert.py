"""What the conversions of all kinds share: options, one value of one field, what comes out."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Literal, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from cli.importing.batch import RowBatch
from shared import values
from shared.errors import InvalidArgument

T = TypeVar("T")
MICROS_A_SECOND = 1_000_000
SECONDS_A_WEEK = 7 * 24 * 3600


@dataclass(frozen=True)
class Options:
    """How values are understood where the file does not say.

    Attributes
    ----------
    currency : str
        Currency of amounts without one.
    zone : tzinfo
        Time zone of times without one.
    event_types : mapping
        Further names of event types; under "" the type of rows without one.
    guests : {"reject", "visitor"}
        What becomes of events without customer_id and visitor_id: refused, or one visitor per order.
    negative_quantity : {"reject", "refund"}
        What becomes of purchase rows with a negative quantity: refused, or refunds of the customer's latest earlier
        orders of the product.
    shift_weeks : int
        Weeks added to all times.
    """

    currency: str = "USD"
    zone: tzinfo = UTC
    event_types: Mapping[str, str] = field(default_factory=dict)
    guests: Literal["reject", "visitor"] = "reject"
    negative_quantity: Literal["reject", "refund"] = "reject"
    shift_weeks: int = 0

    @property
    def shift_seconds(self) -> int:
        """Seconds added to all times."""
        return self.shift_weeks * SECONDS_A_WEEK


@dataclass(frozen=True)
class Reject:
    """A row that is not imported: where it stands, why, and what it says."""

    line: int
    reason: str
    row: dict[str, Any]


def rejected(batch: RowBatch, index: int, reason: str) -> Reject:
    """Return the row at `index` of `batch` as rejected."""
    return Reject(batch.lines[index], reason, batch.row(index))


def value_of(name: str, convert: Callable[..., T], value: Any, *more: Any) -> T:
    """Return `convert(value, *more)`. Raises InvalidArgument naming the field and the value."""
    try:
        return convert(value, *more)
    except values.BadValue as error:
        raise InvalidArgument.of(name, value, str(error)) from None
    except TypeError:
        if not isinstance(value, list | dict):  # these cannot be looked up in the caches of the conversions
            raise
        raise InvalidArgument.of(name, value, "must be a single value") from None


def set_time(timestamp: Timestamp, micros: int) -> None:
    """Set a protobuf time from microseconds since 1970."""
    seconds, rest = divmod(micros, MICROS_A_SECOND)
    timestamp.seconds = seconds
    timestamp.nanos = rest * 1000


def attributes_of(columns: Mapping[str, Any], prefix: str, index: int) -> dict[str, str]:
    """Return the values of the columns named `prefix` plus a name, as texts by that name."""
    found = {}
    for name, column in columns.items():
        if name.startswith(prefix) and column[index] is not None:
            found[name.removeprefix(prefix)] = _attribute(column[index])
    return found


def _attribute(value: Any) -> str:
    return json.dumps(value, default=str) if isinstance(value, list | dict) else values.text(value)
