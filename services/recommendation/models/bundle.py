"""What a model version holds: the model, and whose rows its rows are.

Layout: MAGIC, the length of the head (8 bytes, little endian), the head as JSON, the product keys (int64, little
endian), the model's own artefact, which has its checksum and format version.
"""

import json
from dataclasses import dataclass

import numpy as np

from services.recommendation.algorithms.arrays import Longs
from services.recommendation.models import artifact
from services.recommendation.models.artifact import ArtifactError
from services.recommendation.models.groups import GroupCodes
from services.recommendation.models.model import Model

MAGIC = b"QUINTET-BUNDLE-1\n"
LENGTH_BYTES = 8
STORED_KEYS = np.dtype("<i8")


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model with the product key of each of its rows and the codes of customer groups."""

    model: Model
    product_keys: Longs
    groups: GroupCodes


def dump(bundle: Bundle) -> bytes:
    """Return `bundle` as bytes."""
    head = json.dumps({"products": len(bundle.product_keys), "groups": bundle.groups.labels}).encode()
    keys = bundle.product_keys.astype(STORED_KEYS).tobytes()
    return b"".join([MAGIC, len(head).to_bytes(LENGTH_BYTES, "little"), head, keys, artifact.dump(bundle.model)])


def load(payload: bytes) -> Bundle:
    """Return the bundle that `payload` holds.

    Raises
    ------
    ArtifactError
        If the bytes are no bundle, are damaged, or the parts do not fit together.
    """
    if not payload.startswith(MAGIC):
        raise ArtifactError("model bundle: not a model version of Quintet")
    start = len(MAGIC) + LENGTH_BYTES
    body = start + int.from_bytes(payload[len(MAGIC) : start], "little")
    try:
        head = json.loads(payload[start:body])
        keys = np.frombuffer(payload, STORED_KEYS, head["products"], body)
        groups = GroupCodes({name: tuple(labels) for name, labels in head["groups"].items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"model bundle: unreadable head: {error!r}") from error
    model = artifact.load(payload[body + keys.nbytes :])
    if model.n_products != len(keys):
        raise ArtifactError(f"model bundle: {len(keys)} product keys for {model.n_products} product rows")
    return Bundle(model, keys.astype(np.int64), groups)
