"""Parameters of a query as fields of a request: `limit=5`, `context.page_type=PAGE_TYPE_CART`, repeated for lists."""

import re
from collections.abc import Iterable
from typing import Any

from services.coordinator.http import codec
from services.coordinator.http.problem import Problem

_FIELD_MASK = "google.protobuf.FieldMask"
_UNDERSCORE = re.compile(r"_([a-z0-9])")
_BOOLEANS = {"true": True, "1": True, "": True, "false": False, "0": False}
_AS_TEXT = frozenset(
    {
        "google.protobuf.Timestamp",
        "google.protobuf.Duration",
        _FIELD_MASK,
        "google.protobuf.StringValue",
    }
)
"""Messages whose JSON is a text."""


def add_query(parameters: Iterable[tuple[str, str]], message: Any) -> None:
    """Set the fields of `message` that parameters name. Raises Problem for an unknown or malformed one."""
    values: dict[str, Any] = {}
    for name, text in parameters:
        _add(values, message.DESCRIPTOR, name, text)
    codec.from_plain(values, message)


def set_text(message: Any, path: str, text: str) -> None:
    """Set the text field at a path of names. Raises Problem where the request says another text already."""
    *parents, last = path.split(".")
    for name in parents:
        message = getattr(message, name)
    given = getattr(message, last)
    if given and given != text:
        raise Problem.of_request("PATH_MISMATCH", f"{path}: the path says another value", path)
    try:
        setattr(message, last, text)
    except ValueError as error:  # not UTF-8
        raise Problem.of_request("PATH_MALFORMED", f"{path}: is not UTF-8", path) from error


def _add(values: dict[str, Any], owner: Any, name: str, text: str) -> None:
    """Add one parameter to the plain values of a message of the type `owner`."""
    *parents, last = name.split(".")
    for parent in parents:
        field = _field(owner, parent, name)
        if field.message_type is None or field.is_repeated:
            raise _unknown(name)
        values, owner = values.setdefault(field.name, {}), field.message_type
    field = _field(owner, last, name)
    value = _value(field, name, text)
    if field.is_repeated:
        values.setdefault(field.name, []).append(value)
    elif field.name in values:
        raise Problem.of_request("PARAMETER_REPEATED", f"{name}: is given twice", name)
    else:
        values[field.name] = value


def _field(owner: Any, name: str, parameter: str) -> Any:
    field = owner.fields_by_name.get(name) or owner.fields_by_camelcase_name.get(name)
    if field is None:
        raise _unknown(parameter)
    return field


def _value(field: Any, name: str, text: str) -> Any:
    if field.message_type is not None and field.message_type.full_name not in _AS_TEXT:
        raise _unknown(name)
    if field.message_type is not None and field.message_type.full_name == _FIELD_MASK:
        return _UNDERSCORE.sub(lambda match: match.group(1).upper(), text)  # as its JSON has it
    if field.type != field.TYPE_BOOL:
        return text
    if text.lower() not in _BOOLEANS:
        raise Problem.of_request("FIELD_MALFORMED", f"{name}: must be true or false", name)
    return _BOOLEANS[text.lower()]


def _unknown(name: str) -> Problem:
    return Problem.of_request("PARAMETER_UNKNOWN", f"there is no parameter {name[:100]!r}", name[:100])
