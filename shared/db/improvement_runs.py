"""Runs of continuous improvement: a change, what triggered it, the evidence for it, and how far it is.

A run of kind `model` is added by the training that made its candidate and moved on by the coordinator; one of kind
`weights` is recorded by the coordinator. At most one run of a kind is open. A run is moved from the state that was
read, or not at all.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from shared.db.engine import replace_rows
from shared.db.models import family
from shared.db.newest_first import Place, newest_first
from shared.db.schema import improvement_control, improvement_runs, shadow_models
from shared.errors import Conflict

MODEL, WEIGHTS = "model", "weights"
OFFLINE_TEST, CANARY, HOLDBACK = "OFFLINE_TEST", "CANARY", "HOLDBACK"
LIVE, REJECTED, ROLLED_BACK, FAILED = "LIVE", "REJECTED", "ROLLED_BACK", "FAILED"
ENDED = (LIVE, REJECTED, ROLLED_BACK, FAILED)
STATES = (OFFLINE_TEST, CANARY, HOLDBACK, *ENDED)
SCHEDULE, DRIFT, OPERATOR = "schedule", "drift", "operator"
TRIGGERS = (SCHEDULE, DRIFT, OPERATOR)
_CONTROL = 1


@dataclass(frozen=True)
class ImprovementRun:
    """A run.

    Attributes
    ----------
    run_id, kind, state, trigger : str
    former, candidate : str
        The version that it would replace (empty for none) and that it would put in use.
    reason : str
        Why it is in its state, for people.
    started_at, state_since : datetime
    drift_day : int or None
        The day whose drift triggered it, since 1970-01-01 in UTC.
    cutoff : datetime or None
        What came after it was not learned from.
    experiment_id : str or None
        Of the canary, then of the holdback.
    evidence : dict
        Numbers by stage: `offline`, `canary`, `holdback`, `weights`.
    ended_at : datetime or None
    """

    run_id: str
    kind: str
    state: str
    trigger: str
    former: str
    candidate: str
    reason: str
    started_at: datetime
    state_since: datetime
    drift_day: int | None
    cutoff: datetime | None
    experiment_id: str | None
    evidence: dict[str, Any]
    ended_at: datetime | None

    @classmethod
    def of(
        cls,
        kind: str,
        state: str,
        trigger: str,
        former: str,
        candidate: str,
        reason: str,
        now: datetime,
        *,
        drift_day: int | None = None,
        cutoff: datetime | None = None,
        evidence: dict[str, Any] | None = None,
    ) -> "ImprovementRun":
        """Return a new run that enters a state now; one that is over at once ends now."""
        ended_at = now if state in ENDED else None
        run_id = uuid.uuid4().hex
        return cls(
            run_id,
            kind,
            state,
            trigger,
            former,
            candidate,
            reason,
            now,
            now,
            drift_day,
            cutoff,
            None,
            evidence or {},
            ended_at,
        )

    def moved(self, state: str, reason: str, now: datetime, **evidence: Any) -> "ImprovementRun":
        """Return the run in another state since now, with more evidence."""
        ended_at = now if state in ENDED else None
        more = {**self.evidence, **evidence}
        return replace(self, state=state, reason=reason, state_since=now, ended_at=ended_at, evidence=more)


@dataclass(frozen=True)
class Control:
    """Whether improvement is paused, since when and why."""

    paused: bool
    changed_at: datetime | None = None
    reason: str = ""


def add(connection: Connection, run: ImprovementRun) -> None:
    """Record a new run. Raises Conflict where one of its kind is open."""
    if run.ended_at is None:
        require_none_open(connection, run.kind)
    connection.execute(improvement_runs.insert().values(run.__dict__))


def save(connection: Connection, run: ImprovementRun, read: str) -> bool:
    """Store a run that was in the state `read`; return whether it still was: nothing is changed otherwise."""
    columns = improvement_runs.c
    row = improvement_runs.update().where(columns.run_id == run.run_id, columns.state == read)
    return connection.execute(row.values(run.__dict__)).rowcount == 1


def get(connection: Connection, run_id: str) -> ImprovementRun | None:
    """Return a run; None for an unknown id."""
    return _run(connection.execute(select(improvement_runs).where(improvement_runs.c.run_id == run_id)).one_or_none())


def open_run(connection: Connection, kind: str = MODEL) -> ImprovementRun | None:
    """Return the run of a kind that goes on; None where there is none."""
    columns = improvement_runs.c
    query = select(improvement_runs).where(columns.kind == kind, columns.ended_at.is_(None))
    return _run(connection.execute(query).one_or_none())


def require_none_open(connection: Connection, kind: str = MODEL) -> None:
    """Raise Conflict where a run of a kind goes on."""
    other = open_run(connection, kind)
    if other is not None:
        raise Conflict(f"improvement run {other.run_id} is in state {other.state}: wait until it has ended")


def page(
    connection: Connection,
    kinds: Collection[str],
    states: Collection[str],
    after: Place | None,
    limit: int,
) -> list[ImprovementRun]:
    """Return runs, newest first, `after` the start and the id of one; of all kinds or states where none is given."""
    newest = newest_first(improvement_runs, improvement_runs.c.run_id, kinds, states, after, limit)
    return [ImprovementRun(**row._mapping) for row in connection.execute(newest)]


def of_candidate(connection: Connection, candidate: str, kind: str = MODEL) -> ImprovementRun | None:
    """Return the latest run that put a version in use, or would; None for none."""
    columns = improvement_runs.c
    query = select(improvement_runs).where(columns.kind == kind, columns.candidate == candidate)
    return _run(connection.execute(query.order_by(columns.started_at.desc(), columns.run_id).limit(1)).one_or_none())


def not_let_through(connection: Connection) -> set[str]:
    """Return the candidates, as `models.family` names them, that the gate did not let through, or not yet."""
    columns = improvement_runs.c
    query = select(columns.candidate).where(columns.kind == MODEL, columns.state.not_in((LIVE, HOLDBACK)))
    return {family(each) for each in connection.execute(query).scalars()}


def versions_in_use(connection: Connection) -> list[str]:
    """Return the versions of models that an open run or a shadow needs."""
    run = open_run(connection)
    shadows = connection.execute(select(shadow_models.c.version)).scalars().all()
    return [*shadows, *((run.former, run.candidate) if run else ())]


def control(connection: Connection) -> Control:
    """Return whether improvement is paused."""
    columns = improvement_control.c
    row = connection.execute(select(columns.paused, columns.changed_at, columns.reason)).one_or_none()
    return Control(False) if row is None else Control(*row)


def set_paused(connection: Connection, *, paused: bool, reason: str, now: datetime) -> Control:
    """Pause or resume, and return what holds; since when and why stay where nothing changes."""
    before = control(connection)
    if before.paused == paused:
        return before
    row = {"id": _CONTROL, "paused": paused, "changed_at": now, "reason": reason}
    replace_rows(connection, improvement_control, ["id"], [row])
    return control(connection)


def _run(row: Any) -> ImprovementRun | None:
    return None if row is None else ImprovementRun(**row._mapping)
