"""Fields of messages and values of enums as Markdown tables, with the comments of the contract."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

TYPES_PAGE = "api-types.md"
Comments = dict[str, str]
"""The comment of everything in the contract by its full name."""
_SCALARS = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_UINT64: "uint64",
}


def fields(message: Descriptor, comments: Comments, title: str, page: str = "") -> Iterator[str]:
    """Yield the lines of a table of a message's fields; `page` is where types are described, empty for this page."""
    if not message.fields:
        yield f"{title}: no fields."
        return
    yield f"| {title} | type | |"
    yield "|---|---|---|"
    for field in message.fields:
        said = _cell(_choice(field) + comments.get(field.full_name, ""))
        yield f"| `{field.name}` | {type_of(field, page)} | {said} |"


def values(enum: EnumDescriptor, comments: Comments) -> Iterator[str]:
    """Yield the lines of a table of an enum's values."""
    yield "| value | number | |"
    yield "|---|---|---|"
    for value in enum.values:
        yield f"| `{value.name}` | {value.number} | {_cell(comments.get(f'{enum.full_name}.{value.name}', ''))} |"


def type_of(field: FieldDescriptor, page: str) -> str:
    """Return a field's type; messages and enums of the contract link to their description."""
    if is_map(field):
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        return f"map of {type_of(key, page)} to {type_of(value, page)}"
    kind = field.message_type or field.enum_type
    name = _SCALARS[field.type] if kind is None else _linked(kind, page)
    return f"list of {name}" if field.is_repeated else name


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field is a map."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def short_name(kind: Any) -> str:
    """Return the name of a message or enum, with that of the message which it is in."""
    return f"{kind.containing_type.name}.{kind.name}" if kind.containing_type else str(kind.name)


def anchor(kind: Any) -> str:
    """Return the anchor of the heading of a message or enum."""
    return short_name(kind).lower().replace(".", "")


def _linked(kind: Any, page: str) -> str:
    if not kind.full_name.startswith("quintet."):
        return str(kind.name)
    return f"[{short_name(kind)}]({page}#{anchor(kind)})"


def _choice(field: FieldDescriptor) -> str:
    """Return that a field is one of several, of which one is set."""
    choice = field.containing_oneof
    if choice is None or choice.name.startswith("_"):  # the name of what only says whether a field is set
        return ""
    others = ", ".join(f"`{each.name}`" for each in choice.fields if each is not field)
    return f"One of `{choice.name}`, in place of {others}. " if others else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
