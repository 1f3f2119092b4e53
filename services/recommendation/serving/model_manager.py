"""The keeper: what answers are made from, kept current while answers are being made.

Requests take one immutable `ServingState` and keep it to their end. Changes of the catalogue are taken in by the next
request itself, so that a new product or price counts at once. Models and embedding spaces are loaded by a thread in
the background and swapped in whole; when one cannot be loaded the last good one stays, and answers say so.
"""

import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import structlog

from services.recommendation.algorithms.arrays import FloatArray
from services.recommendation.models.bundle import Bundle
from services.recommendation.models.groups import GroupCodes
from services.recommendation.models.store import KIND, ModelStore
from services.recommendation.reranker.reranker_models import RerankerModels
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.retrieval import Scorer, build_scorers
from shared.db import models, product_embeddings, product_performance, products
from shared.db.engine import Connection, Database
from shared.errors import QuintetError
from shared.telemetry import BACKGROUND_ERRORS

SPACE = "embedding_space"
POLL_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0
BEST_SELLERS_SECONDS = 30.0
BEST_SELLERS = 500
PERIOD = timedelta(days=30)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
log = structlog.get_logger()


@dataclass(frozen=True, eq=False)
class ServingState:
    """One consistent state: a catalogue, and the model whose rows it begins with. `version` is empty without one."""

    catalogue: Catalogue
    bundle: Bundle | None = None
    version: str = ""
    best_sellers: tuple[int, ...] = ()
    scorers: dict[str, Scorer] = field(init=False)

    def __post_init__(self) -> None:
        model = self.bundle.model if self.bundle else None
        object.__setattr__(self, "scorers", build_scorers(self.catalogue, model, self._shares()))

    @property
    def trained(self) -> int:
        """Number of products that the model knows."""
        return self.bundle.model.n_products if self.bundle else 0

    @property
    def learned(self) -> RerankerModels:
        """The hybrids of the model; none without one."""
        return self.bundle.model.learned if self.bundle else RerankerModels()

    @property
    def groups(self) -> GroupCodes:
        """Codes of customer groups as the model knows them."""
        return self.bundle.groups if self.bundle else GroupCodes()

    def _shares(self) -> FloatArray:
        shares = np.zeros(len(self.catalogue), np.float32)
        rows = self.catalogue.rows_of(self.best_sellers)
        shares[rows[rows >= 0]] = 1.0 / np.arange(1, len(rows) + 1, dtype=np.float32)[rows >= 0]
        return shares


class ModelManager:
    """Keeps the serving state. `start` before use, `stop` after."""

    def __init__(self, database: Database, store: ModelStore) -> None:
        self._database = database
        self._store = store
        self._serving = ServingState(Catalogue.of_keys(np.empty(0, np.int64)))
        self._swap = threading.Lock()
        self._loading = threading.Lock()
        self._broken = ""
        self._failures = 0
        self._retry_at = 0.0
        self._counted_at = -BEST_SELLERS_SECONDS
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="keeper", daemon=True)

    def start(self) -> None:
        """Load what there is, then watch for newer."""
        self._follow()
        self._thread.start()

    def stop(self) -> None:
        """End the watching. Safe to repeat."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def broken(self) -> str:
        """The active version that could not be loaded; empty when all is well."""
        return self._broken

    def serving(self, connection: Connection, newest: int) -> ServingState:
        """Return the state with all changes of the catalogue up to the number `newest` taken in."""
        serving = self._serving
        if newest <= serving.catalogue.change and serving.catalogue.space:
            return serving
        with self._swap:
            if newest > self._serving.catalogue.change or not self._serving.catalogue.space:
                self._adopt(_caught_up(connection, self._serving.catalogue))
            return self._serving

    def reload(self) -> str:
        """Load the active model now if it is not in use yet, and return the version in use. Raises when it fails."""
        with self._loading:
            with self._database.read() as connection:
                active = models.active_version(connection, KIND) or ""
            if active and active != self._serving.version:
                self._load()
            self._broken = ""
            return self._serving.version

    def _watch(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            if time.monotonic() >= self._retry_at or self._active_or_unknown() != self._broken:
                self._follow()

    def _follow(self) -> None:
        """Take in a new model, embedding space or best-sellers; what fails is tried again after a growing pause."""
        try:
            self.reload()
            self._follow_space()
            self._count_best_sellers()
            self._failures = 0
        except Exception:
            # Whatever is wrong with the new, the last good one goes on answering.
            log.exception("cannot load the model or the catalogue")
            BACKGROUND_ERRORS.labels("recommendation", "load").inc()
            self._broken = self._active_or_unknown()
            self._failures += 1
            self._retry_at = time.monotonic() + min(POLL_SECONDS * 2**self._failures, LONGEST_PAUSE_SECONDS)

    def _active_or_unknown(self) -> str:
        try:
            with self._database.read() as connection:
                return models.active_version(connection, KIND) or ""
        except QuintetError:
            return "unknown"  # the database is away, which the error that led here was logged for

    def _load(self) -> None:
        loaded = self._store.load_active()
        if loaded is None:
            return
        version, bundle = loaded
        with self._database.read() as connection:
            catalogue = _caught_up(connection, Catalogue.of_keys(bundle.product_keys))
        with self._swap:
            self._serving = ServingState(catalogue, bundle, version)
        log.info("model in use", version=version, products=len(catalogue))

    def _follow_space(self) -> None:
        """Take all embeddings anew when another space became active, beside the requests."""
        base = self._serving
        with self._database.read() as connection:
            if (models.active_version(connection, SPACE) or "") == base.catalogue.space:
                return
            catalogue = _caught_up(connection, replace(base.catalogue, space=""))
        with self._swap:
            # What changed meanwhile is taken in by the next request; another model has rows of its own.
            if self._serving.bundle is base.bundle:
                self._adopt(catalogue)

    def _count_best_sellers(self) -> None:
        """Count them now and then while there is no model, which knows better."""
        if self._serving.bundle is not None or time.monotonic() - self._counted_at < BEST_SELLERS_SECONDS:
            return
        now = datetime.now(UTC)
        with self._database.read() as connection:
            counted = product_performance.popular_products(connection, now - PERIOD, now, BEST_SELLERS)
            counted = counted or product_performance.popular_products(connection, BEGINNING, now, BEST_SELLERS)
        self._counted_at = time.monotonic()
        with self._swap:
            self._serving = replace(self._serving, best_sellers=tuple(each.key for each in counted))

    def _adopt(self, catalogue: Catalogue) -> None:
        if catalogue is not self._serving.catalogue:
            self._serving = replace(self._serving, catalogue=catalogue)


def _caught_up(connection: Connection, catalogue: Catalogue) -> Catalogue:
    """Return the catalogue with all changes and their embeddings; a catalogue without a space gets the active one."""
    grown = catalogue.updated(list(products.catalogue_since(connection, catalogue.change)))
    if catalogue.space:
        found = product_embeddings.embeddings_changed_since(connection, catalogue.change, catalogue.space)
        return grown.with_embeddings(catalogue.space, found.keys, found.vectors)
    space = models.active_version(connection, SPACE)
    if space is None:
        return grown
    found = product_embeddings.all_embeddings(connection, space)
    return grown.with_embeddings(space, found.keys, found.vectors)
