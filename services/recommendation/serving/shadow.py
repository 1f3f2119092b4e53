"""A shadow answers a sampled share of the requests again, behind the answer, and is never shown.

It works on a thread of its own, with the histories of its own, only while no answer is being made, and rests nine times
as long as it worked: it takes at most a tenth of a core, and an answer that begins while it works shares the
interpreter with it until that one list is made. The queue is bounded: what comes when it is full, or has waited for
too long, is dropped and counted.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import structlog

from services.recommendation.request import Query
from services.recommendation.serving.agreement import overlap, rank_correlation
from shared.db import shadow_models
from shared.db.engine import Database
from shared.db.shadow_models import ShadowList
from shared.errors import QuintetError
from shared.telemetry import BACKGROUND_ERRORS, SHADOW_ANSWERS

MOST_WAITING = 32
LONGEST_WAIT_SECONDS = 2.0
"""What has waited for longer is dropped: shopper and catalogue have moved on."""
QUIET_SECONDS = 0.01
"""Without an answer before a shadow begins one."""
REST = 9.0
"""Rest after an answer, in times of what it took."""
WRITE_SECONDS = 5.0
GIVE_UP_SECONDS = 60.0
"""After which a list that was not logged never will be."""
log = structlog.get_logger()
AnswerAgain = Callable[[Query, str], tuple[int, ...] | None]
"""Returns the keys of the products that a version of the model shows, best first; None where it is not loaded."""


@dataclass(frozen=True)
class _Asked:
    """An answer that was made, and the version that is to make it again."""

    query: Query
    list_id: int
    shown: tuple[int, ...]
    version: str
    at: float


class Shadow:
    """Answers again. `start` before use, `stop` after. `answer_again` is called on the thread of the shadow alone."""

    def __init__(self, database: Database, answer_again: AnswerAgain, seed: int | None = None) -> None:
        self._database = database
        self._answer_again = answer_again
        self._random = np.random.default_rng(seed)
        self._model: tuple[str, float] = ("", 0.0)
        self._waiting: deque[_Asked] = deque()
        self._changed = threading.Condition()
        self._answering = 0
        self._quiet_since = 0.0
        self._stopping = False
        self._found: list[tuple[float, ShadowList]] = []
        self._dropped: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Write what was found and end. Safe to repeat."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def follow(self, version: str, share: float) -> None:
        """Have a version answer a share of the requests; none where it is empty."""
        self._model = version, share

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Say that an answer is being made meanwhile."""
        self._answering += 1
        try:
            yield
        finally:
            self._answering -= 1
            self._quiet_since = time.monotonic()

    def offer(self, query: Query, list_id: int, shown: tuple[int, ...], model_version: str) -> None:
        """Take an answer that was made with a version of the model, if the sample has it; never waits."""
        version, share = self._model
        if not version or version == model_version or not shown or self._random.random() >= share:
            return
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                self._drop(version)
                return
            self._waiting.append(_Asked(query, list_id, shown, version, time.monotonic()))
            self._changed.notify_all()

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until nothing waits any more and all that was found is written; return whether that came in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._found, timeout)

    def _work(self) -> None:
        written_at = time.monotonic()
        while not self._stopping:
            asked = self._next()
            if asked is not None:
                self._answer(asked)
            if time.monotonic() - written_at >= WRITE_SECONDS:
                written_at = time.monotonic()
                self._write()
        self._write()

    def _next(self) -> _Asked | None:
        """Return what is to be answered now; None where nothing is, or answers are being made."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping, WRITE_SECONDS)
            while self._waiting and time.monotonic() - self._waiting[0].at > LONGEST_WAIT_SECONDS:
                self._drop(self._waiting.popleft().version)
            quiet = self._answering == 0 and time.monotonic() - self._quiet_since >= QUIET_SECONDS
            if not self._waiting or self._stopping:
                return None
            if not quiet:
                self._changed.wait(QUIET_SECONDS)
                return None
            return self._waiting.popleft()

    def _answer(self, asked: _Asked) -> None:
        began = time.monotonic()
        try:
            products = self._answer_again(asked.query, asked.version)
        except QuintetError as error:  # the shopper was erased meanwhile, or the database is away
            log.info("a shadow did not answer", version=asked.version, code=error.code.name)
            products = None
        except Exception:  # whatever is wrong with a model that is tried out, the agent goes on
            log.exception("a shadow did not answer", version=asked.version)
            BACKGROUND_ERRORS.labels("recommendation", "shadow").inc()
            products = None
        if products is None:
            self._drop(asked.version)
        else:
            SHADOW_ANSWERS.labels("answered").inc()
            found = ShadowList(
                asked.list_id,
                asked.version,
                overlap(asked.shown, products),
                rank_correlation(asked.shown, products),
                products,
            )
            self._found.append((began, found))
        with self._changed:
            rest = REST * (time.monotonic() - began)
            self._changed.wait_for(lambda: self._stopping, rest)

    def _drop(self, version: str) -> None:
        SHADOW_ANSWERS.labels("dropped").inc()
        self._dropped[version] += 1

    def _write(self) -> None:
        """Store what was found; what is not logged yet waits for the next time."""
        found, dropped = self._found, Counter(self._dropped)
        if not found and not dropped:
            return
        try:
            with self._database.write() as connection:
                unlogged = shadow_models.add_lists(connection, [each for _, each in found])
                shadow_models.add_dropped(connection, dropped)
        except QuintetError as error:  # tried again with the next; the log of what is given up bounds it
            log.warning("what a shadow answered was not stored", code=error.code.name)
            unlogged = [each for _, each in found]
            dropped = Counter()
        waiting = {each.list_id for each in unlogged}
        young = time.monotonic() - GIVE_UP_SECONDS
        with self._changed:
            self._found = [(at, each) for at, each in found if each.list_id in waiting and at > young]
            self._dropped = self._dropped - dropped
            self._changed.notify_all()
