"""The artefact: one model as bytes. Arrays and JSON only, checksummed, versioned; nothing in it is ever executed.

Layout: MAGIC, the SHA-256 of the body (32 bytes), the body. The body is a NumPy archive (`.npz`) with the JSON
manifest as the array `manifest` (uint8) and each learned array as `<algorithm>/<array>`.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from services.recommendation.algorithms.arrays import AnyArray
from services.recommendation.algorithms.base import Algorithm
from services.recommendation.algorithms.registry import BY_NAME
from services.recommendation.model import Model
from shared.errors import DataLoss

MAGIC = b"QUINTET-MODEL\n"
FORMAT_VERSION = 1
CHECKSUM_BYTES = hashlib.sha256().digest_size
MANIFEST = "manifest"


class ArtifactError(DataLoss):
    """The bytes are no model of ours, are damaged, or were written by a newer Quintet."""

    reason = "MODEL_ARTIFACT"


def dump(model: Model) -> bytes:
    """Return `model` as bytes. The same model gives the same bytes."""
    manifest = {"format": FORMAT_VERSION, "algorithms": model.params, **model.metadata}
    arrays: dict[str, AnyArray] = {MANIFEST: np.frombuffer(json.dumps(manifest).encode(), dtype=np.uint8)}
    for name, algorithm in model.algorithms.items():
        arrays |= {f"{name}/{key}": array for key, array in algorithm.state().items()}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    body = buffer.getvalue()
    return MAGIC + hashlib.sha256(body).digest() + body


def checksum(artifact: bytes) -> str:
    """Return the SHA-256 of the whole artefact, hexadecimal: what a model version is registered with."""
    return hashlib.sha256(artifact).hexdigest()


def load(artifact: bytes) -> Model:
    """Return the model that `artifact` holds.

    Raises
    ------
    ArtifactError
        If the bytes are not an artefact, do not match their checksum, were written in a newer format, or name an
        algorithm that is not known here.
    """
    arrays = _arrays(_verified_body(artifact))
    manifest = _manifest(arrays)
    try:
        algorithms = {name: _algorithm(name, params, arrays) for name, params in manifest["algorithms"].items()}
        return Model(algorithms, manifest["n_products"], manifest["trained_at"], manifest["metrics"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"model artefact: the contents do not fit together: {error!r}") from error


def _verified_body(artifact: bytes) -> memoryview:
    start = len(MAGIC) + CHECKSUM_BYTES
    if len(artifact) < start or not artifact.startswith(MAGIC):
        raise ArtifactError("model artefact: not a model of Quintet, or cut off")
    body = memoryview(artifact)[start:]
    if hashlib.sha256(body).digest() != artifact[len(MAGIC) : start]:
        raise ArtifactError("model artefact: the checksum does not match, the bytes are damaged")
    return body


def _arrays(body: memoryview) -> dict[str, AnyArray]:
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"model artefact: not a NumPy archive: {error!r}") from error


def _manifest(arrays: Mapping[str, AnyArray]) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(arrays[MANIFEST].tobytes())
        version = int(manifest["format"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"model artefact: no readable manifest: {error!r}") from error
    if not 1 <= version <= FORMAT_VERSION:
        raise ArtifactError(f"model artefact: format {version} is not known, this Quintet reads up to {FORMAT_VERSION}")
    return manifest


def _algorithm(name: str, params: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> Algorithm:
    prefix = f"{name}/"
    state = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
    return BY_NAME[name].load(state, params)
