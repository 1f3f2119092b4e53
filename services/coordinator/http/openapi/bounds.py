"""Limits that a comment states, as bounds of a JSON schema: `at most 200 characters`, `1 to 1,000 events`, `0 to 1`."""

import re
from typing import Any

_NUMBER = r"(-?\d[\d,]*(?:\.\d+)?)"
_RANGE_OF_CHARACTERS = re.compile(rf"\b{_NUMBER} to {_NUMBER} characters")
_MOST_CHARACTERS = re.compile(rf"at most {_NUMBER} characters")
_RANGE = re.compile(rf"(?<![\w-]){_NUMBER} to {_NUMBER}\b(?! characters)")
_MOST = re.compile(rf"\bat most {_NUMBER}\b(?! (?:characters|hours))", re.IGNORECASE)


def text_bounds(comment: str) -> dict[str, Any]:
    """Return the bounds of a text."""
    found = _RANGE_OF_CHARACTERS.search(comment)
    if found:
        return {"minLength": _value(found.group(1)), "maxLength": _value(found.group(2))}
    most = _MOST_CHARACTERS.search(comment)
    return {"maxLength": _value(most.group(1))} if most else {}


def list_bounds(comment: str) -> dict[str, Any]:
    """Return the bounds of the number of entries of a list."""
    found = _RANGE.search(comment)
    if found:
        return {"minItems": _value(found.group(1)), "maxItems": _value(found.group(2))}
    most = _MOST.search(comment)
    return {"maxItems": _value(most.group(1))} if most else {}


def map_bounds(comment: str) -> dict[str, Any]:
    """Return the bounds of the number of entries of a map."""
    most = re.search(rf"at most {_NUMBER} entries", comment)
    return {"maxProperties": _value(most.group(1))} if most else {}


def number_bounds(comment: str) -> dict[str, Any]:
    """Return the bounds of a number of a request.

    One that is lowered when it is too large has none, and so has one that may also be left out by 0.
    """
    if "lowered" in comment or "above" in comment:
        return {"minimum": 0} if "negative is INVALID_ARGUMENT" in comment else {}
    found = _RANGE.search(comment)
    if found:
        return {"minimum": _value(found.group(1)), "maximum": _value(found.group(2))}
    return {"minimum": 0} if "not negative" in comment else {}


def _value(text: str) -> int | float:
    number = float(text.replace(",", ""))
    return int(number) if number.is_integer() else number
