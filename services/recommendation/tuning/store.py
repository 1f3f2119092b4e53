"""Where trials are kept, so that none is made twice."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from shared.db import tuning
from shared.db.engine import Database
from shared.db.tuning import Trial, params_hash

KEPT = timedelta(days=30)
"""Trials older than this are forgotten when tuning begins: the data has moved on."""


class Store(Protocol):
    """Keeps trials."""

    def trials(self, fingerprint: str, algorithm: str) -> dict[str, Trial]:
        """Return what was tried on the same data and questions, by `params_hash`."""
        ...

    def save(self, trial: Trial) -> None:
        """Keep a trial."""
        ...


class MemoryStore:
    """Keeps trials as long as it lives."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], dict[str, Trial]] = {}

    def trials(self, fingerprint: str, algorithm: str) -> dict[str, Trial]:
        """Return what was tried on the same data and questions, by `params_hash`."""
        return dict(self._kept.get((fingerprint, algorithm), {}))

    def save(self, trial: Trial) -> None:
        """Keep a trial."""
        self._kept.setdefault((trial.fingerprint, trial.algorithm), {})[params_hash(trial.params)] = trial


class DatabaseStore:
    """Keeps trials in the database, each in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def trials(self, fingerprint: str, algorithm: str) -> dict[str, Trial]:
        """Return what was tried on the same data and questions, by `params_hash`."""
        with self._database.read() as connection:
            return tuning.trials(connection, fingerprint, algorithm)

    def save(self, trial: Trial) -> None:
        """Keep a trial."""
        with self._database.write() as connection:
            tuning.save_trial(connection, trial)

    def forget_old(self) -> None:
        """Delete what is of no use any more."""
        with self._database.write() as connection:
            tuning.forget_trials(connection, datetime.now(UTC) - KEPT)
