"""The container: named arrays and JSON facts in one file that is mapped into memory, not parsed.

Layout, all numbers little endian:

    0   magic, 16 bytes
    16  format version, uint32; 4 bytes of zero
    24  offset of the manifest, uint64
    32  SHA-256 of the manifest, 32 bytes
    64  the arrays, each beginning at a multiple of 64, zeros between them
        the manifest: JSON with `arrays` (name → dtype, shape, offset) and `facts`, to the end of the file

Arrays are read as views of the bytes, so opening costs the same for any size, and processes that map one file share
its pages. There are only numbers and JSON in it; nothing is ever executed. The manifest has its own checksum. Who
takes the bytes from elsewhere compares the checksum of the whole (`shared.db.models`, `ModelCache`).
"""

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from mmap import mmap
from types import MappingProxyType
from typing import IO, Any

import numpy as np

from services.recommendation.algorithms.arrays import AnyArray
from shared.errors import DataLoss

MAGIC = b"QUINTET-MODEL\r\n\0"
FORMAT_VERSION = 3
EARLIER_MAGIC = b"QUINTET-BUNDLE-1"
"""How artefacts of format 1 begin."""
ALIGNMENT = 64
HEADER = struct.Struct("<16sIIQ32s")
KINDS = frozenset("biuf")
"""Kinds of dtypes that may be stored: Boolean, integers, floats."""


class ArtifactError(DataLoss):
    """The bytes are no model of ours, are damaged, or were written by another version of Quintet."""


@dataclass(frozen=True, eq=False)
class Container:
    """What a file holds: read-only arrays by name, and facts with plain JSON values."""

    arrays: Mapping[str, AnyArray]
    facts: Mapping[str, Any]


class ContainerWriter:
    """Writes a container, array by array, so that no more than one array is in memory twice.

    Parameters
    ----------
    file : binary file
        Empty, open for writing, seekable. It is complete after `finish`.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._entries: dict[str, dict[str, Any]] = {}
        file.write(bytes(HEADER.size))

    def add(self, name: str, array: AnyArray) -> None:
        """Write an array. Raises ValueError for a name used before or an array of anything but numbers."""
        if name in self._entries or array.dtype.kind not in KINDS:
            raise ValueError(f"array: must be numbers under a new name, got {array.dtype} as {name!r}")
        stored = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        offset = self._file.tell()
        self._entries[name] = {"dtype": stored.dtype.str, "shape": list(array.shape), "offset": offset}
        self._file.write(stored.reshape(-1).view(np.uint8).data)
        self._file.write(bytes(-self._file.tell() % ALIGNMENT))

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Write the manifest and then the header, without which the file is no container."""
        offset = self._file.tell()
        manifest = json.dumps({"arrays": self._entries, "facts": dict(facts)}).encode()
        self._file.write(manifest)
        self._file.seek(0)
        self._file.write(HEADER.pack(MAGIC, FORMAT_VERSION, 0, offset, hashlib.sha256(manifest).digest()))
        self._file.seek(0, 2)


def open_container(content: bytes | memoryview | mmap, *, writable: bool = False) -> Container:
    """Return what `content` holds; the arrays are views of it, so it must not be changed.

    Where `content` is a private copy, the arrays may be `writable`.

    Raises
    ------
    ArtifactError
        If the content is no container, has another format version, or its header or manifest is damaged.
    """
    view = memoryview(content)
    view = view if writable else view.toreadonly()
    manifest = _manifest(view)
    try:
        arrays = {name: _array(view, **entry) for name, entry in manifest["arrays"].items()}
        facts = manifest["facts"]
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ArtifactError(f"model artefact: the manifest does not fit the content: {error!r}") from error
    return Container(MappingProxyType(arrays), facts)


def _manifest(view: memoryview) -> dict[str, Any]:
    if view[: len(EARLIER_MAGIC)] == EARLIER_MAGIC:
        raise ArtifactError("model artefact: written by an earlier Quintet in format 1: train again (`quintet train`)")
    if len(view) < HEADER.size or view[: len(MAGIC)] != MAGIC:
        raise ArtifactError("model artefact: not a model of Quintet, or cut off")
    _, version, _, offset, checksum = HEADER.unpack_from(view)
    if version != FORMAT_VERSION:
        raise ArtifactError(
            f"model artefact: format {version} is not known, this Quintet reads {FORMAT_VERSION}: train again"
        )
    text = view[offset:]
    if hashlib.sha256(text).digest() != checksum:
        raise ArtifactError("model artefact: the checksum of the manifest does not match, the file is damaged")
    try:
        manifest: dict[str, Any] = json.loads(text.tobytes())
    except ValueError as error:
        raise ArtifactError(f"model artefact: no readable manifest: {error!r}") from error
    return manifest


def _array(view: memoryview, dtype: str, shape: list[int], offset: int) -> AnyArray:
    numbers = np.dtype(dtype)
    if numbers.kind not in KINDS or min(shape, default=0) < 0:
        raise ValueError(f"dtype, shape: must be of numbers, got {dtype} and {shape}")
    count = math.prod(shape)
    if not count:
        return np.zeros(shape, numbers)
    return np.frombuffer(view, numbers, count, offset).reshape(shape)
