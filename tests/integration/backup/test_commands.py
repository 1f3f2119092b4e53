"""`quintet backup`, `restore` and `check` as an operator runs them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from shared.db.engine import Database
from shared.db.schema import event_cursors
from tests.support.events import NOON
from tests.support.shop import add_products


@pytest.fixture(autouse=True)
def of_the_test(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUINTET_DATABASE_URL", sqlite_database.url)


def test_back_up_restore_and_check(sqlite_database: Database, tmp_path: Path) -> None:
    add_products(sqlite_database, "tea")
    file = str(tmp_path / "quintet.backup")
    made = CliRunner().invoke(app, ["backup", file, "--json"])
    assert json.loads(made.stdout)["bytes"] > 0
    sqlite_database.close()
    refused = CliRunner().invoke(app, ["restore", file])
    assert (refused.exit_code, "--replace" in refused.output) == (1, True)
    assert CliRunner().invoke(app, ["restore", file, "--replace"]).exit_code == 0
    assert json.loads(CliRunner().invoke(app, ["check", "--json"]).stdout)["whole"] is True
    with sqlite_database.write() as connection:
        row = {"consumer": "customer", "sequence": 7, "updated_at": NOON}
        connection.execute(event_cursors.insert().values(row))
    broken = CliRunner().invoke(app, ["check"])
    assert (broken.exit_code, "customer has applied event 7" in broken.output) == (1, True)
