"""Arrays and metadata as bytes: how a model's state is stored. Nothing in it is ever executed.

Layout: MAGIC, the SHA-256 of the body (32 bytes), the body. The body is a NumPy archive (`.npz`) of the arrays, with
format version and metadata as JSON text in the array `metadata` (uint8).
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import DataLoss

MAGIC = b"QUINTET-ARRAYS\n"
FORMAT = 1
METADATA = "metadata"
CHECKSUM_BYTES = hashlib.sha256().digest_size

Arrays = dict[str, NDArray[Any]]


class ArraysDamaged(DataLoss):
    """The bytes were not written by `pack`, are damaged, or were written by a newer Quintet."""


def pack(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> bytes:
    """Return arrays and JSON-able metadata as bytes; the same input gives the same bytes.

    Raises
    ------
    ValueError
        If an array holds Python objects, or is named `metadata`.
    """
    if METADATA in arrays:
        raise ValueError(f"arrays: the name {METADATA!r} is taken")
    manifest = json.dumps({"format": FORMAT, "metadata": dict(metadata)}).encode()
    buffer = io.BytesIO()
    named: dict[str, Any] = {**arrays, METADATA: np.frombuffer(manifest, dtype=np.uint8)}
    np.savez(buffer, allow_pickle=False, **named)
    body = buffer.getvalue()
    return MAGIC + hashlib.sha256(body).digest() + body


def unpack(packed: bytes) -> tuple[Arrays, dict[str, Any]]:
    """Return the arrays and the metadata that `pack` was given.

    Raises
    ------
    ArraysDamaged
        If the bytes do not match their checksum or are of another kind or format.
    """
    body = _verified_body(packed)
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        manifest = json.loads(arrays.pop(METADATA).tobytes())
        version, metadata = manifest["format"], manifest["metadata"]
    except (KeyError, TypeError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ArraysDamaged(f"packed arrays: cannot be read: {error!r}") from error
    if version != FORMAT:
        raise ArraysDamaged(f"packed arrays: format {version!r} is not known, this Quintet reads {FORMAT}")
    return arrays, metadata


def _verified_body(packed: bytes) -> bytes:
    start = len(MAGIC) + CHECKSUM_BYTES
    if len(packed) < start or not packed.startswith(MAGIC):
        raise ArraysDamaged("packed arrays: not packed by Quintet, or cut off")
    body = packed[start:]
    if hashlib.sha256(body).digest() != packed[len(MAGIC) : start]:
        raise ArraysDamaged("packed arrays: the checksum does not match, the bytes are damaged")
    return body
