"""From what files hold to what the contract wants. Each function raises BadValue with what is wrong."""

import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from shared.db.types import to_micros
from shared.money import decimals, rounded

MILLION = 1_000_000
LARGEST_MINOR = 2**63 - 1
# Numbers of Unix seconds stay below this until the year 5138; larger ones are milliseconds, then microseconds.
LARGEST_SECONDS = 100_000_000_000
LARGEST_MILLIS = LARGEST_SECONDS * 1000
LARGEST_MICROS = 253_402_300_800 * MILLION
COMPACT_DATE = len("20260131")

_FLAGS = dict.fromkeys(("true", "yes", "1"), True) | dict.fromkeys(("false", "no", "0"), False)

TimeParser = Callable[[Any], int | None]
"""From a value to microseconds since 1970 (UTC); None for none."""


class BadValue(ValueError):
    """A value that cannot be used; the message says why."""


def text(value: Any) -> str:
    """Return a value as text without blanks around it; "" for none. A whole number such as 17850.0 is `17850`."""
    if isinstance(value, str):
        return value.strip()
    if value is None or _is_nan(value):
        return ""
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return str(int(value))
    if isinstance(value, list | dict | bytes):
        raise BadValue("must be a single value")
    return str(value)


def number(value: Any) -> float | None:
    """Return a value as a number; None for none."""
    if type(value) is int or (type(value) is float and value == value):
        return float(value)
    found = text(value)
    if not found:
        return None
    try:
        return float(found)
    except ValueError:
        raise BadValue("is not a number") from None


def whole(value: Any) -> int | None:
    """Return a value as a whole number; None for none."""
    found = number(value)
    if found is None:
        return None
    if not found.is_integer():
        raise BadValue("is not a whole number")
    return int(found)


def flag(value: Any) -> bool | None:
    """Return a value as yes or no; None for none. It takes true and false, yes and no, 1 and 0, in any case."""
    found = text(value).lower()
    if not found:
        return None
    if found not in _FLAGS:
        raise BadValue("is not true or false")
    return _FLAGS[found]


@lru_cache(maxsize=65_536, typed=True)
def decimal(value: Any) -> Decimal | None:
    """Return a value as an exact decimal number; None for none. A binary float counts as its shortest notation."""
    found = repr(value) if isinstance(value, float) and not _is_nan(value) else text(value)
    if not found:
        return None
    try:
        exact = Decimal(found)
    except InvalidOperation:
        raise BadValue("is not a decimal number such as 19.99") from None
    if not exact.is_finite():
        raise BadValue("is not a decimal number such as 19.99")
    return exact


@lru_cache(maxsize=65_536, typed=True)
def minor_units(value: Any, currency: str) -> int | None:
    """Return an amount in the currency's smallest unit, exactly; None for none.

    Binary floats hold few amounts exactly, so they are rounded; other values with more decimals than the currency has
    are refused.
    """
    exact = decimal(value)
    if exact is None:
        return None
    units = exact.scaleb(decimals(currency))
    found = _rounded(units)
    if found != units and not isinstance(value, float):
        raise BadValue(f"has more than the {decimals(currency)} decimals of {currency}")
    return found


def line_amount(price: Any, quantity: Any, currency: str) -> int | None:
    """Return price × quantity in the currency's smallest unit, rounded half up; None without a price."""
    each = decimal(price)
    if each is None:
        return None
    units = decimal(quantity)
    return _rounded((each * (Decimal(1) if units is None else units)).scaleb(decimals(currency)))


def time_parser(zone: tzinfo) -> TimeParser:
    """Return a function from a value to microseconds since 1970 (UTC); None for none.

    It takes ISO 8601 texts, dates, and Unix times in seconds, milliseconds or microseconds, told apart by their size.
    A text of eight digits is a date, such as 20260131. A time without a zone is in `zone`.
    """

    @lru_cache(maxsize=4_096, typed=True)
    def micros(value: Any) -> int | None:
        if isinstance(value, datetime):
            return _in_zone(value)
        if isinstance(value, date):
            return _in_zone(datetime(value.year, value.month, value.day))  # noqa: DTZ001 - the zone comes next
        found = text(value)
        if not found:
            return None
        unix = _unix(value if isinstance(value, int | float | Decimal) else found)
        return _in_zone(_iso(found)) if unix is None else unix

    def _in_zone(moment: datetime) -> int:
        return to_micros(moment if moment.tzinfo is not None else moment.replace(tzinfo=zone).astimezone(UTC))

    return micros


def texts(value: Any) -> list[str]:
    """Return a list of texts: a list as it is, JSON such as `["a","b"]`, or texts between bars as in `a|b`."""
    if isinstance(value, list):
        return [each for each in map(text, value) if each]
    found = text(value)
    if found.startswith("["):
        return texts(_json_list(found))
    return [each for each in map(str.strip, found.split("|")) if each]


def objects(value: Any) -> list[dict[str, Any]]:
    """Return a list of objects, also from JSON text; `[]` for none."""
    found = value if isinstance(value, list) else _json_list(text(value) or "[]")
    if not all(isinstance(each, dict) for each in found):
        raise BadValue("is not a list of objects")
    return found


def _json_list(value: str) -> list[Any]:
    try:
        found = json.loads(value, parse_float=Decimal)
    except ValueError:
        raise BadValue("is not a JSON list") from None
    if not isinstance(found, list):
        raise BadValue("is not a JSON list")
    return found


def _rounded(units: Decimal) -> int:
    if abs(units) > LARGEST_MINOR:
        raise BadValue("is too large an amount")
    return rounded(units)


def _unix(value: Any) -> int | None:
    """Return Unix time of any unit in microseconds; None for what is not a plain number."""
    if isinstance(value, str) and len(value) == COMPACT_DATE:
        return None
    try:
        found = Decimal(value)
    except InvalidOperation:
        return None
    size = abs(found)
    unit = MILLION if size < LARGEST_SECONDS else 1_000 if size < LARGEST_MILLIS else 1
    if not found.is_finite() or size * unit >= LARGEST_MICROS:
        raise BadValue("is not a time before the year 10000")
    return int(found * unit)


def _iso(value: str) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise BadValue("is not a time such as 2026-01-31T12:00:00Z or a Unix time") from None


def _is_nan(value: Any) -> bool:
    return isinstance(value, float | Decimal) and math.isnan(value)
