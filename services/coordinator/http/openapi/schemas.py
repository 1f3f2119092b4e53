"""Messages and enums of the contract as JSON schemas, by protobuf's canonical mapping."""

from collections.abc import Iterable
from typing import Any

from services.coordinator.http.openapi.behavior import is_output_only, is_required
from services.coordinator.http.openapi.bounds import list_bounds, map_bounds, number_bounds, text_bounds

Schema = dict[str, Any]

WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?\d+(\.\d{1,9})?s$"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.StringValue": {"type": "string"},
    "google.protobuf.BoolValue": {"type": "boolean"},
    "google.protobuf.DoubleValue": {"type": "number"},
    "google.protobuf.Int64Value": {"type": "string"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
    "google.protobuf.Any": {"type": "object"},
}
"""Messages of protobuf whose JSON is of their own kind."""


class Schemas:
    """Makes schemas of messages and keeps those that are referred to, by their full names.

    Parameters
    ----------
    comments : dict of str to str
        Comment of each message, field and enum value by full name.
    """

    def __init__(self, comments: dict[str, str]) -> None:
        self._comments = comments
        self.components: dict[str, Schema] = {}

    def comment(self, name: str) -> str:
        """Return the comment of something by its full name; empty without one."""
        return self._comments.get(name, "")

    def reference(self, message: Any) -> Schema:
        """Return a schema that refers to a message, which becomes a component."""
        if message.full_name in WELL_KNOWN:
            return dict(WELL_KNOWN[message.full_name])
        if message.full_name not in self.components:
            self.components[message.full_name] = {}  # a message may contain itself
            self.components[message.full_name] = self.of_message(message)
        return _reference(message.full_name)

    def of_message(self, message: Any, without: Iterable[str] = ()) -> Schema:
        """Return the schema of a message, `without` some of its fields."""
        left_out = set(without)
        fields = [field for field in message.fields if field.name not in left_out]
        schema: Schema = {
            "type": "object",
            "description": self.comment(message.full_name),
            "properties": {field.name: nullable(self.of_field(field)) for field in fields},
            "additionalProperties": False,
        }
        required = [field.name for field in fields if is_required(field)]
        if required:
            schema["required"] = required
        choices = [self._choice(each) for each in message.oneofs if self._is_required_choice(each)]
        if choices:
            schema["allOf"] = choices
        return schema

    def of_field(self, field: Any) -> Schema:
        """Return the schema of a field with its comment and the bounds that the comment states."""
        comment = self.comment(field.full_name)
        if _is_map(field):
            value = self._of_value(field.message_type.fields_by_name["value"], "")
            return {"type": "object", "additionalProperties": value, "description": comment} | map_bounds(comment)
        if field.is_repeated:
            items = self._of_value(field, "")
            return {"type": "array", "items": items, "description": comment} | list_bounds(comment)
        schema = self._of_value(field, comment) | ({"readOnly": True} if is_output_only(field) else {})
        return schema | {"description": comment} if comment else schema

    def _of_value(self, field: Any, comment: str) -> Schema:
        if field.message_type is not None:
            return self.reference(field.message_type)
        if field.enum_type is not None:
            return self._of_enum(field.enum_type)
        return _scalar(field, comment)

    def _of_enum(self, enum: Any) -> Schema:
        if enum.full_name not in self.components:
            lines = [f"- `{each.name}`: {self.comment(f'{enum.full_name}.{each.name}')}" for each in enum.values]
            self.components[enum.full_name] = {
                "type": "string",
                "enum": [each.name for each in enum.values],
                "description": "\n".join([self.comment(enum.full_name), "", *lines]),
            }
        return _reference(enum.full_name)

    def _is_required_choice(self, oneof: Any) -> bool:
        return self.comment(oneof.full_name).startswith("Required.")

    def _choice(self, oneof: Any) -> Schema:
        """Return that one of the fields is there. Only words say that it is one: tools choke on a long `oneOf`."""
        names = [field.name for field in oneof.fields]
        description = f"{self.comment(oneof.full_name)} Exactly one of {', '.join(names)}."
        return {"description": description, "anyOf": [{"required": [name]} for name in names]}


def _scalar(field: Any, comment: str) -> Schema:
    kind = field.cpp_type
    if kind == field.CPPTYPE_BOOL:
        return {"type": "boolean"}
    if kind in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT):
        return {"type": "number", "format": "double"} | number_bounds(comment)
    if kind in (field.CPPTYPE_INT32, field.CPPTYPE_UINT32):
        least = -(2**31) if kind == field.CPPTYPE_INT32 else 0
        return {"type": "integer", "format": "int32", "minimum": least, "maximum": 2**31 - 1} | number_bounds(comment)
    if kind in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64):
        return {"type": "string", "format": "int64", "pattern": r"^-?[0-9]{1,18}$"}
    if field.type == field.TYPE_BYTES:
        return {"type": "string", "format": "byte"}
    return {"type": "string"} | text_bounds(comment)


_OUTSIDE = ("description", "readOnly")
"""What is said of a property, not of its value."""


def nullable(schema: Schema) -> Schema:
    """Return a schema that takes null as well, which in a request is the same as leaving the field out."""
    if isinstance(schema.get("type"), str):
        return schema | {"type": [schema["type"], "null"]}
    inner = {name: value for name, value in schema.items() if name not in _OUTSIDE}
    outer = {name: value for name, value in schema.items() if name in _OUTSIDE}
    return outer | {"anyOf": [*inner.get("anyOf", [inner]), {"type": "null"}]}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _is_map(field: Any) -> bool:
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)
