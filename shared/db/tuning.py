"""Trials of algorithms' parameters, and the parameters that tuning chose. Written by the recommendation agent."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from shared.db.engine import insert_into
from shared.db.schema import tuned_parameters, tuning_trials

STORED_GAINS = np.dtype("<f4")


@dataclass(frozen=True, eq=False)
class Trial:
    """One configuration of an algorithm, measured.

    Attributes
    ----------
    fingerprint : str
        Says on which data and questions it was measured; trials compare only where it is the same.
    algorithm : str
    params : dict
        The whole configuration, JSON-able.
    gains : ndarray of shape (n_questions,), float32
        The metric of each question.
    seconds : float
        What the trial took.
    created_at : datetime
    """

    fingerprint: str
    algorithm: str
    params: dict[str, Any]
    gains: NDArray[np.float32]
    seconds: float
    created_at: datetime

    @property
    def value(self) -> float:
        """Mean over the questions."""
        return float(self.gains.mean(dtype=np.float64)) if len(self.gains) else 0.0


@dataclass(frozen=True)
class Tuned:
    """What tuning decided on an algorithm.

    Attributes
    ----------
    algorithm : str
    params : dict
        What differs from the default configuration; empty where that stays.
    evidence : dict
        What it rests on, JSON-able.
    events : int
        Interactions there were at the time.
    tuned_at : datetime
    """

    algorithm: str
    params: dict[str, Any]
    evidence: dict[str, Any]
    events: int
    tuned_at: datetime


def params_hash(params: Mapping[str, Any]) -> str:
    """Return what tells configurations apart: SHA-256 of the parameters as sorted JSON, hexadecimal."""
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()


def save_trial(connection: Connection, trial: Trial) -> bool:
    """Store a trial and return whether it is new; one with the same fingerprint, algorithm and parameters stays."""
    row = {
        "fingerprint": trial.fingerprint,
        "algorithm": trial.algorithm,
        "params_hash": params_hash(trial.params),
        "params": trial.params,
        "value": trial.value,
        "gains": trial.gains.astype(STORED_GAINS).tobytes(),
        "questions": len(trial.gains),
        "seconds": trial.seconds,
        "created_at": trial.created_at,
    }
    statement = insert_into(connection, tuning_trials).values(row).on_conflict_do_nothing()
    return connection.execute(statement.returning(tuning_trials.c.params_hash)).one_or_none() is not None


def trials(connection: Connection, fingerprint: str, algorithm: str) -> dict[str, Trial]:
    """Return the trials of an algorithm on the same data and questions, by `params_hash`."""
    columns = tuning_trials.c
    rows = connection.execute(
        select(columns.params_hash, columns.params, columns.gains, columns.seconds, columns.created_at).where(
            columns.fingerprint == fingerprint, columns.algorithm == algorithm
        )
    )
    return {
        row.params_hash: Trial(
            fingerprint,
            algorithm,
            row.params,
            np.frombuffer(row.gains, STORED_GAINS).astype(np.float32),
            row.seconds,
            row.created_at,
        )
        for row in rows
    }


def forget_trials(connection: Connection, before: datetime) -> int:
    """Delete the trials made before a moment and return how many there were."""
    return connection.execute(tuning_trials.delete().where(tuning_trials.c.created_at < before)).rowcount


def set_tuned(connection: Connection, tuned: Tuned) -> None:
    """Put what was decided on an algorithm in force, in place of what was decided before."""
    row = {
        "algorithm": tuned.algorithm,
        "params": tuned.params,
        "evidence": tuned.evidence,
        "events": tuned.events,
        "tuned_at": tuned.tuned_at,
    }
    statement = insert_into(connection, tuned_parameters).values(row)
    replaced = {name: value for name, value in row.items() if name != "algorithm"}
    connection.execute(statement.on_conflict_do_update(index_elements=[tuned_parameters.c.algorithm], set_=replaced))


def all_tuned(connection: Connection) -> dict[str, Tuned]:
    """Return what is in force, by algorithm in alphabetical order; nothing before the first tuning."""
    rows = connection.execute(select(tuned_parameters).order_by(tuned_parameters.c.algorithm))
    return {row.algorithm: Tuned(**row._mapping) for row in rows}


def reset(connection: Connection, algorithm: str, now: datetime) -> bool:
    """Return an algorithm to its default configuration; False where nothing was ever decided on it.

    The decision stays on record as one for the defaults, so that it is not taken back before the data has changed.
    """
    columns = tuned_parameters.c
    values = {"params": {}, "evidence": {"decision": "reset by hand"}, "tuned_at": now}
    changed = connection.execute(tuned_parameters.update().where(columns.algorithm == algorithm).values(values))
    return bool(changed.rowcount)
