"""What answers are made from, kept current in the background while answers are being made.

Requests take one immutable `ServingState` and keep it to their end; it costs them no statement. One thread looks every
25 ms whether the catalogue or the weights changed, or a history was forgotten, another every half second for a new
model or embedding space; each puts a new state in place. When something cannot be loaded the last good state stays,
and answers say so.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import structlog

from services.recommendation.algorithms.arrays import FloatArray, Longs
from services.recommendation.models.bundle import Bundle
from services.recommendation.models.groups import GroupCodes
from services.recommendation.models.store import KIND, ModelStore
from services.recommendation.reranker.reranker_models import RerankerModels
from services.recommendation.serving import catalogue_snapshot
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.retrieval import Scorer, build_scorers
from shared.algorithms import DEFAULT_WEIGHTS
from shared.consent import ALL_PERMITTED, Permissions
from shared.db import (
    bandits,
    forgotten,
    models,
    product_embeddings,
    product_offers,
    product_performance,
    products,
    request_reads,
    shadow_models,
)
from shared.db.change_watch import ChangeWatch
from shared.db.engine import Connection, Database
from shared.db.product_stamps import product_stamps
from shared.db.request_reads import LatestChanges
from shared.db.weights import current_weights
from shared.errors import QuintetError
from shared.garbage import keep_out_what_came
from shared.merchandising.load import load_merchandising
from shared.merchandising.merchandising import NO_MERCHANDISING, Merchandising
from shared.telemetry import BACKGROUND_ERRORS

SPACE = "embedding_space"
CHANGES_SECONDS = 0.025
"""Between two looks for changes of the catalogue and the weights: they count within 100 ms."""
POLL_SECONDS = 0.5
"""Between two looks for a new model, embedding space or, without a model, best-sellers."""
LONGEST_PAUSE_SECONDS = 3.0
"""Until what could not be loaded is tried again, or twice the time that the failure took where that is longer: what was
mended is in use within five seconds, and a large model that stays broken leaves the agent most of its time."""
MOST_VARIANTS = 2
"""Models in memory beside the active one and a shadow, as variants of placements name them."""
BEST_SELLERS_SECONDS = 30.0
BEST_SELLERS = 500
log = structlog.get_logger()


@dataclass(frozen=True, eq=False)
class ServingState:
    """One consistent state: a catalogue, the model whose rows it begins with, weights, placements and rules.

    `version` is the model's, empty without one; `weights_version` is -1 until weights were read.
    """

    catalogue: Catalogue
    bundle: Bundle | None = None
    version: str = ""
    best_sellers: tuple[int, ...] = ()
    weights: dict[str, float] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    weights_version: int = -1
    merchandising: Merchandising = NO_MERCHANDISING
    scorers: dict[str, Scorer] = field(init=False)

    def __post_init__(self) -> None:
        model = self.bundle.model if self.bundle else None
        object.__setattr__(self, "scorers", build_scorers(self.catalogue, model, self._shares()))

    def is_at(self, latest: LatestChanges) -> bool:
        """Say whether all changes of the database up to the `latest` are in here."""
        return (
            latest.catalogue <= self.catalogue.change
            and latest.weights == self.weights_version
            and latest.merchandising == self.merchandising.version
        )

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
    """Keeps the serving state. `start` before use, `stop` after.

    Parameters
    ----------
    database : Database
    store : ModelStore
    prepare : callable, optional
        Called with the state of a new model before it answers: no request waits for what is compiled or derived.
    default : Permissions
        What is permitted where a shopper has said nothing.
    forget : callable
        Called with the keys of customers whose histories must not be used any more.
    shadow : callable
        Called with the version that is a shadow and its share of the answers, and with "" where there is none.
    """

    def __init__(
        self,
        database: Database,
        store: ModelStore,
        prepare: Callable[[ServingState], None] | None = None,
        default: Permissions = ALL_PERMITTED,
        forget: Callable[[Sequence[int]], None] = lambda keys: None,
        shadow: Callable[[str, float], None] = lambda version, share: None,
    ) -> None:
        self._follow_shadow = shadow
        self._default = default
        self._forget = forget
        self._forgotten = 0
        self._database = database
        self._prepare = prepare
        self._store = store
        self._serving = ServingState(Catalogue.of_keys(np.empty(0, np.int64)))
        self._variants: dict[str, ServingState] = {}
        self._unloadable: tuple[int, frozenset[str]] = (0, frozenset())
        self._watch = ChangeWatch(database)
        self._loading = threading.Lock()
        self._swap = threading.RLock()
        self._broken = ""
        self._failures = 0
        self._retry_at = 0.0
        self._changes_failed = False
        self._counted_at = -BEST_SELLERS_SECONDS
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch_models, name="models", daemon=True),
            threading.Thread(target=self._watch_changes, name="changes", daemon=True),
        ]

    def start(self) -> None:
        """Load what there is, then watch for newer."""
        self._follow_models()
        self._follow_changes()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the watching. Safe to repeat."""
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._watch.close()

    @property
    def broken(self) -> str:
        """The active version that could not be loaded; empty when all is well."""
        return self._broken

    @property
    def serving(self) -> ServingState:
        """The state that is current."""
        return self._serving

    def serving_of(self, version: str) -> ServingState | None:
        """Return the state that answers with a version of the model, active or not; None where it is not loaded."""
        serving = self._serving
        return serving if version == serving.version else self._variants.get(version)

    def reload(self) -> str:
        """Load the active model now if it is not in use yet, and return the version in use. Raises when it fails."""
        with self._loading:
            with self._database.read() as connection:
                active = models.active_version(connection, KIND) or ""
            if active and active != self._serving.version:
                self._load()
            self._broken = ""
            return self._serving.version

    def _watch_models(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            if time.monotonic() >= self._retry_at or self._active_or_unknown() != self._broken:
                self._follow_models()

    def _warm_up(self, state: ServingState) -> None:
        """Prepare a state that does not answer yet."""
        if self._prepare is None:
            return
        try:
            self._prepare(state)
        except Exception:  # the first request does it then, and says what is wrong
            log.exception("the model could not be warmed up", version=state.version)
            BACKGROUND_ERRORS.labels("recommendation", "warm_up").inc()

    def _watch_changes(self) -> None:
        while not self._stopping.wait(CHANGES_SECONDS):
            self._follow_changes()

    def _follow_changes(self) -> None:
        """Take in changes of the catalogue and of the weights, and histories that must not be used any more."""
        try:
            if self._changes_failed or self._watch.changed():
                self._take_changes()
            self._changes_failed = False
        except Exception:  # the state before goes on answering; the next look tries again
            if not self._changes_failed:
                log.exception("cannot follow the changes of the catalogue")
            BACKGROUND_ERRORS.labels("recommendation", "changes").inc()
            self._changes_failed = True

    def _take_changes(self) -> None:
        with self._database.cursor() as cursor:
            latest = request_reads.latest_changes(cursor)
        with self._swap:
            before = self._serving
            if latest.forgotten <= self._forgotten and before.is_at(latest):
                return
            with self._database.read() as connection:
                self._drop_forgotten(connection, latest.forgotten)
                bundle = before.bundle and _without_forgotten(connection, before.bundle)
                catalogue = _caught_up(connection, before.catalogue)
                weights = current_weights(connection)
                merchandising = before.merchandising
                if latest.merchandising != merchandising.version:
                    stored = load_merchandising(connection, "recommendation")
                    merchandising = replace(stored, posteriors=bandits.posteriors(connection))
                self._serving = replace(
                    before,
                    catalogue=catalogue,
                    bundle=bundle,
                    weights=weights.weights,
                    weights_version=weights.version,
                    merchandising=merchandising,
                )
                self._variants = {
                    version: self._as_variant(connection, state.catalogue, state.bundle, version)
                    for version, state in self._variants.items()
                }

    def _as_variant(
        self, connection: Connection, catalogue: Catalogue, bundle: Bundle | None, version: str
    ) -> ServingState:
        """Return the current state with another model, whose catalogue is caught up."""
        return replace(
            self._serving,
            catalogue=_caught_up(connection, catalogue),
            bundle=bundle and _without_forgotten(connection, bundle),
            version=version,
        )

    def _drop_forgotten(self, connection: Connection, number: int) -> None:
        if number > self._forgotten:
            self._forget(forgotten.keys_after(connection, self._forgotten))
            self._forgotten = number

    def _follow_models(self) -> None:
        """Take in a new model, embedding space or best-sellers; what fails is tried again after a growing pause."""
        began = time.monotonic()
        try:
            self.reload()
            self._follow_space()
            self._count_best_sellers()
            self._follow_variants()
            self._failures = 0
        except Exception:  # whatever is wrong with the new, the last good one goes on answering
            log.exception("cannot load the model or the catalogue")
            BACKGROUND_ERRORS.labels("recommendation", "load").inc()
            self._broken = self._active_or_unknown()
            self._failures += 1
            self._retry_at = time.monotonic() + pause_after(self._failures, time.monotonic() - began)

    def _follow_variants(self) -> None:
        """Load the models that variants name and the shadow, and let go of those that are named no more."""
        serving = self._serving
        with self._database.read() as connection:
            marked = shadow_models.shadows(connection)
        self._follow_shadow(*((marked[0].version, marked[0].share) if marked else ("", 0.0)))
        change, failed = self._unloadable
        if change != serving.merchandising.version:
            self._unloadable = (serving.merchandising.version, frozenset())
            failed = frozenset()
        named = [each for each in serving.merchandising.named_models if each != serving.version and each not in failed]
        shadows = [each.version for each in marked if each.version != serving.version and each.version not in failed]
        wanted = list(dict.fromkeys([*named[:MOST_VARIANTS], *shadows]))
        if set(wanted) == self._variants.keys():
            return
        with self._swap:
            self._variants = {version: state for version, state in self._variants.items() if version in wanted}
        for version in wanted:
            if version not in self._variants:
                self._load_variant(version)

    def _load_variant(self, version: str) -> None:
        """Load a model beside the active one; one that cannot be loaded is tried again when variants change."""
        try:
            bundle = self._store.load(version)
            catalogue = self._catalogue_of(version, bundle)
            with self._database.read() as connection:
                state = self._as_variant(connection, catalogue, bundle, version)
            self._warm_up(state)
        except QuintetError as error:
            log.warning("the model of a variant cannot be loaded", version=version, error=error.message)
            BACKGROUND_ERRORS.labels("recommendation", "load").inc()
            change, failed = self._unloadable
            self._unloadable = (change, failed | {version})
            return
        with self._swap, self._database.read() as connection:  # what changed meanwhile
            self._variants[version] = self._as_variant(connection, state.catalogue, state.bundle, version)
        log.info("model of a variant in use", version=version)

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
            bundle = _without_forgotten(connection, bundle)
        catalogue = self._catalogue_of(version, bundle)
        state = replace(self._serving, catalogue=catalogue, bundle=bundle, version=version)
        self._warm_up(state)
        keep_out_what_came()
        with self._swap:
            self._serving = state
            self._take_changes()  # what changed meanwhile
        log.info("model in use", version=version, products=len(catalogue))

    def _catalogue_of(self, version: str, bundle: Bundle) -> Catalogue:
        """Return the catalogue whose rows begin with those of a model: from its snapshot, which is made if needed.

        A catalogue that was built lies scattered among what its building left, and its texts are in memory. That of the
        snapshot, whose texts are mapped, takes a quarter less of the agent's memory, so it is the one that answers.
        """
        kept = self._from_snapshot(version, bundle)
        if kept is not None:
            return kept
        with self._store.cache.making_snapshot():
            kept = self._from_snapshot(version, bundle)  # another agent of this machine may have made it meanwhile
            if kept is not None:
                return kept
            with self._database.read() as connection:
                built = _caught_up(connection, Catalogue.of_keys(bundle.product_keys))
                stamps = product_stamps(connection)
            self._keep_snapshot(version, built, stamps)
        kept = self._from_snapshot(version, bundle)
        if kept is None:
            built.index.prepare()
        return kept or built

    def _keep_snapshot(self, version: str, catalogue: Catalogue, stamps: Longs) -> None:
        """Write the snapshot of a catalogue; where that fails there is none, and the next start builds it again."""
        try:
            arrays = catalogue_snapshot.arrays_of(catalogue, stamps)
            self._store.cache.write_snapshot(version, arrays, catalogue_snapshot.facts_of(catalogue))
        except Exception:  # the agent answers from the catalogue that was built
            log.exception("no snapshot of the catalogue is kept", version=version)
            BACKGROUND_ERRORS.labels("recommendation", "snapshot").inc()

    def _from_snapshot(self, version: str, bundle: Bundle) -> Catalogue | None:
        """Return the catalogue that was kept with a model and what changed since.

        None where none was kept, where the database is another one, or where its embedding space is no longer active.
        """
        kept = self._store.cache.open_snapshot(version)
        if kept is None:
            return None
        with self._database.read() as connection:
            try:
                stamps = product_stamps(connection)
                found = catalogue_snapshot.catalogue_of(kept.arrays, kept.facts, bundle.product_keys, stamps)
            except (LookupError, TypeError, ValueError) as error:
                log.warning("a snapshot of the catalogue cannot be read", version=version, error=repr(error))
                return None
            if found is None or found.space != (models.active_version(connection, SPACE) or ""):
                return None
            return _caught_up(connection, found)

    def _follow_space(self) -> None:
        """Take all embeddings anew when another space became active."""
        with self._swap:
            before = self._serving
            with self._database.read() as connection:
                if (models.active_version(connection, SPACE) or "") == before.catalogue.space:
                    return
                catalogue = _caught_up(connection, replace(before.catalogue, space=""))
            self._serving = replace(before, catalogue=catalogue)
            self._variants = {}  # they are loaded anew, with embeddings of the new space

    def _count_best_sellers(self) -> None:
        """Count them now and then while there is no model, which knows better."""
        if self._serving.bundle is not None or time.monotonic() - self._counted_at < BEST_SELLERS_SECONDS:
            return
        with self._database.read() as connection:
            counted = product_performance.best_sellers(
                connection, datetime.now(UTC), BEST_SELLERS, default=self._default
            )
        self._counted_at = time.monotonic()
        with self._swap:
            self._serving = replace(self._serving, best_sellers=tuple(each.key for each in counted))


def pause_after(failures: int, took: float) -> float:
    """Return the seconds until the next attempt to load, after so many that failed, the last in `took` seconds."""
    doubled: float = POLL_SECONDS * 2**failures
    return max(min(doubled, LONGEST_PAUSE_SECONDS), 2 * took)


def _without_forgotten(connection: Connection, bundle: Bundle) -> Bundle:
    """Return a bundle that uses no history of who was erased, or withdrew their consent, since it was made."""
    number = forgotten.newest(connection)
    if number <= bundle.forgotten:
        return bundle
    return bundle.without(forgotten.keys_after(connection, bundle.forgotten), number)


def _caught_up(connection: Connection, catalogue: Catalogue) -> Catalogue:
    """Return the catalogue with all changes and their embeddings; a catalogue without a space gets the active one."""
    grown = catalogue.updated(list(products.catalogue_since(connection, catalogue.change)))
    grown = _with_offers(connection, grown, catalogue.change)
    if catalogue.space:
        found = product_embeddings.embeddings_changed_since(connection, catalogue.change, catalogue.space)
        return grown.with_embeddings(catalogue.space, found.keys, found.vectors)
    space = models.active_version(connection, SPACE)
    if space is None:
        return grown
    found = product_embeddings.all_embeddings(connection, space)
    return grown.with_embeddings(space, found.keys, found.vectors)


def _with_offers(connection: Connection, grown: Catalogue, change: int) -> Catalogue:
    """Return the catalogue with the offers of places that changed after `change`, or with all if it has none yet."""
    newest = product_offers.newest_offer_change(connection)
    if grown.places is None:
        grown = grown.with_offers(list(product_offers.offers_since(connection, 0)))
    elif newest > change:
        grown = grown.with_offers(list(product_offers.offers_since(connection, change)))
    return grown if newest <= grown.change else replace(grown, change=newest)
