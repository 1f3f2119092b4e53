"""The log of recommendations is written behind the answer: an answer never waits for the database.

A thread commits what was appended in groups. The queue is bounded: when the database is out of reach for long, the rows
of further answers are dropped and counted. A crash loses what waits, which is about GROUP_SECONDS of it.
"""

import threading
from collections import deque
from collections.abc import Sequence

import structlog

from shared.db.engine import Database, StaleReference
from shared.db.recommendations import NewList, log_recommendations, new_writer
from shared.errors import FailedPrecondition, Unavailable
from shared.recommendation_tokens import RecommendationNumbers
from shared.telemetry import RECOMMENDATIONS_DROPPED

GROUP_SECONDS = 0.1
GROUP_ROWS = 5_000
MOST_WAITING_ROWS = 100_000
RETRY_SECONDS = 1.0
LOG_DROPPED = "log_dropped"
"""What `fallbacks` of an answer says when its rows were dropped."""
log = structlog.get_logger()


class RecommendationLog:
    """Numbers and logs recommendations. `start` before use; `stop` writes what still waits.

    Parameters
    ----------
    agent : str
        Name in the metrics.
    most_waiting_rows : int
        Rows that may wait; the rows of an answer beyond that are dropped.
    """

    def __init__(self, database: Database, agent: str, most_waiting_rows: int = MOST_WAITING_ROWS) -> None:
        self._database = database
        self._agent = agent
        self._most = most_waiting_rows
        self._numbers: RecommendationNumbers | None = None
        self._lists: deque[NewList] = deque()
        self._waiting_rows = 0
        self._unwritten_lists = 0
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="recommendation log", daemon=True)

    def start(self) -> None:
        """Take a writer number from the database and start the thread. Raises Unavailable."""
        with self._database.write() as connection:
            self._numbers = RecommendationNumbers(new_writer(connection))
        self._thread.start()

    def stop(self) -> None:
        """Write what waits and end the thread. Safe to repeat."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def take_number(self) -> int:
        """Return the number of a new list. No other process gives the same one."""
        if self._numbers is None:
            raise FailedPrecondition("the log of recommendations has not been started")
        return self._numbers.take()

    def append(self, new: NewList) -> bool:
        """Take the list of one answer, to be written soon, and return at once.

        Returns False when it is dropped, because too many recommendations wait or the log is stopping. A list of
        nothing is not written.
        """
        count = new.items.count
        with self._changed:
            taken = not self._stopping and self._waiting_rows + count <= self._most
            if taken and count:
                self._lists.append(new)
                self._waiting_rows += count
                self._unwritten_lists += 1
                self._changed.notify_all()
        if not taken:
            RECOMMENDATIONS_DROPPED.labels(self._agent, "queue_full").inc(count)
        return taken

    def wait_until_written(self, timeout: float) -> bool:
        """Wait until nothing waits any more and return whether that came within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._unwritten_lists == 0, timeout)

    def _work(self) -> None:
        while group := self._next_group():
            self._write(group)
            with self._changed:
                self._unwritten_lists -= len(group)
                self._changed.notify_all()

    def _next_group(self) -> list[NewList]:
        """Return the lists to write together; none when the log is stopped and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._lists or self._stopping)
            self._changed.wait_for(lambda: self._waiting_rows >= GROUP_ROWS or self._stopping, GROUP_SECONDS)
            group: list[NewList] = []
            count = 0
            while self._lists and count < GROUP_ROWS:
                group.append(self._lists.popleft())
                count += group[-1].items.count
            self._waiting_rows -= count
        return group

    def _write(self, group: Sequence[NewList]) -> None:
        """Commit a group; when one of its lists cannot be written, each list alone, so that only that one is lost."""
        try:
            self._commit(group)
        except Exception as error:  # of any kind: one list that cannot be written must not end the thread
            if len(group) > 1 and not isinstance(error, Unavailable):
                for each in group:
                    self._write([each])
                return
            reason = "shopper_gone" if isinstance(error, StaleReference) else "write_failed"
            count = sum(each.items.count for each in group)
            RECOMMENDATIONS_DROPPED.labels(self._agent, reason).inc(count)
            log.warning("recommendations were not logged", reason=reason, rows=count, error=type(error).__name__)

    def _commit(self, lists: Sequence[NewList]) -> None:
        """Commit lists and try again while the database is out of reach; raise Unavailable only when stopping."""
        while True:
            try:
                with self._database.write() as connection:
                    log_recommendations(connection, lists)
                return
            except Unavailable:
                with self._changed:
                    if self._changed.wait_for(lambda: self._stopping, RETRY_SECONDS):
                        raise
