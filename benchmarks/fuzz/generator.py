"""Requests made from the descriptors of the contract: nearly valid ones, boundary values, injections, damaged bytes."""

import random
from collections.abc import Callable
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

DEEPEST = 6
MOST_ELEMENTS = 4
MANY_ELEMENTS = 1_200
"""More than any list of the contract may have."""
KNOWN_IDS = 8
"""Customers, visitors and products are called by the ids of this many things that exist."""

TEXTS = (
    "",
    " ",
    "\x00",
    "'",
    "' OR '1'='1",
    "'; DROP TABLE products; --",
    '" UNION SELECT secret FROM token_keys --',
    "%s%n%x{0}${jndi:ldap://127.0.0.1/a}{{7*7}}",
    "../../../../etc/passwd",
    "<script>alert(1)</script>",
    "$(id)`id`|id;&",
    "\r\nX-Injected: 1",
    "\u202e\u200b\ufeff",
    "e\u0301\U0001f600\U0010ffff",
    "NaN",
    "-1",
    "null",
    "a" * 200,
    "b" * 70_000,
    "USD",
    "2024-02-30T25:61:61Z",
)
INTEGERS = (0, 1, -1, 2, 10, 100, 101, 1_000, 1_001, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63), 2**64 - 1)
FLOATS = (0.0, -0.0, 1.0, 0.5, -1.0, 1e-320, 1e308, float("inf"), float("-inf"), float("nan"))
RANGES: dict[int, tuple[int, int]] = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
LARGEST_FLOAT32 = 3.4e38


class Generator:
    """Makes requests from a seed: the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret

    def count(self, most: int) -> int:
        """Return a number of requests for a stream, from none to `most`."""
        return self._random.randint(0, most)

    def request(self, descriptor: Descriptor) -> bytes:
        """Return the bytes of a request: a message of this type, or in one of four cases damaged bytes."""
        data = self.message(descriptor).SerializeToString()
        return self._random.choice(self._damages())(data) if self._random.random() < 0.25 else data

    def message(self, descriptor: Descriptor, depth: int = 0) -> Message:
        """Return a message with some of its fields."""
        message = message_factory.GetMessageClass(descriptor)()
        share = self._random.choice((0.3, 0.6, 0.95))
        for field in descriptor.fields:
            wanted = 1.0 if field.name in ("event", "customer_id", "product_id") else share
            if self._random.random() < wanted and depth < DEEPEST:
                self._fill(message, field, depth)
        return message

    def _fill(self, message: Any, field: FieldDescriptor, depth: int) -> None:
        if field.is_repeated:
            self._fill_list(message, field, depth)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(self.message(field.message_type, depth + 1))
        else:
            setattr(message, field.name, self._scalar(field))

    def _fill_list(self, message: Any, field: FieldDescriptor, depth: int) -> None:
        target = getattr(message, field.name)
        count = self._random.randint(0, MOST_ELEMENTS)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            key, value = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
            for _ in range(count):
                if value.message_type is None:
                    target[self._scalar(key)] = self._scalar(value)
                else:
                    target[self._scalar(key)].CopyFrom(self.message(value.message_type, depth + 1))
        elif field.message_type is not None:
            target.extend(self.message(field.message_type, depth + 1) for _ in range(count))
        else:
            count = MANY_ELEMENTS if self._random.random() < 0.01 else count
            target.extend(self._scalar(field) for _ in range(count))

    def _scalar(self, field: FieldDescriptor) -> Any:
        kind = field.cpp_type
        if kind == FieldDescriptor.CPPTYPE_STRING:
            return self._text(field)
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return self._random.random() < 0.5
        if kind == FieldDescriptor.CPPTYPE_ENUM:
            known = [value.number for value in field.enum_type.values] if field.enum_type else [0]
            return self._random.choice([*known, *known, -1, 99, 2**31 - 1])
        if kind in RANGES:
            least, most = RANGES[kind]
            return min(most, max(least, self._random.choice(INTEGERS)))
        number = self._random.choice((*FLOATS, self._random.uniform(-10, 10)))
        return max(-LARGEST_FLOAT32, min(LARGEST_FLOAT32, number)) if kind == FieldDescriptor.CPPTYPE_FLOAT else number

    def _text(self, field: FieldDescriptor) -> Any:
        name = self._random.choice((known_name(field.name, self._random.randrange(KNOWN_IDS)), *TEXTS))
        if self._random.random() < 0.6:
            name = known_name(field.name, self._random.randrange(KNOWN_IDS))
        return name.encode() if field.type == FieldDescriptor.TYPE_BYTES else name

    def _damages(self) -> tuple[Callable[[bytes], bytes], ...]:
        chance = self._random
        return (
            lambda _: chance.randbytes(chance.randint(0, 64)),
            lambda data: data[: chance.randint(0, len(data))],
            lambda data: _flipped(data, chance),
            lambda data: data + chance.randbytes(8),
            lambda data: data * 2,
            lambda _: b"\x0a" + b"\xff" * 9 + b"\x01",  # a length of 2^64
            lambda _: b"\x0b" * 500,  # groups in groups
            lambda data: b"\x0a\x02\xff\xfe" + data,  # no UTF-8
        )


def known_name(field: str, number: int) -> str:
    """Return the id of something that exists, by what the field is called."""
    kind = next((kind for kind in ("customer", "visitor", "product") if kind in field), "thing")
    return f"{kind}-{number}"


def _flipped(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(min(len(changed), 3)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)
