"""The artefact: one model as bytes. Arrays and JSON only, checksummed, versioned; nothing in it is ever executed.

Layout: MAGIC, the SHA-256 of the body (32 bytes), the body. The body is a NumPy archive (`.npz`) with the JSON
manifest as the array `manifest` (uint8), each learned array as `<algorithm>/<array>`, the trees of each hybrid as
`hybrid.<context>/<array of Trees.state>` and the facts of products as `facts.<kind>/values`.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from services.recommendation.algorithms.arrays import AnyArray
from services.recommendation.algorithms.base import Algorithm, Kind
from services.recommendation.algorithms.registry import BY_NAME
from services.recommendation.models.model import Model
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.model import Reranker
from services.recommendation.reranker.reranker_models import RerankerModels
from services.recommendation.reranker.trees import Trees
from shared.errors import DataLoss

MAGIC = b"QUINTET-MODEL\n"
FORMAT_VERSION = 2
"""Raised with each change of the layout; 1 held the trees as text."""
CHECKSUM_BYTES = hashlib.sha256().digest_size
MANIFEST = "manifest"


class ArtifactError(DataLoss):
    """The bytes are no model of ours, are damaged, or were written in another format."""

    reason = "MODEL_ARTIFACT"


def dump(model: Model) -> bytes:
    """Return `model` as bytes. The same model gives the same bytes."""
    learned = _learned_head(model.learned)
    manifest = {"format": FORMAT_VERSION, "algorithms": model.params, "learned": learned, **model.metadata}
    arrays: dict[str, AnyArray] = {MANIFEST: np.frombuffer(json.dumps(manifest).encode(), dtype=np.uint8)}
    for name, algorithm in model.algorithms.items():
        arrays |= {f"{name}/{key}": array for key, array in algorithm.state().items()}
    for context, hybrid in model.learned.hybrids.items():
        arrays |= {_trees_prefix(context) + key: array for key, array in hybrid.trees.state().items()}
    arrays |= {_facts_key(kind): facts.values for kind, facts in model.learned.facts.items()}
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
        If the bytes are not an artefact, do not match their checksum, were written in another format, or name an
        algorithm that is not known here.
    """
    arrays = _arrays(_verified_body(artifact))
    manifest = _manifest(arrays)
    try:
        algorithms = {name: _algorithm(name, params, arrays) for name, params in manifest["algorithms"].items()}
        learned = _learned(manifest["learned"], arrays, manifest["n_products"])
        return Model(algorithms, manifest["n_products"], manifest["trained_at"], manifest["metrics"], learned)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
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
    if version != FORMAT_VERSION:
        raise ArtifactError(
            f"model artefact: format {version} is not known, this Quintet reads format {FORMAT_VERSION}; train again"
        )
    return manifest


def _algorithm(name: str, params: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> Algorithm:
    return BY_NAME[name].load(_below(f"{name}/", arrays), params)


def _below(prefix: str, arrays: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    """Return the arrays whose names begin with `prefix`, by the rest of the name."""
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}


def _learned_head(learned: RerankerModels) -> dict[str, Any]:
    hybrids = {
        context.value: {"algorithms": hybrid.algorithms, "target": hybrid.target.name, "depth": hybrid.depth}
        for context, hybrid in learned.hybrids.items()
    }
    return {"rebuy_rate": learned.rebuy_rate, "hybrids": hybrids, "facts": [kind.name for kind in learned.facts]}


def _learned(head: Mapping[str, Any], arrays: Mapping[str, AnyArray], n_products: int) -> RerankerModels:
    """Return what was learned with its trees ready to judge, so that damage shows now and not in a request."""
    contexts = {RerankContext(name): each for name, each in head["hybrids"].items()}
    hybrids = {context: _hybrid(each, _below(_trees_prefix(context), arrays)) for context, each in contexts.items()}
    facts = {Kind[name]: ItemFeatures(arrays[_facts_key(Kind[name])]) for name in head["facts"]}
    for known in facts.values():
        known.require(n_products)
    return RerankerModels(hybrids, facts, float(head["rebuy_rate"]))


def _hybrid(head: Mapping[str, Any], trees: Mapping[str, AnyArray]) -> Reranker:
    hybrid = Reranker(tuple(head["algorithms"]), Kind[head["target"]], Trees.load(trees), int(head["depth"]))
    hybrid.require_loadable()
    return hybrid


def _trees_prefix(context: RerankContext) -> str:
    return f"hybrid.{context.value}/"


def _facts_key(kind: Kind) -> str:
    return f"facts.{kind.name}/values"
