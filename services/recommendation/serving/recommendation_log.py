"""The logbook: every recommendation durable before it is shown, many answers in one transaction.

A thread of its own takes all answers that wait and commits them together, so that the cost of a durable commit is
shared when calls come in at once, and a single call waits for nobody.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue

from shared.db.engine import Database
from shared.db.recommendations import NewRecommendation, log_recommendations
from shared.errors import Unavailable

MOST_ROWS = 5_000
WAIT_SECONDS = 20.0


@dataclass(eq=False)
class _Entry:
    rows: Sequence[NewRecommendation]
    ids: "Future[list[int]]" = field(default_factory=Future)


class RecommendationLog:
    """Appends recommendations. `start` before use; `stop` writes what still waits."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: SimpleQueue[_Entry | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="logbook", daemon=True)

    def start(self) -> None:
        """Start the writing thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits and end the thread. Safe to repeat."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def append(self, rows: Sequence[NewRecommendation]) -> list[int]:
        """Log the rows of one answer and return their ids in their order, once they are durable.

        Raises Unavailable when the database is out of reach, StaleReference when the customer was erased meanwhile.
        """
        if not rows:
            return []
        if not self._thread.is_alive():
            raise Unavailable("recommendations cannot be logged: the agent is stopping")
        entry = _Entry(rows)
        self._queue.put(entry)
        return entry.ids.result(WAIT_SECONDS)

    def _work(self) -> None:
        while (entry := self._queue.get()) is not None:
            batch, more = [entry], True
            while more and not self._queue.empty() and sum(len(each.rows) for each in batch) < MOST_ROWS:
                another = self._queue.get()
                more = another is not None
                if another is not None:
                    batch.append(another)
            self._write(batch)
            if not more:
                return

    def _write(self, batch: Sequence[_Entry]) -> None:
        """Commit a batch; when it fails, each answer alone, so that one that cannot be logged spoils no other."""
        try:
            with self._database.write() as connection:
                ids = log_recommendations(connection, [row for entry in batch for row in entry.rows])
        except Exception as error:
            if len(batch) == 1:
                batch[0].ids.set_exception(error)
                return
            for entry in batch:
                self._write([entry])
            return
        start = 0
        for entry in batch:
            entry.ids.set_result(ids[start : start + len(entry.rows)])
            start += len(entry.rows)
