"""What a model version holds: the model, and which product each of its rows is. One container."""

import io
from dataclasses import dataclass
from typing import IO

import numpy as np

from services.recommendation.algorithms.arrays import Longs
from services.recommendation.models import storage
from services.recommendation.models.artifact import arrays_of, facts_of, model_of
from services.recommendation.models.container import ArtifactError, Container, ContainerWriter, open_container
from services.recommendation.models.groups import GroupCodes
from services.recommendation.models.model import Model

KEYS = "product_keys"


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model with the product key of each of its rows and the codes of customer groups."""

    model: Model
    product_keys: Longs
    groups: GroupCodes


def write(bundle: Bundle, file: IO[bytes]) -> None:
    """Write `bundle` into an empty seekable file, array by array. The same bundle gives the same bytes."""
    writer = ContainerWriter(file)
    writer.add(KEYS, bundle.product_keys.astype(np.int64))
    for name, array in arrays_of(bundle.model):
        writer.add(name, array)
    labels = {name: list(values) for name, values in bundle.groups.labels.items()}
    writer.finish(facts_of(bundle.model) | {"groups": labels})


def dump(bundle: Bundle) -> bytes:
    """Return `bundle` as bytes: for small ones."""
    buffer = io.BytesIO()
    write(bundle, buffer)
    return buffer.getvalue()


def load(content: bytes | memoryview) -> Bundle:
    """Return the bundle that `content` holds; errors as for `bundle_of`."""
    return bundle_of(open_container(content))


def bundle_of(container: Container) -> Bundle:
    """Return the bundle in a container. Its arrays are views wherever they are stored as they are used.

    Raises
    ------
    ArtifactError
        If the bytes are no bundle, are damaged, or the parts do not fit together.
    """
    arrays = dict(storage.restored(container.arrays))
    model = model_of(container.facts, arrays)
    try:
        keys = arrays[KEYS]
        groups = GroupCodes({name: tuple(labels) for name, labels in container.facts["groups"].items()})
    except (LookupError, TypeError, AttributeError) as error:
        raise ArtifactError(f"model artefact: product keys or groups are missing: {error!r}") from error
    if keys.shape != (model.n_products,):
        raise ArtifactError(f"model artefact: {len(keys)} product keys for {model.n_products} product rows")
    return Bundle(model, keys, groups)
