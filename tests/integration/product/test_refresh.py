"""The refresh embeds and relates the catalogue, does again only what changed, and survives what happens meanwhile."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from services.product import refresh as job
from services.product import spaces
from services.product.agent import ProductAgent
from shared.config import Settings
from shared.db import models, product_embeddings, products, relations
from shared.db.engine import Database
from shared.db.product_offers import InventoryChange, PriceChange
from shared.db.relations import COMPLEMENTARY, SIMILAR
from tests.integration.product.catalogue import product, refreshed, small_catalogue, upsert


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """SQLite only: the tests of the agent refresh on both databases."""
    return sqlite_database


@pytest.fixture
def agent(database: Database) -> ProductAgent:
    agent = ProductAgent(Settings(database_url=database.url), database)
    upsert(agent, small_catalogue())
    return agent


def lacking(database: Database) -> int:
    with database.read() as connection:
        version = spaces.active_version(connection)
        assert version is not None
        return len(product_embeddings.keys_to_embed(connection, version))


def vector_is_current(database: Database, external_id: str) -> bool:
    """Whether the stored embedding is that of the product as it is stored."""
    fitted = spaces.load_space(database)
    assert fitted is not None
    with database.read() as connection:
        stored = products.get_products(connection, [external_id])[external_id]
        vector = product_embeddings.read_embedding(connection, stored.key, fitted.version)
    return vector is not None and np.allclose(fitted.space.transform([spaces.features_of(stored)])[0], vector)


def test_an_empty_catalogue_is_fine(database: Database) -> None:
    assert refreshed(database)["products"] == 0
    assert spaces.load_space(database) is None


def test_the_first_refresh_fits_embeds_and_relates_all(agent: ProductAgent, database: Database) -> None:
    said: list[str] = []
    result = refreshed(database, said=said)
    assert (result["products"], result["space_fitted"], result["embedded"]) == (10, True, 10)
    assert (result["similar_written"], result["complementary_written"]) == (10, 10)
    assert lacking(database) == 0
    with database.read() as connection:
        assert len(relations.all_relations(connection, SIMILAR).keys) == 10
        assert len(relations.all_relations(connection, COMPLEMENTARY).keys) == 10
    steps = [json.loads(line)["progress"] for line in said]
    assert steps == sorted(steps)


def test_a_refresh_of_an_unchanged_catalogue_writes_nothing(agent: ProductAgent, database: Database) -> None:
    first = refreshed(database)
    second = refreshed(database)
    assert second["space_version"] == first["space_version"]
    assert [second[name] for name in ("embedded", "similar_written", "complementary_written")] == [0, 0, 0]
    assert not second["space_fitted"]


def test_a_few_changes_keep_the_space_and_relate_the_new_product(agent: ProductAgent, database: Database) -> None:
    first = refreshed(database)
    upsert(agent, [product("tea-oolong")])
    second = refreshed(database)
    assert (second["space_version"], second["space_fitted"]) == (first["space_version"], False)
    assert second["similar_written"] > 0
    with database.read() as connection:
        key = products.product_keys(connection, ["tea-oolong"])["tea-oolong"]
        found = relations.read_relation(connection, SIMILAR, key)
    assert found is not None
    assert len(found.keys) > 0


def test_prices_alone_fit_no_new_space_but_are_embedded_by_the_next_refresh(
    agent: ProductAgent, database: Database
) -> None:
    first = refreshed(database)
    now = datetime.now(UTC)
    agent.apply([PriceChange(each.external_id, "", 9_900, "EUR", now) for each in small_catalogue()[:5]])
    agent.apply([InventoryChange(each.external_id, "", "PREORDER", now) for each in small_catalogue()[5:]])
    second = refreshed(database)
    assert (second["space_fitted"], second["space_version"], second["embedded"]) == (False, first["space_version"], 5)
    assert refreshed(database)["embedded"] == 0
    upsert(agent, [product("tea-green", price=9_900)])
    assert refreshed(database)["embedded"] == 0, "a price that is said again embeds nothing"


def test_many_changes_or_the_wish_fit_a_new_space(agent: ProductAgent, database: Database) -> None:
    versions = [refreshed(database)["space_version"]]
    upsert(agent, [product(f"tea-{number}") for number in range(3)])
    versions.append(refreshed(database)["space_version"])
    versions.append(refreshed(database, full=True)["space_version"])
    assert len(set(versions)) == 3
    assert lacking(database) == 0


def test_old_spaces_are_deleted_but_for_a_few(agent: ProductAgent, database: Database) -> None:
    for _ in range(5):
        refreshed(database, full=True)
    with database.read() as connection:
        assert len(models.list_versions(connection, spaces.KIND)) == spaces.KEPT_VERSIONS


def test_a_damaged_space_is_replaced(agent: ProductAgent, database: Database) -> None:
    refreshed(database)
    models.save_model(database, spaces.KIND, "damaged", spaces.pack({}, {"space": {}}), {})
    assert refreshed(database)["space_fitted"]
    assert lacking(database) == 0


def test_going_back_to_an_older_space_embeds_all_in_it_again(agent: ProductAgent, database: Database) -> None:
    first = refreshed(database)["space_version"]
    refreshed(database, full=True)
    models.activate(database, spaces.KIND, first)
    with database.read() as connection:
        seen = products.newest_change(connection)
    result = refreshed(database)
    assert (result["space_version"], result["embedded"]) == (first, 10)
    with database.read() as connection:
        changed = product_embeddings.embeddings_changed_since(connection, seen, first)
    assert len(changed) == 10, "readers that follow the changes learn of the new embeddings"


def during(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], Any]) -> None:
    """Let `act` happen once, just before the job calls its function `name`."""
    original, pending = getattr(job, name), [act]

    def wrapper(*arguments: Any, **options: Any) -> Any:
        if pending:
            pending.pop()()
        return original(*arguments, **options)

    monkeypatch.setattr(job, name, wrapper)


@pytest.mark.parametrize("moment", ["fit_and_embed", "embed", "save_space", "embed_missing"])
@pytest.mark.parametrize("first", [True, False])
def test_a_product_changed_during_a_refresh_has_its_own_embedding_afterwards(
    agent: ProductAgent, database: Database, monkeypatch: pytest.MonkeyPatch, moment: str, first: bool
) -> None:
    if not first:
        refreshed(database)
    changed = product("tea-green", name="steel cup", category="cup")
    during(monkeypatch, moment, lambda: upsert(agent, [changed, product("tea-oolong")]))
    refreshed(database, full=True)
    assert vector_is_current(database, "tea-green")
    assert vector_is_current(database, "tea-oolong")
    assert lacking(database) == 0


def test_a_refresh_that_dies_leaves_the_old_space_and_the_next_repairs(
    agent: ProductAgent, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = refreshed(database)["space_version"]
    with monkeypatch.context() as patch:
        patch.setattr(job, "save_space", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            refreshed(database, full=True)
    with database.read() as connection:
        assert spaces.active_version(connection) == first
    assert refreshed(database)["embedded"] == 10
    assert lacking(database) == 0


def test_the_command_tells_success_and_failure(
    agent: ProductAgent, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QUINTET_DATABASE_URL", sqlite_database.url)
    assert job.main(["--full"]) == 0
    assert "result" in capsys.readouterr().out.splitlines()[-1]
    monkeypatch.setenv("QUINTET_DATABASE_URL", "mysql://nowhere")
    assert job.main([]) == 1
    assert "database_url" in json.loads(capsys.readouterr().out.splitlines()[-1])["error"]
