"""A file that knows nothing of Quintet, with the very commands of the documentation: imported, trained on, asked.

UCI "Online Retail": 541,909 lines of invoices with returns, guests, fees and write-offs. It is looked for in the folder
of the public data sets; without it there is nothing to test. All of it is imported; trained on is its beginning.
"""

import json
import os
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
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
ROWS = 541_909
TRAINED_ON = 20_000

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not FILE.exists(), reason="the public data sets are not here")]


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
    with _empty(tmp_path_factory.mktemp("retail")) as database:
        yield database


@contextmanager
def _empty(folder: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{folder / 'quintet.db'}")
    try:
        migrate(database)
        yield database
    finally:
        database.close()


@pytest.fixture(scope="module")
def imported(shop: Database) -> dict[str, dict[str, Any]]:
    """What each import said, with the reasons it gave for rejected rows under `reasons`."""
    return {kind: _import(shop, FILE, arguments) for kind, arguments in documented_imports().items()}


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


def test_every_row_is_imported_or_rejected_with_a_reason(imported: dict[str, dict[str, Any]]) -> None:
    assert counts(imported["products"]) == (ROWS, 3_958, ROWS - 3_958 - 1_456, 1_456)
    assert counts(imported["customers"]) == (ROWS, 4_372, ROWS - 4_372 - 135_080, 135_080)
    assert counts(imported["events"]) == (ROWS, 538_751, 0, 3_158)
    reasons = imported["events"]["reasons"]
    returns = sum(count for reason, count in reasons.items() if reason.startswith("quantity: is more than the"))
    unnamed = sum(count for reason, count in reasons.items() if reason.startswith("product_id: there is no product"))
    apart = sum(count for reason, count in reasons.items() if reason.startswith("order_id: is recorded with other"))
    assert (returns, unnamed, apart, reasons["price: must not be negative"]) == (3_009, 112, 35, 2)
    for count in (538_751, 3_009, 112):
        assert f"{count:,}" in _documentation()


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
    assert refunds > 5_000
    assert found["given back"] > 5_000
    assert found["guests"] > 1_000
    assert found["lines"] > 525_000


def test_it_is_trained_on_and_asked(tmp_path: Path) -> None:
    beginning = tmp_path / "beginning.parquet"
    pq.write_table(pq.read_table(FILE).slice(0, TRAINED_ON), beginning)
    with _empty(tmp_path) as shop:
        for arguments in documented_imports().values():
            _import(shop, beginning, arguments)
        _train_and_ask(shop)


def _train_and_ask(shop: Database) -> None:
    runner = CliRunner()
    trained = runner.invoke(app, ["train", "--json"], env={"QUINTET_DATABASE_URL": shop.url})
    assert trained.exit_code == 0, trained.output
    facts = json.loads(trained.stdout)
    assert facts["catalogue"]["products"] > 1_000
    assert "popular" in facts["models"]["params"]
    with running_cluster(shop.url) as cluster:
        asked = runner.invoke(app, ["recommend", "17850", "--json", "--address", cluster.address])
    assert asked.exit_code == 0, asked.output
    answer = json.loads(asked.stdout)
    assert len(answer["recommendations"]) == 10
    assert "fallbacks" not in answer
    with shop.read() as connection:
        bought = connection.execute(text(_BOUGHT), {"customer": "17850"}).scalars().all()
    assert not {each["product_id"] for each in answer["recommendations"]} & set(bought)


_BOUGHT = """
    SELECT p.external_id FROM purchase_items i
    JOIN purchases o ON o.purchase_id = i.purchase_id JOIN customers c ON c.customer_id = o.customer_id
    JOIN products p ON p.product_id = i.product_id WHERE c.external_id = :customer
"""
