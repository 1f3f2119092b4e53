"""Requests as hypothesis makes them from the descriptors of the contract; a request that fails is made smaller."""

from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

from benchmarks.fuzz.generator import KNOWN_IDS, LARGEST_FLOAT32, RANGES, TEXTS, known_name

DEEPEST = 4
MOST_ELEMENTS = 3
MOST_BYTES = 200


def requests(descriptor: Descriptor) -> st.SearchStrategy[bytes]:
    """Return the bytes of requests: messages of this type, and bytes that are none."""
    return st.one_of(
        messages(descriptor).map(lambda message: message.SerializeToString()), st.binary(max_size=MOST_BYTES)
    )


def messages(descriptor: Descriptor, depth: int = 0) -> st.SearchStrategy[Message]:
    """Return messages with some of their fields; those within others end at a depth."""
    fields = {field.name: _values(field, depth) for field in descriptor.fields if not _is_too_deep(field, depth)}
    return st.fixed_dictionaries({}, optional=fields).map(lambda values: _message(descriptor, values))


def _is_too_deep(field: FieldDescriptor, depth: int) -> bool:
    return field.message_type is not None and depth >= DEEPEST


def _message(descriptor: Descriptor, values: dict[str, Any]) -> Message:
    return message_factory.GetMessageClass(descriptor)(**values)


def _values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        names = field.message_type.fields_by_name
        key, value = _one(names["key"], depth), _one(names["value"], depth)
        return st.dictionaries(key, value, max_size=MOST_ELEMENTS)
    if field.is_repeated:
        return st.lists(_one(field, depth), max_size=MOST_ELEMENTS)
    return _one(field, depth)


def _one(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    """Return single values of a field: of a list or map, its elements."""
    if field.message_type is not None:
        inner = field.message_type
        return st.deferred(lambda: messages(inner, depth + 1))
    if field.enum_type is not None:
        return st.sampled_from([*(value.number for value in field.enum_type.values), -1, 99])
    return _scalar(field)


def _scalar(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return _texts(field)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if kind in RANGES:
        return st.integers(*RANGES[kind])
    if kind == FieldDescriptor.CPPTYPE_FLOAT:
        return st.floats(-LARGEST_FLOAT32, LARGEST_FLOAT32, width=32)
    return st.floats()


def _texts(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    known = st.sampled_from([known_name(field.name, number) for number in range(KNOWN_IDS)])
    texts = st.one_of(known, st.sampled_from(TEXTS), st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
    return texts.map(str.encode) if field.type == FieldDescriptor.TYPE_BYTES else texts
