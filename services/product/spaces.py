"""The active embedding space: stored as a model version, cached in memory and reloaded when another becomes active."""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from services.product.features import ProductFeatures
from shared.arrays import pack, unpack
from shared.db import models
from shared.db.engine import Connection, Database
from shared.db.products import ProductFacts
from shared.errors import DataLoss
from shared.telemetry import FALLBACKS

if TYPE_CHECKING:
    from services.product.embedding import EmbeddingSpace

KIND = "embedding_space"
KEPT_VERSIONS = 3
log = structlog.get_logger()


@dataclass(frozen=True, eq=False)
class FittedSpace:
    """A fitted space with its version.

    `products` is the number of products that it was fitted on, `change_sequence` the newest change among them.
    """

    version: str
    space: "EmbeddingSpace"
    products: int
    change_sequence: int


@dataclass(frozen=True, eq=False)
class ActiveSpace:
    """The active version and its space; both are None before the first refresh, the space is None if it is damaged."""

    version: str | None
    space: "EmbeddingSpace | None"


def features_of(product: ProductFacts) -> ProductFeatures:
    """Return the features from which the product's embedding is computed."""
    return ProductFeatures(
        name=product.name,
        description=product.description,
        category=product.category,
        subcategory=product.subcategory,
        brand=product.brand,
        tags=product.tags,
        price_minor=product.price,
        rating=product.average_rating,
    )


def save_space(database: Database, fitted: FittedSpace) -> None:
    """Store a space, make it active and delete all but the newest `KEPT_VERSIONS`."""
    arrays, state = fitted.space.state()
    facts = {"products": fitted.products, "change_sequence": fitted.change_sequence}
    models.save_model(database, KIND, fitted.version, pack(arrays, {"space": state, **facts}), facts)
    models.prune(database, KIND, KEPT_VERSIONS)


def load_space(database: Database) -> FittedSpace | None:
    """Return the active space; None before the first refresh. Raises DataLoss if it is damaged."""
    found = models.load_active(database, KIND)
    if found is None:
        return None
    from services.product.embedding import EmbeddingSpace  # imports SciPy, which an agent without a space need not load

    version, payload = found
    arrays, metadata = unpack(payload)
    try:
        space = EmbeddingSpace.load((arrays, metadata["space"]))
        return FittedSpace(version, space, metadata["products"], metadata["change_sequence"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataLoss(f"embedding space {version}: cannot be read: {error!r}") from error


def active_version(connection: Connection) -> str | None:
    """Return the version of the active space; None before the first refresh."""
    return models.active_version(connection, KIND)


class SpaceCache:
    """A cache of the active space. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._active = ActiveSpace(None, None)

    def current(self) -> ActiveSpace:
        """Return the active space.

        A damaged space is logged, counted and returned as None, so that the catalogue can still be changed. The next
        refresh fits a new one.
        """
        with self._database.read() as connection:
            version = active_version(connection)
        with self._lock:
            if version != self._active.version:
                self._active = self._load(version)
            return self._active

    def _load(self, version: str | None) -> ActiveSpace:
        try:
            found = load_space(self._database)
        except DataLoss as error:
            log.error("embedding space is damaged", version=version, error=error.message)
            FALLBACKS.labels("product", "embedding_space_damaged").inc()
            return ActiveSpace(version, None)
        return ActiveSpace(None, None) if found is None else ActiveSpace(found.version, found.space)
