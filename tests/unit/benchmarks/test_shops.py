"""A shop of the serving benchmark is imported and trained by the command line, once."""

import json
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks import command
from benchmarks.serving import shops
from benchmarks.serving.generated import Size
from benchmarks.serving.shops import KINDS, Shop
from cli.main import app
from shared.db import models
from shared.db.engine import Database

pytestmark = pytest.mark.slow
SIZE = Size(products=60, customers=40, events=400, seed=1)


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands run in this process: `test_command_line` starts another, which takes seconds each time."""

    def run(environment: Mapping[str, str], *arguments: str, accepted: Container[int] = (0,), **_: Any) -> Any:
        result = CliRunner().invoke(app, arguments, env=environment)
        assert result.exit_code in accepted, result.output
        return json.loads(result.stdout) if "--json" in arguments else result.stdout

    for module in (command, shops):
        monkeypatch.setattr(module, "quintet", run)


def test_a_shop_is_prepared_once_and_copied_as_often_as_wanted(tmp_path: Path):
    shop = Shop("small", tmp_path / "small", SIZE)
    said: list[str] = []
    shop.prepare(said.append)
    assert {kind: shop.facts["import"][kind]["imported"] for kind in KINDS} == {
        "customers": SIZE.customers,
        "products": SIZE.products,
        "events": SIZE.events,
    }
    assert {kind: shop.facts["import"][kind]["rejected"] for kind in KINDS} == dict.fromkeys(KINDS, 0)
    assert said[-1] == "small: training"

    said.clear()
    shop.prepare(said.append)
    shop.prepare(said.append, reuse=True)
    assert said == []

    database = Database(shop.copy(tmp_path / "run" / "quintet.db"))
    with database.read() as connection:
        assert models.active_version(connection, "recommender")
    database.close()
