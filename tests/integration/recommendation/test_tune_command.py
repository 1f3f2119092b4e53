"""`quintet tune` on a database: it shows how far it is, what is in force and why, and takes things back."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from shared.db import tuning
from shared.db.engine import Database
from shared.db.tuning import Tuned

EVIDENCE = {
    "decision": "better than the defaults beyond chance",
    "default": 0.0473,
    "chosen": 0.0512,
    "difference": {"value": 0.0039, "low": 0.0021, "high": 0.0057},
    "questions": 2000,
    "protocol": "top-n-discovery",
    "trials": 12,
}


def quintet(database: Database, *arguments: str) -> Result:
    environment = {"COLUMNS": "200", "QUINTET_DATABASE_URL": database.url, "QUINTET_TRAIN_THREADS": "1"}
    return CliRunner().invoke(app, ["tune", *arguments], env=environment)


def printed(database: Database, *arguments: str) -> dict[str, Any]:
    result = quintet(database, *arguments, "--json")
    assert result.exit_code == 0, result.output
    said: dict[str, Any] = json.loads(result.stdout)
    return said


@pytest.fixture
def decided(database: Database) -> Database:
    """A database in which two algorithms were decided on."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    few = {"decision": "the defaults stay: only 7 customers could be asked, 50 are needed"}
    with database.write() as connection:
        tuning.set_tuned(connection, Tuned("ease", {"l2": 1000.0}, EVIDENCE, 560, now))
        tuning.set_tuned(connection, Tuned("content", {}, few, 560, now))
    return database


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_it_tunes_and_goes_on(tunable: Database) -> None:
    # On one database: a job that is killed goes on with both, see test_tuning.
    wish = ("--algorithm", "popular", "--trials", "2")
    first = quintet(tunable, *wish)
    assert first.exit_code == 0, first.output
    assert "popular" in first.stdout
    assert "0 trials found, 2 made" in first.stdout
    assert "tuning: 100% done" in first.stderr
    again = printed(tunable, *wish, "--minutes", "5")
    assert (again["trials_found"], again["trials_made"]) == (2, 0)
    assert printed(tunable, "--show")["algorithms"]["popular"]["events"] == 560


def test_nothing_in_force_is_said(database: Database) -> None:
    assert "nothing was tuned yet" in quintet(database, "--show").stdout


def test_defaults_that_stay_were_tuned_too(decided: Database) -> None:
    printed(decided, "--reset", "ease")
    text = quintet(decided, "--show").stdout
    assert "only 7 customers" in text
    assert "nothing was tuned yet" not in text


def test_what_is_in_force_is_shown_with_its_evidence(decided: Database) -> None:
    text = quintet(decided, "--show").stdout
    for words in (
        "0.0473",
        "0.0512",
        "+0.0039 (+0.0021 to +0.0057)",
        "l2 1000.0",
        "2,000 questions",
        "only 7 customers",
    ):
        assert words in text
    shown = printed(decided, "--show")["algorithms"]
    assert shown["ease"]["evidence"] == EVIDENCE
    assert (shown["ease"]["params"], shown["ease"]["tuned_at"]) == ({"l2": 1000.0}, "2026-03-01T00:00:00+00:00")


def test_a_reset_returns_to_the_defaults(decided: Database) -> None:
    assert printed(decided, "--reset", "ease")["algorithms"]["ease"]["params"] == {}
    unknown = quintet(decided, "--reset", "nobody")
    assert unknown.exit_code == 1
    assert "NOT_FOUND" in unknown.output


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--show", "--address", "127.0.0.1:1"), 2, "leave --address out"),
        (("--algorithm", "nobody"), 1, "must be one of"),
        (("--minutes", "-1"), 2, "--minutes"),
        ((), 1, "import events first"),
        (("--address", "127.0.0.1:1"), 1, "UNAVAILABLE"),
    ],
)
def test_what_cannot_be_done_is_said(
    sqlite_database: Database, arguments: tuple[str, ...], code: int, words: str
) -> None:
    result = quintet(sqlite_database, *arguments)
    assert result.exit_code == code
    assert words in result.output
