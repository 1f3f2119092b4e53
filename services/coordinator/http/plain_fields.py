"""The flat JSON objects of the plain calls: texts or numbers as ids, times as people write them, decimal amounts."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from google.protobuf.timestamp_pb2 import Timestamp
from quintet.type.v1.money_pb2 import Money

from services.coordinator.http.problem import Problem
from shared.errors import InvalidArgument
from shared.limits import MAX_AMOUNT_MINOR
from shared.money import decimals

MILLISECONDS_FROM = 10**11
"""Epochs from here on are milliseconds: as seconds they are beyond the year 5000."""
MOST_SECONDS = 253_402_300_799
"""The last second of the year 9999."""


def parse_object(text: bytes) -> "Fields":
    """Return the fields of a JSON object. Raises Problem."""
    try:
        value = json.loads(text or b"{}", parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise Problem.of_request("MESSAGE_MALFORMED", "the body is not JSON in UTF-8") from error
    if not isinstance(value, dict):
        raise Problem.of_request("MESSAGE_MALFORMED", "the body is not a JSON object")
    return Fields(value)


class Fields:
    """The fields of an object; each is taken once, and what nobody takes is a mistake of the caller.

    Every method raises InvalidArgument naming the field for a value of another kind.
    """

    def __init__(self, values: dict[str, Any], path: str = "") -> None:
        self._values = {name: value for name, value in values.items() if value is not None}
        self._path = path

    def path(self, name: str) -> str:
        """Return the path of a field in the request."""
        return f"{self._path}.{name}" if self._path else name

    def take(self, *names: str) -> tuple[str, Any]:
        """Return the first of the names that is there, with its value; (first name, None) without any."""
        name = next((each for each in names if each in self._values), names[0])
        return name, self._values.pop(name, None)

    def text(self, *names: str) -> str:
        """Return a text; empty without one."""
        name, value = self.take(*names)
        if value is None:
            return ""
        if not isinstance(value, str):
            self._refuse(name, value, "must be a text")
        return _clean(value, self.path(name))

    def id(self, *names: str) -> str:
        """Return an id: a text or a whole number; empty without one."""
        name, value = self.take(*names)
        if value is None:
            return ""
        return self._id(value, name)

    def ids(self, *names: str) -> list[str]:
        """Return a list of ids."""
        name, value = self.take(*names)
        values = value if isinstance(value, list) else [] if value is None else [value]
        return [self._id(each, f"{name}[{index}]") for index, each in enumerate(values)]

    def number(self, name: str) -> float | None:
        """Return a number, also one that is written as a text; None without one."""
        _, value = self.take(name)
        return float(self._decimal(value, name)) if value is not None else None

    def whole(self, name: str) -> int:
        """Return a whole number of 32 bits; 0 without one."""
        _, value = self.take(name)
        if value is None:
            return 0
        found = self._decimal(value, name)
        if not -(2**31) <= found < 2**31 or found != int(found):
            self._refuse(name, value, "must be a whole number of 32 bits")
        return int(found)

    def boolean(self, name: str) -> bool | None:
        """Return a boolean; None without one."""
        _, value = self.take(name)
        if value is not None and not isinstance(value, bool):
            self._refuse(name, value, "must be true or false")
        return value

    def time(self, *names: str) -> Timestamp | None:
        """Return a time: ISO 8601 (UTC without an offset), or seconds or milliseconds since 1970; None without one."""
        name, value = self.take(*names)
        if value is None:
            return None
        found = Timestamp()
        try:
            found.FromDatetime(self._moment(name, value))
        except (ValueError, OverflowError):  # the first or last day, beyond the calendar in UTC
            self._refuse(name, value, "must be a time between 1970 and 9999")
        return found

    def money(self, name: str, currency: str) -> Money | None:
        """Return an amount: a decimal in `currency`, or the contract's object; None without one."""
        _, value = self.take(name)
        if value is None:
            return None
        if isinstance(value, dict):
            return self._money_object(name, value)
        return Money(currency_code=currency, amount_minor=self._minor(name, value, currency))

    def entries(self, name: str) -> Iterator["Fields"]:
        """Yield the objects of a list; of each, all fields must be taken before the next."""
        _, value = self.take(name)
        if value is not None and not isinstance(value, list):
            self._refuse(name, value, "must be a list")
        for index, each in enumerate(value or ()):
            if not isinstance(each, dict):
                self._refuse(f"{name}[{index}]", each, "must be an object")
            entry = Fields(each, self.path(f"{name}[{index}]"))
            yield entry
            entry.end("an item")

    def texts_by_name(self, name: str) -> dict[str, str]:
        """Return an object of texts, numbers and booleans as texts."""
        _, value = self.take(name)
        if value is not None and not isinstance(value, dict):
            self._refuse(name, value, "must be an object")
        return {
            _clean(key, self.path(name)): self._as_text(f"{name}.{key[:100]}", each)
            for key, each in (value or {}).items()
        }

    def end(self, of: str) -> None:
        """Raise InvalidArgument for a field that nobody took; `of` says what has no such field."""
        for name in self._values:
            raise InvalidArgument.of(self.path(name[:100]), name, f"is not a field of {of}")

    def _id(self, value: Any, name: str) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            self._refuse(name, value, "must be a text or a whole number")
        return _clean(value, self.path(name))

    def _decimal(self, value: Any, name: str) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
            self._refuse(name, value, "must be a number")
        try:
            found = Decimal(value)
        except (InvalidOperation, ValueError):
            self._refuse(name, value, "must be a number")
        if not found.is_finite() or abs(found) > 10**18:
            self._refuse(name, value, "must be a number below 10^18")
        return found

    def _moment(self, name: str, value: Any) -> datetime:
        if isinstance(value, str) and not value.strip().replace(".", "", 1).isdigit():
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                self._refuse(name, value, "must be a time as in ISO 8601, or seconds or milliseconds since 1970")
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = self._decimal(value, name)
        if abs(seconds) >= MILLISECONDS_FROM:
            seconds /= 1000
        if not 0 <= seconds <= MOST_SECONDS:
            self._refuse(name, value, "must be a time between 1970 and 9999")
        return datetime.fromtimestamp(float(seconds), UTC)

    def _money_object(self, name: str, value: dict[str, Any]) -> Money:
        inner = Fields(value, self.path(name))
        currency, (_, amount) = inner.text("currency_code", "currency"), inner.take("amount_minor")
        minor = inner._decimal(amount if amount is not None else 0, "amount_minor")
        if minor != int(minor):
            inner._refuse("amount_minor", amount, "must be a whole number")
        inner.end("an amount")
        return Money(currency_code=currency, amount_minor=int(minor))

    def _minor(self, name: str, value: Any, currency: str) -> int:
        """Return a decimal amount in minor units."""
        if not currency:
            self._refuse("currency", "", "is required with a decimal amount")
        minor = self._decimal(value, name).scaleb(decimals(currency))
        if abs(minor) > MAX_AMOUNT_MINOR:
            self._refuse(name, value, f"must be at most {MAX_AMOUNT_MINOR} in minor units")
        if minor != int(minor):
            self._refuse(name, value, f"has more decimals than {currency}")
        return int(minor)

    def _as_text(self, name: str, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if not isinstance(value, str | int | Decimal):
            self._refuse(name, value, "must be a text, a number or a boolean")
        return _clean(str(value), self.path(name))

    def _refuse(self, name: str, value: Any, problem: str) -> NoReturn:
        raise InvalidArgument.of(self.path(name), value, problem)


def fields_of_query(parameters: Iterable[tuple[str, str]], lists: frozenset[str]) -> Fields:
    """Return the parameters of a query as fields; those named in `lists` may be repeated or separated by commas."""
    values: dict[str, Any] = {}
    for name, text in parameters:
        if name in lists:
            values.setdefault(name, []).extend(part for part in text.split(",") if part)
        elif name in values:
            raise InvalidArgument.of(name, text, "is given twice")
        else:
            values[name] = text
    return Fields(values)


def _clean(text: str, field: str) -> str:
    """Return a text that can be written as UTF-8. Raises InvalidArgument."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument.of(field, ascii(text), "is not Unicode text") from error
    return text


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
