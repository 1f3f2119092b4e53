"""A shop of the serving benchmark is imported and trained by the command line, once."""

from pathlib import Path

import pytest

from benchmarks.serving.generated import Size
from benchmarks.serving.shops import KINDS, Shop
from shared.db import models
from shared.db.engine import Database

pytestmark = pytest.mark.slow
SIZE = Size(products=60, customers=40, events=400, seed=1)


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
