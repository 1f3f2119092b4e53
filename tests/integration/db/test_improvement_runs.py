"""Improvement runs: one is open at a time, and a run moves from the state that was read or not at all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from shared.db import improvement_runs, shadow_models
from shared.db.engine import Database, StaleReference
from shared.db.improvement_runs import CANARY, HOLDBACK, LIVE, MODEL, REJECTED, WEIGHTS, Control, ImprovementRun
from shared.db.schema import improvement_runs as table
from shared.errors import Conflict

NOW = datetime(2026, 3, 10, tzinfo=UTC)


def new(state: str = CANARY, kind: str = MODEL, candidate: str = "v2", ago: int = 0) -> ImprovementRun:
    moment = NOW - timedelta(hours=ago)
    return ImprovementRun.of(
        kind, state, "drift", "v1", candidate, "So it is.", moment, drift_day=20_000, cutoff=moment
    )


def add(database: Database, *runs: ImprovementRun) -> None:
    with database.write() as connection:
        for run in runs:
            improvement_runs.add(connection, run)


def test_a_run_is_kept_as_it_is(database: Database) -> None:
    run = new()
    add(database, run)
    with database.read() as connection:
        assert improvement_runs.get(connection, run.run_id) == run == improvement_runs.open_run(connection)
        assert improvement_runs.get(connection, "gone") is None
        assert improvement_runs.open_run(connection, WEIGHTS) is None
        assert improvement_runs.versions_in_use(connection) == ["v1", "v2"]


def test_a_run_moves_from_the_state_that_was_read_or_not_at_all(database: Database) -> None:
    run = new()
    add(database, run)
    first, second = run.moved(HOLDBACK, "Better.", NOW, canary=[1]), run.moved(REJECTED, "Worse.", NOW)
    with database.write() as connection:
        assert improvement_runs.save(connection, first, CANARY)
        assert not improvement_runs.save(connection, second, CANARY), "another coordinator was faster"
        assert improvement_runs.get(connection, run.run_id) == first
        assert improvement_runs.save(connection, first.moved(LIVE, "Held.", NOW, holdback=[2]), HOLDBACK)
        ended = improvement_runs.get(connection, run.run_id)
        assert ended is not None
        assert (ended.evidence, ended.ended_at) == ({"canary": [1], "holdback": [2]}, NOW)
        assert improvement_runs.open_run(connection) is None


def test_one_run_of_a_kind_is_open(database: Database) -> None:
    add(database, new(), new(LIVE, candidate="v0"), new(LIVE, WEIGHTS))
    with pytest.raises(Conflict, match="CANARY"):
        add(database, new(candidate="v3"))
    with pytest.raises((IntegrityError, StaleReference)), database.write() as connection:
        connection.execute(table.insert().values(new(candidate="v3").__dict__))


def test_pages_are_newest_first_and_by_kind(database: Database) -> None:
    runs = [new(LIVE, kind, ago=hour) for hour, kind in enumerate([MODEL, WEIGHTS, MODEL])]
    twin = replace(new(LIVE, ago=2), run_id="zz")
    add(database, *reversed(runs), twin)
    with database.read() as connection:
        first = improvement_runs.page(connection, [], [], None, 2)
        rest = improvement_runs.page(connection, [], [], (first[-1].started_at, first[-1].run_id), 9)
        assert [*first, *rest] == [runs[0], runs[1], *sorted([runs[2], twin], key=lambda each: each.run_id)]
        assert improvement_runs.page(connection, [WEIGHTS], [LIVE], None, 9) == [runs[1]]
        assert improvement_runs.page(connection, [MODEL], [REJECTED], None, 9) == []


def test_what_was_not_let_through_is_known_by_the_name_of_its_model(database: Database) -> None:
    add(database, new(REJECTED, candidate="v2"), new(LIVE, candidate="v3"), new(REJECTED, WEIGHTS, candidate="7"))
    with database.read() as connection:
        assert improvement_runs.not_let_through(connection) == {"v2"}
        found = improvement_runs.of_candidate(connection, "v3")
        assert found is not None
        assert found.state == LIVE


def test_shadows_are_in_use(database: Database) -> None:
    with database.write() as connection:
        shadow_models.mark(connection, "v9", 0.1, NOW)
        assert improvement_runs.versions_in_use(connection) == ["v9"]


def test_a_pause_says_since_when_and_why(database: Database) -> None:
    later = NOW + timedelta(hours=1)
    with database.write() as connection:
        assert improvement_runs.control(connection) == Control(False)
        paused = improvement_runs.set_paused(connection, paused=True, reason="sale", now=NOW)
        assert paused == Control(True, NOW, "sale")
        assert improvement_runs.set_paused(connection, paused=True, reason="again", now=later) == paused
        resumed = improvement_runs.set_paused(connection, paused=False, reason="over", now=later)
        assert resumed == Control(False, later, "over") == improvement_runs.control(connection)
