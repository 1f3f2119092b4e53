"""A file that knows nothing of Quintet, with the very commands of the documentation: imported, trained on, asked.

UCI "Online Retail": 541,909 lines of invoices with returns, guests, fees and write-offs. It is looked for in the folder
of the public data sets; without it there is nothing to test. Its beginning is imported here; `python -m benchmarks.main
--only foreign` imports all of it, and the documentation says what comes of it.
"""

import json
import os
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select, text
from typer.testing import CliRunner

from cli.main import app
from shared.db.engine import Database
from shared.db.event_rows import is_kind
from shared.db.migrate import migrate
from tests.support.cluster import running_cluster

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("QUINTET_BENCH_DATA", ROOT.parent / "shared" / "data"))
FILE = DATA / "online_retail_2010_2011" / "transactions.parquet"
ROWS = 20_000
RESULTS = ROOT / "benchmarks" / "results" / "main.json"

needs_the_file = pytest.mark.skipif(not FILE.exists(), reason="the public data sets are not here")


def documented_imports() -> dict[str, list[str]]:
    """Return the arguments of the documentation's import commands for the file, by what they import."""
    block = re.search(r"```sh\n(quintet import products  retail\.parquet.*?)```", _documentation(), re.DOTALL)
    assert block is not None
    commands = block[1].replace("\\\n", " ").strip().splitlines()
    return {shlex.split(command)[2]: shlex.split(command)[1:] for command in commands}


def _documentation() -> str:
    return (ROOT / "docs" / "interchange.md").read_text()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('retail') / 'quintet.db'}")
    try:
        migrate(database)
        yield database
    finally:
        database.close()


@pytest.fixture(scope="module")
def imported(shop: Database, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each import said, with the reasons it gave for rejected rows under `reasons`."""
    beginning = tmp_path_factory.mktemp("file") / "beginning.parquet"
    pq.write_table(pq.read_table(FILE).slice(0, ROWS), beginning)
    return {kind: _import(shop, beginning, arguments) for kind, arguments in documented_imports().items()}


def _import(shop: Database, path: Path, arguments: list[str]) -> dict[str, Any]:
    rejects = Path(shop.url.removeprefix("sqlite:///")).with_name("rejects.jsonl")
    given = [str(path) if each == "retail.parquet" else each for each in arguments]
    result = CliRunner().invoke(app, [*given, "--database-url", shop.url, "--rejects", str(rejects), "--json"])
    assert result.exit_code == 1, result.output  # done, but some rows are rejected
    reasons = Counter(json.loads(line)["reason"].partition(",")[0] for line in rejects.read_text().splitlines())
    told: dict[str, Any] = json.loads(result.stdout)
    return told | {"reasons": reasons}


def counts(told: dict[str, Any]) -> tuple[int, int, int, int]:
    return told["read"], told["imported"], told["duplicates"], told["rejected"]


@needs_the_file
def test_every_row_is_imported_or_rejected_with_a_reason(imported: dict[str, dict[str, Any]]) -> None:
    assert counts(imported["products"]) == (ROWS, 2_391, ROWS - 2_391 - 71, 71)
    assert counts(imported["customers"]) == (ROWS, 559, ROWS - 559 - 6_653, 6_653)
    assert counts(imported["events"]) == (ROWS, 19_730, 0, 270)
    reasons = imported["events"]["reasons"]
    returns = sum(count for reason, count in reasons.items() if reason.startswith("quantity: is more than the"))
    unnamed = sum(count for reason, count in reasons.items() if reason.startswith("product_id: there is no product"))
    assert (returns, unnamed) == (253, 17)


@needs_the_file
def test_returns_and_guests_are_in_the_tables(shop: Database, imported: dict[str, dict[str, Any]]) -> None:
    queries = {
        "given back": "SELECT COUNT(*) FROM purchase_items WHERE refunded_quantity > 0",
        "too much given back": "SELECT COUNT(*) FROM purchase_items WHERE refunded_quantity > quantity + 1e-9",
        "paid back beyond the price": "SELECT COUNT(*) FROM purchases WHERE refunded_amount > total_amount",
        "guests": "SELECT COUNT(*) FROM visitors WHERE visitor_id LIKE 'guest:%'",
        "lines": "SELECT COUNT(*) FROM purchase_items",
        "currencies": "SELECT COUNT(DISTINCT currency) FROM purchases",
    }
    with shop.read() as connection:
        found = {name: connection.execute(text(query)).scalar_one() for name, query in queries.items()}
        refunds = connection.execute(select(func.count()).where(is_kind("refund"))).scalar_one()
    assert found["too much given back"] == found["paid back beyond the price"] == 0
    assert found["currencies"] == 1
    assert (refunds, found["given back"], found["guests"], found["lines"]) == (49, 48, 69, 19_681)


@needs_the_file
def test_it_is_trained_on_and_asked(shop: Database, imported: dict[str, dict[str, Any]]) -> None:
    runner = CliRunner()
    trained = runner.invoke(app, ["train", "--quick", "--json"], env={"QUINTET_DATABASE_URL": shop.url})
    assert trained.exit_code == 0, trained.output
    facts = json.loads(trained.stdout)
    assert facts["catalogue"]["products"] > 1_000
    assert "popular" in facts["models"]["params"]
    # what a model answers is looked at, not how soon on a machine that is busy with other tests
    with running_cluster(shop.url, agent_timeout_seconds=20, log_level="debug") as cluster:
        asked = runner.invoke(app, ["recommend", "17850", "--json", "--address", cluster.address])
        assert asked.exit_code == 0, asked.output
        answer = json.loads(asked.stdout)
        assert "fallbacks" not in answer
    assert len(answer["recommendations"]) == 10
    with shop.read() as connection:
        bought = connection.execute(text(_BOUGHT), {"customer": "17850"}).scalars().all()
    assert not {each["product_id"] for each in answer["recommendations"]} & set(bought)


def test_the_documentation_says_what_was_measured() -> None:
    rows = {each["name"]: each for each in json.loads(RESULTS.read_text())["rows"]}
    counted = [rows["foreign.lines"]["value"]]
    for kind in ("products", "customers", "events"):
        counted += [rows[f"foreign.{kind}_imported"]["value"]]
    counted += [rows["foreign.customers_imported"]["rejected"]]
    for count in counted:
        assert f"{count:,}" in _documentation()
    for kind in ("products", "customers", "events"):
        reasons = re.findall(rf"^\| {kind} \| ([\d,]+) \|", _documentation(), re.MULTILINE)
        rejected = sum(int(each.replace(",", "")) for each in reasons)
        assert rejected == rows[f"foreign.{kind}_imported"]["rejected"]


_BOUGHT = """
    SELECT p.external_id FROM purchase_items i
    JOIN purchases o ON o.purchase_id = i.purchase_id JOIN customers c ON c.customer_id = o.customer_id
    JOIN products p ON p.product_id = i.product_id WHERE c.external_id = :customer
"""
