"""Imports of customers and products on both databases."""

from pathlib import Path
from typing import Any

import pytest

from cli.importing.errors import ImportAborted
from cli.importing.request import Imported, ImportRequest, import_files
from shared.consent import Consent
from shared.db import customers, products
from shared.db.engine import Database
from shared.db.products import Product
from shared.errors import FailedPrecondition
from tests.integration.importing.conftest import Import, rejects_of, write_jsonl


def test_customers_are_added_updated_and_left_alone(run: Import, database: Database, tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_text("customer_id,email,age,region,demographics.attributes.income\nc1,a@x.org,42,Bavaria,low\nc2,,,,\n")
    first = run("customers", path)
    assert (first.read, first.imported, first.duplicates, first.rejected) == (2, 2, 0, 0)
    again = run("customers", path)
    assert (again.read, again.imported, again.duplicates, again.rejected) == (2, 0, 2, 0)
    path.write_text("customer_id,email,age,region,demographics.attributes.income\nc1,,,Saxony,\n")
    assert run("customers", path).imported == 1
    with database.read() as connection:
        found = customers.read(connection, "c1")
    assert found.email == "a@x.org"
    assert found.demographics["region"] == "Saxony"
    assert found.demographics["age_group"] == "35-44"
    assert found.demographics["attributes"] == {"income": "low"}


def test_consent_is_imported_and_what_is_not_said_stays(run: Import, database: Database, tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_text("customer_id,consent.personalise,consent.train\nc1,yes,no\nc2,,\n")
    assert run("customers", path).imported == 2
    assert run("customers", path).duplicates == 2
    path.write_text("customer_id,consent.train\nc1,true\nc2,\n")
    assert run("customers", path).imported == 1
    with database.read() as connection:
        found = customers.read_many(connection, ["c1", "c2"])
    assert found["c1"].consent == Consent(personalise=True, train=True)
    assert found["c2"].consent == Consent()


def test_a_cost_is_imported(run: Import, database: Database, tmp_path: Path) -> None:
    path = tmp_path / "products.csv"
    path.write_text("product_id,name,price,cost,currency\np1,Tea,2.50,1.10,EUR\np2,Cup,,1.10,EUR\n")
    summary = run("products", path)
    assert (summary.imported, summary.rejected) == (1, 1)
    with database.read() as connection:
        assert products.get_products(connection, ["p1"])["p1"].cost == 110


def test_an_email_may_be_several_customers(run: Import, database: Database, tmp_path: Path) -> None:
    rows = [{"customer_id": f"c{number}", "email": "a@x.org"} for number in range(3)]
    summary = run("customers", write_jsonl(tmp_path / "customers.jsonl", rows))
    assert (summary.imported, summary.rejected) == (3, 0)
    with database.read() as connection:
        found = customers.read_many(connection, ["c0", "c1", "c2"])
    assert {each.email for each in found.values()} == {"a@x.org"}


def test_rejected_customers_are_said_without_personal_data(run: Import, tmp_path: Path) -> None:
    bad = {
        "customer_id": "c1",
        "name": "Canary Name",
        "email": "canary@x.org",
        "age": "canary years",
        "vat": "canary 7",
    }
    path = write_jsonl(tmp_path / "customers.jsonl", [bad])
    assert run("customers", path).rejected == 1
    hidden = dict.fromkeys(("name", "email", "age", "vat"), "(hidden)")
    (reject,) = rejects_of(path)
    assert reject["row"] == {"customer_id": "c1", **hidden}
    file = path.with_name(f"{path.name}.rejects.jsonl")
    assert "canary" not in file.read_text().lower()
    assert file.stat().st_mode & 0o777 == 0o600


def test_bad_products_are_set_aside(run: Import, database: Database, tmp_path: Path) -> None:
    path = tmp_path / "products.csv"
    path.write_text("SKU,title,price\nA,Milk,2.49\nB,,1\nC,Tea,cheap\nD\nA,Whole milk,2.59\n")
    summary = run("products", path, mapping=("SKU=product_id", "title=name"), currency="EUR")
    assert (summary.read, summary.imported, summary.duplicates, summary.rejected) == (5, 1, 1, 3)
    assert rejects_of(path) == [
        {"line": 3, "reason": "name: is required, got ''", "row": {"SKU": "B", "price": "1"}},
        {
            "line": 4,
            "reason": "price: is not a decimal number such as 19.99, got 'cheap'",
            "row": {"SKU": "C", "title": "Tea", "price": "cheap"},
        },
        {"line": 5, "reason": "the row has 1 values, but the header has 3 columns", "row": {"text": "(hidden)"}},
    ]
    with database.read() as connection:
        found = products.get_product(connection, "A")
    assert found is not None
    assert (found.name, found.price, found.currency) == ("Whole milk", 259, "EUR")


def test_known_products_can_be_kept(run: Import, database: Database, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"product_id": "A", "name": name} for name in ("first", "second")])
    assert run("products", path, existing="keep").imported == 1
    path = write_jsonl(tmp_path / "b.jsonl", [{"product_id": "A", "name": "third"}, {"product_id": "B", "name": "new"}])
    summary = run("products", path, existing="keep")
    assert (summary.imported, summary.duplicates) == (1, 1)
    with database.read() as connection:
        assert [each.name for each in products.all_products(connection)] == ["first", "new"]


