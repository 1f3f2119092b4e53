"""Weights of the hybrid, written by the feedback agent. Every change is a new version; the highest is in force."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from shared.algorithms import DEFAULT_WEIGHTS
from shared.db.engine import next_count
from shared.db.schema import algorithm_weights

VERSION_COUNTER = "algorithm_weights"


@dataclass(frozen=True)
class Weights:
    """The weights of one version by algorithm; they add up to 1. An algorithm that is not named weighs 0.

    Version 0 stands for the defaults of `shared.algorithms`; it has no `updated_at`.
    """

    version: int
    weights: dict[str, float]
    rationale: str
    updated_at: datetime | None


def weights_version(connection: Connection) -> int:
    """Return the version in force, one index lookup; 0 when only the defaults are."""
    return int(connection.execute(select(func.coalesce(func.max(algorithm_weights.c.version), 0))).scalar_one())


def current_weights(connection: Connection) -> Weights:
    """Return the weights in force; the defaults when none were ever set."""
    return weights_of(connection, weights_version(connection))


def weights_of(connection: Connection, version: int) -> Weights:
    """Return the weights of a version; the defaults for one that was never set."""
    columns = algorithm_weights.c
    rows = connection.execute(
        select(columns.algorithm, columns.weight, columns.rationale, columns.created_at)
        .where(columns.version == version)
        .order_by(columns.weight.desc(), columns.algorithm)
    ).all()
    if not rows:
        return Weights(0, dict(DEFAULT_WEIGHTS), "The weights of a new installation.", None)
    return Weights(version, {row.algorithm: row.weight for row in rows}, rows[0].rationale, rows[0].created_at)


def set_weights(connection: Connection, weights: Mapping[str, float], rationale: str, now: datetime) -> Weights:
    """Put weights in force as a new version and return it. Two calls at once get a version each.

    Raises
    ------
    ValueError
        If there is none.
    """
    if not weights:
        raise ValueError("weights: at least one is required")
    version = next_count(connection, VERSION_COUNTER)
    rows = [
        {"version": version, "algorithm": name, "weight": weight, "rationale": rationale, "created_at": now}
        for name, weight in weights.items()
    ]
    connection.execute(algorithm_weights.insert(), rows)
    return Weights(version, dict(weights), rationale, now)
