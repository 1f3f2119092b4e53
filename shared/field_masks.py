"""Field masks of updates: a field that a mask names is set, or cleared where the message has none; others stay.

Without a mask the populated fields are set. A mask names fields by their path (`demographics.region`), entries of a map
by their key (`demographics.attributes.size`; a key with other characters than letters, digits and `_` is quoted with
backticks, two of them stand for one), a whole message or map by its name alone, and everything by `*`.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from shared.errors import InvalidArgument
from shared.events.check import check_count, check_text
from shared.limits import MAX_MASK_PATH, MAX_MASK_PATHS

EVERYTHING = "*"
FIXED_CUSTOMER_FIELDS = ("customer_id", "last_active_time", "consent.update_time")
"""What no update of a customer may name."""
VALUES = frozenset({"google.protobuf.Timestamp", "google.protobuf.Duration", "quintet.type.v1.Money"})
"""Messages that are one value: they are set or cleared as a whole."""
_PART = re.compile(r"([A-Za-z0-9_]+)|`((?:[^`]|``)*)`")

M = TypeVar("M", bound=Message)
# Descriptors are of one of two classes, by the implementation of protobuf; their stubs are not compatible: hence Any.
Path: TypeAlias = tuple[str, ...]
"""Names of fields from the outside in; the last may be the key of a map."""


@dataclass(frozen=True)
class Change(Generic[M]):
    """An update: what is in `cleared` is cleared first, then what is populated in `given` is set.

    `cleared` has paths of values, lists, maps and entries of maps, never of messages that have fields of their own.
    """

    given: M
    cleared: frozenset[Path] = frozenset()


def change_of(message: M, mask: FieldMask, fixed: Collection[str] = (), field: str = "update_mask") -> Change[M]:
    """Return the update that a message and its mask describe; `message` is not changed.

    Parameters
    ----------
    message : Message
        The new values.
    mask : FieldMask
        What is updated; without paths, the populated fields of `message`.
    fixed : collection of str
        Paths of fields that no update may name: the id, and what is output only. `*` leaves them out.
    field : str
        Path of the mask in the request, for errors.

    Raises
    ------
    InvalidArgument
        For a path that names no field, goes into a value, or names one of `fixed`; for too many or too long paths.
    """
    if not mask.paths:
        return Change(message)
    paths = paths_of(message.DESCRIPTOR, mask, fixed, field)
    given = type(message)()
    for path in paths:
        _copy(message, given, path)
    return Change(given, paths)


def changed(now: M, change: Change[M]) -> M:
    """Return a message with an update applied; neither is changed.

    A message that an update leaves empty is cleared with its last field.
    """
    merged = type(now)()
    merged.CopyFrom(now)
    for path in change.cleared:
        _clear(merged, path)
    merged.MergeFrom(change.given)
    return merged


def paths_of(descriptor: Any, mask: FieldMask, fixed: Collection[str], field: str = "update_mask") -> frozenset[Path]:
    """Return the paths of all that a mask sets or clears in messages of a type; see `change_of`."""
    check_count(mask.paths, f"{field}.paths", MAX_MASK_PATHS)
    never = {tuple(each.split(".")) for each in fixed}
    found: set[Path] = set()
    for index, text in enumerate(mask.paths):
        where = f"{field}.paths[{index}]"
        path = () if text == EVERYTHING else _parsed(text, where)
        leaves = set(_leaves(descriptor, path, text, where))
        if path in never:
            raise InvalidArgument.of(where, text, "names a field that cannot be updated")
        found |= leaves - never
    return frozenset(found)


def _parsed(text: str, where: str) -> Path:
    """Return the names that a path consists of. Raises InvalidArgument for another text than a path."""
    check_text(text, where, MAX_MASK_PATH)
    parts: list[str] = []
    at = 0
    while match := _PART.match(text, at):
        parts.append(match[1] or (match[2] or "").replace("``", "`"))
        at = match.end()
        if at == len(text):
            return tuple(parts)
        if text[at] != ".":
            break
        at += 1
    raise InvalidArgument.of(where, text, "is not the path of a field")


def _leaves(descriptor: Any, path: Path, text: str, where: str) -> Iterator[Path]:
    """Yield the paths of all that can be set or cleared at `path` and below."""
    if not path:
        yield from ((name, *rest) for name, each in descriptor.fields_by_name.items() for rest in _below(each))
        return
    found = descriptor.fields_by_name.get(path[0])
    if found is None:
        raise InvalidArgument.of(where, text, f"names no field: {descriptor.name} has no {path[0]!r}")
    if _is_map(found) and len(path) == 2:
        yield path
    elif _has_fields(found):
        yield from ((path[0], *rest) for rest in _leaves(found.message_type, path[1:], text, where))
    elif len(path) == 1:
        yield path
    else:
        raise InvalidArgument.of(where, text, f"goes into a value: {path[0]!r} has no fields")


def _below(field: Any) -> Iterator[Path]:
    yield from _leaves(field.message_type, (), "", "") if _has_fields(field) else [()]


def _copy(source: Message, target: Message, path: Path) -> None:
    """Set in `target` what `source` has at a path, if it has anything there."""
    name, rest = path[0], path[1:]
    field = source.DESCRIPTOR.fields_by_name[name]
    value = getattr(source, name)
    if _is_map(field):
        _copy_entries(value, getattr(target, name), rest)
    elif field.is_repeated:
        getattr(target, name).MergeFrom(value)
    elif rest:
        if source.HasField(name):
            _copy(value, getattr(target, name), rest)
    elif not field.has_presence or source.HasField(name):
        _set(target, field, value)


def _set(target: Message, field: Any, value: Any) -> None:
    if field.message_type is None:
        setattr(target, field.name, value)
    else:
        getattr(target, field.name).CopyFrom(value)


def _clear(message: Message, path: Path) -> None:
    name, rest = path[0], path[1:]
    if not rest:
        message.ClearField(name)
    elif _is_map(message.DESCRIPTOR.fields_by_name[name]):
        getattr(message, name).pop(rest[0], None)
    elif message.HasField(name):
        inner = getattr(message, name)
        _clear(inner, rest)
        if not inner.ByteSize():
            message.ClearField(name)


def _copy_entries(source: Any, target: Any, keys: Path) -> None:
    for key in keys or source:
        if key in source:
            if isinstance(source[key], Message):
                target[key].CopyFrom(source[key])
            else:
                target[key] = source[key]


def _is_map(field: Any) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _has_fields(field: Any) -> bool:
    """Say whether a field is one message whose fields are updated by themselves; an empty message is a value."""
    kind = field.message_type
    return kind is not None and not field.is_repeated and bool(kind.fields) and kind.full_name not in VALUES