def product_of(database: Database, name: str) -> Product:
    with database.read() as connection:
        found = products.get_product(connection, name)
    assert found is not None
    return found


def test_what_a_row_leaves_empty_stays_unless_products_are_replaced(
    run: Import, database: Database, tmp_path: Path
) -> None:
    whole = {"product_id": "A", "name": "Tea", "brand": "B", "price": 2, "attributes": {"grams": 5, "organic": True}}
    run("products", write_jsonl(tmp_path / "a.jsonl", [whole]))
    less = write_jsonl(tmp_path / "b.jsonl", [{"product_id": "A", "name": "Green tea", "attributes": {"grams": 6}}])
    run("products", less)
    found = product_of(database, "A")
    assert (found.name, found.brand, found.price) == ("Green tea", "B", 200)
    assert found.attributes == {"grams": 6.0, "organic": True}
    assert run("products", less, existing="replace").imported == 1
    found = product_of(database, "A")
    assert (found.name, found.brand, found.price, found.attributes) == ("Green tea", "", None, {"grams": 6.0})


def reconcile(database: Database, *files: Path, **options: Any) -> Imported:
    request = ImportRequest("products", files, database.url, reconcile=True, **options)
    return import_files(request, lambda stage, fraction: None)


def test_a_complete_catalogue_deletes_what_no_row_names(run: Import, database: Database, tmp_path: Path) -> None:
    run("products", write_jsonl(tmp_path / "a.jsonl", [{"product_id": name, "name": name} for name in "abcd"]))
    first = write_jsonl(tmp_path / "b.jsonl", [{"product_id": name, "name": name} for name in "ab"])
    second = write_jsonl(tmp_path / "c.jsonl", [{"product_id": name, "name": name} for name in "ex"])
    with pytest.raises(FailedPrecondition, match="leaves out 2 of 6 products"):
        reconcile(database, first, second, max_retired=0.3)
    assert not product_of(database, "c").deleted
    assert reconcile(database, first, second, dry_run=True).retired == 2
    assert not product_of(database, "c").deleted
    assert reconcile(database, first, second).retired == 2
    assert [product_of(database, name).deleted for name in "abcdex"] == [False, False, True, True, False, False]
    assert reconcile(database, first, second).retired == 0


def test_a_catalogue_with_rejected_rows_deletes_nothing(run: Import, database: Database, tmp_path: Path) -> None:
    run("products", write_jsonl(tmp_path / "a.jsonl", [{"product_id": name, "name": name} for name in "abc"]))
    bad = write_jsonl(tmp_path / "b.jsonl", [{"product_id": "a", "name": "a"}, {"product_id": "b"}])
    with pytest.raises(ImportAborted, match="1 rows were rejected"):
        reconcile(database, bad)
    assert not product_of(database, "c").deleted


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"kind": "customers", "reconcile": True}, "--reconcile is for products"),
        ({"kind": "customers", "existing": "replace"}, "--existing replace is for products"),
        ({"kind": "products", "reconcile": True, "max_retired": 1.5}, "--max-retired 1.5"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    sqlite_database: Database, tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [])
    with pytest.raises(ImportAborted, match=reason):
        import_files(ImportRequest(files=(path,), database_url=sqlite_database.url, **options), lambda *_: None)


def test_known_customers_can_be_kept(run: Import, database: Database, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"customer_id": "A", "name": name} for name in ("first", "second")])
    assert run("customers", path, existing="keep").imported == 1
    assert run("customers", path, existing="keep").duplicates == 2
    with database.read() as connection:
        assert customers.read(connection, "A").name == "first"


def test_importing_products_twice_changes_nothing(run: Import, database: Database, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"product_id": str(number), "name": "Tea"} for number in range(7)])
    assert run("products", path, batch_rows=3).imported == 7
    with database.read() as connection:
        before = products.newest_change(connection)
    assert run("products", path, batch_rows=2).duplicates == 7
    with database.read() as connection:
        assert list(products.catalogue_since(connection, before)) == []
