"""The state of the system says how large tables are without counting them."""

import pytest

from shared.db import maintenance, row_estimates
from shared.db.engine import Database
from tests.support.shop import add_products
from tests.support.sqlite_work import counted_work


def test_small_tables_are_counted(database: Database) -> None:
    add_products(database, "tea", "cup")
    counts = row_estimates.row_estimates(database)
    assert counts["products"] == 2
    assert counts["purchases"] == 0


@pytest.mark.parametrize("analyzed", [False, True])
def test_large_tables_are_estimated(database: Database, monkeypatch: pytest.MonkeyPatch, analyzed: bool) -> None:
    monkeypatch.setattr(row_estimates, "MOST_COUNTED", 10)
    add_products(database, *(f"p{number}" for number in range(40)))
    if analyzed:
        maintenance.analyze(database)
    assert row_estimates.row_estimates(database)["products"] == 40


def test_the_work_does_not_grow_with_the_tables(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_estimates, "MOST_COUNTED", 50)
    add_products(sqlite_database, *(f"p{number}" for number in range(100)))
    row_estimates.row_estimates(sqlite_database)
    with counted_work(sqlite_database) as small:
        row_estimates.row_estimates(sqlite_database)
    add_products(sqlite_database, *(f"q{number}" for number in range(3000)))
    with counted_work(sqlite_database) as large:
        row_estimates.row_estimates(sqlite_database)
    assert large.tens <= small.tens + 5
