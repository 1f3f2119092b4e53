"""What a model version holds: the model, and which product each of its rows is. One container."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import IO

import numpy as np

from services.recommendation.algorithms.arrays import Longs
from services.recommendation.algorithms.histories import HistoriesMixin
from services.recommendation.models import storage
from services.recommendation.models.artifact import arrays_of, facts_of, model_of
from services.recommendation.models.container import ArtifactError, Container, ContainerWriter, open_container
from services.recommendation.models.groups import GroupCodes
from services.recommendation.models.model import Model

KEYS = "product_keys"
CUSTOMERS = "customer_keys"


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model with the product key of each of its rows and the codes of customer groups.

    `customer_keys` are the keys of the rows of customers, 0 where none is stored; none in models of earlier releases.
    `forgotten` is the number up to which the histories that `shared.db.forgotten` lists are left out.
    """

    model: Model
    product_keys: Longs
    groups: GroupCodes
    customer_keys: Longs = field(default_factory=lambda: np.empty(0, np.int64))
    forgotten: int = 0

    def without(self, customer_keys: Sequence[int], forgotten: int) -> "Bundle":
        """Return the bundle without the histories of customers, which are in no score of its model from now on.

        `forgotten` is the number up to which all that `shared.db.forgotten` lists is left out then.
        """
        if len(customer_keys):
            rows = np.flatnonzero(np.isin(self.customer_keys, customer_keys)).astype(np.int32)
            for algorithm in _with_histories(self.model):
                algorithm.forget(rows)
        return replace(self, forgotten=forgotten)


def write(bundle: Bundle, file: IO[bytes]) -> None:
    """Write `bundle` into an empty seekable file, array by array. The same bundle gives the same bytes."""
    writer = ContainerWriter(file)
    writer.add(KEYS, bundle.product_keys.astype(np.int64))
    writer.add(CUSTOMERS, _kept_keys(bundle).astype(np.int64))
    for name, array in arrays_of(bundle.model):
        writer.add(name, array)
    labels = {name: list(values) for name, values in bundle.groups.labels.items()}
    writer.finish(facts_of(bundle.model) | {"groups": labels, "forgotten": bundle.forgotten})


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
    customers = arrays.get(CUSTOMERS, np.empty(0, np.int64))
    return Bundle(model, keys, groups, customers, int(container.facts.get("forgotten", 0)))


def _with_histories(model: Model) -> list[HistoriesMixin]:
    return [each for each in model.algorithms.values() if isinstance(each, HistoriesMixin)]


def _kept_keys(bundle: Bundle) -> Longs:
    """Return the keys of customers, 0 for those of whom the model stores no history."""
    rows = np.concatenate([np.empty(0, np.int32), *(each.known_owners for each in _with_histories(bundle.model))])
    known = np.isin(np.arange(len(bundle.customer_keys)), rows)
    return np.where(known, bundle.customer_keys, 0)
