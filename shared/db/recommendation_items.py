"""The items of one logged list, packed: names and reasons once, numbers as little-endian arrays.

Layout: version, number of items, number of parts, length of the names; names and distinct reasons as JSON; then by
item the position, the algorithm, the reason and the number of parts (a byte each), the product's key (8 bytes) and the
score (float64); then by part the algorithm (a byte) and what it gave (float32, as algorithms compute it). Version 2
has then by item its propensity (float32); in version 1 all are 1.
"""

import json
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple, Self

CERTAIN, WITH_PROPENSITIES = 1, 2
_HEAD = struct.Struct("<BBHI")
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_reason_text = json.JSONEncoder(separators=(",", ":")).encode


class ListItem(NamedTuple):
    """A recommendation in its list, at `position` (1 to 127).

    `product_key` is that of the table, `algorithm` the one that gave most, `contributions` what each gave, in the order
    to keep; `reason` has JSON-able values. `propensity` is the probability that the product was at its place.
    """

    position: int
    product_key: int
    score: float
    algorithm: str
    contributions: Mapping[str, float] = _NOTHING
    reason: Mapping[str, Any] = _NOTHING
    propensity: float = 1.0


@dataclass(frozen=True, slots=True)
class PackedItems:
    """The items of one list as they are stored.

    `count` is their number, `algorithms` says as JSON text how many of them each algorithm gave most to.
    """

    count: int
    algorithms: str
    packed: bytes

    @classmethod
    def of(cls, items: Sequence[ListItem]) -> Self:
        """Return items as they are stored. Raises ValueError for more than 255 algorithms in the list."""
        return cls(len(items), json.dumps(Counter(item.algorithm for item in items)), pack(items))


def pack(items: Sequence[ListItem]) -> bytes:
    """Return the items of one list as bytes. Raises ValueError for more than 255 algorithms in it."""
    algorithms: dict[str, int] = {}
    reasons: dict[str, int] = {}
    leading, why, counts = bytearray(), bytearray(), bytearray()
    givers, given = bytearray(), []
    for item in items:
        leading.append(algorithms.setdefault(item.algorithm, len(algorithms)))
        why.append(reasons.setdefault(_reason_text(dict(item.reason)), len(reasons)))
        counts.append(len(item.contributions))
        for name, part in item.contributions.items():
            givers.append(algorithms.setdefault(name, len(algorithms)))
            given.append(part)
    names = f"[{json.dumps(list(algorithms))},[{','.join(reasons)}]]".encode()
    propensities = [item.propensity for item in items]
    certain = all(each == 1.0 for each in propensities)
    head = _HEAD.pack(CERTAIN if certain else WITH_PROPENSITIES, len(items), len(given), len(names))
    positions = bytes([item.position for item in items])
    numbers = struct.pack(
        _numbers(len(items), len(given)), *[item.product_key for item in items], *[item.score for item in items], *given
    )
    chances = b"" if certain else struct.pack(f"<{len(items)}f", *propensities)
    return b"".join((head, names, positions, leading, why, counts, givers, numbers, chances))


def unpack(packed: bytes) -> list[ListItem]:
    """Return the items of one list, in their order. Raises ValueError for another version of the layout."""
    version, count, parts, length = _HEAD.unpack_from(packed)
    if version not in (CERTAIN, WITH_PROPENSITIES):
        raise ValueError(f"the items of a list are packed as version {version}, not {CERTAIN} or {WITH_PROPENSITIES}")
    start = _HEAD.size + length
    algorithms, reasons = json.loads(packed[_HEAD.size : start])
    columns = [packed[start + place * count : start + (place + 1) * count] for place in range(4)]
    positions, leading, why, counts = columns
    start += 4 * count
    givers = packed[start : start + parts]
    numbers = struct.unpack_from(_numbers(count, parts), packed, start + parts)
    chances: Sequence[float] = (1.0,) * count
    if version == WITH_PROPENSITIES:
        chances = struct.unpack_from(f"<{count}f", packed, start + parts + struct.calcsize(_numbers(count, parts)))
    keys, scores, given = numbers[:count], numbers[count : 2 * count], numbers[2 * count :]
    rest = zip((algorithms[giver] for giver in givers), given, strict=True)
    return [
        ListItem(position, key, score, algorithms[lead], dict(islice(rest, share)), reasons[reason], chance)
        for position, key, score, lead, share, reason, chance in zip(
            positions, keys, scores, leading, counts, why, chances, strict=True
        )
    ]


def _numbers(items: int, parts: int) -> str:
    return f"<{items}q{items}d{parts}f"
