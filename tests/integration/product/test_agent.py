"""The product agent on a real database: it stores, embeds at once, relates and measures."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.product import agent as agent_module
from services.product import spaces
from services.product.agent import PageQuery, ProductAgent
from shared.config import Settings
from shared.db import models, product_embeddings, products, relations
from shared.db.engine import Database
from shared.db.products import NewProduct, Product, ProductFilter
from shared.db.relations import COMPLEMENTARY, SIMILAR, Related
from shared.errors import InvalidArgument, NotFound, Unavailable
from shared.telemetry import FALLBACKS
from tests.integration.product.catalogue import product, refreshed, small_catalogue, upsert
from tests.integration.product.events import record_purchase, record_view


@pytest.fixture
def agent(database: Database) -> ProductAgent:
    agent = ProductAgent(Settings(database_url=database.url), database)
    upsert(agent, small_catalogue())
    return agent


def vector(database: Database, external_id: str) -> np.ndarray | None:
    with database.read() as connection:
        version = spaces.active_version(connection)
        key = products.product_keys(connection, [external_id])[external_id]
        return None if version is None else product_embeddings.read_embedding(connection, key, version)


def names(agent: ProductAgent, external_id: str, limit: int = 4, relation: relations.Relation = SIMILAR) -> list[str]:
    return [each.product.external_id for each in agent.related(external_id, relation, limit)]


def one_byte(_: Product) -> int:
    return 1


def test_before_the_first_refresh_products_are_kept_but_not_embedded(agent: ProductAgent, database: Database) -> None:
    assert agent.get("tea-green").name == "green tea"
    assert vector(database, "tea-green") is None
    assert names(agent, "tea-green") == names(agent, "tea-green", relation=COMPLEMENTARY) == []


def test_a_product_upserted_after_the_refresh_is_embedded_and_related_at_once(
    agent: ProductAgent, database: Database
) -> None:
    refreshed(database)
    upserted = upsert(agent, [product("tea-oolong"), product("tea-green")])
    assert (upserted.created, upserted.updated) == (1, 1)
    found = vector(database, "tea-oolong")
    assert found is not None
    assert np.linalg.norm(found) == pytest.approx(1.0)
    assert all(name.startswith("tea-") for name in names(agent, "tea-oolong"))
    assert "tea-oolong" in names(agent, "tea-green", limit=11)


def test_an_update_embeds_anew_and_the_live_answer_follows(agent: ProductAgent, database: Database) -> None:
    refreshed(database)
    upsert(agent, [product("tea-oolong")])
    before = names(agent, "tea-oolong", limit=1)
    old = vector(database, "tea-oolong")
    upsert(agent, [product("tea-oolong", name="paper cup", category="cup", subcategory="cup")])
    assert not np.array_equal(vector(database, "tea-oolong"), old)
    assert before[0].startswith("tea-")
    assert names(agent, "tea-oolong", limit=1) == ["cup-paper"]


def test_related_products_can_be_bought_and_have_strengths_in_order(agent: ProductAgent, database: Database) -> None:
    refreshed(database)
    upsert(agent, [product("tea-black", inventory_status="OUT_OF_STOCK")])
    upsert(agent, [product("tea-white", inventory_status="DISCONTINUED")])
    upsert(agent, [product("tea-mint", inventory_status="PREORDER")])
    related = agent.related("tea-green", SIMILAR, 3)
    assert {each.product.external_id for each in related[:2]} == {"tea-herbal", "tea-mint"}
    scores = [each.score for each in related]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)


def test_stored_and_live_similarities_are_on_one_scale(agent: ProductAgent, database: Database) -> None:
    refreshed(database)
    stored = {each.product.external_id: each.score for each in agent.related("tea-green", SIMILAR, 3)}
    with database.write() as connection:
        empty = Related(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
        relations.store_relations(connection, SIMILAR, [(agent.get("tea-green").key, empty)])
    live = {each.product.external_id: each.score for each in agent.related("tea-green", SIMILAR, 3)}
    assert live == pytest.approx(stored, rel=1e-5)


def test_what_is_bought_together_is_complementary(agent: ProductAgent, database: Database) -> None:
    keys = {name: agent.get(name).key for name in ("tea-green", "cup-glass", "tea-mint", "cup-steel")}
    now = datetime.now(UTC)
    with database.write() as connection:
        for _ in range(20):
            record_purchase(connection, now, {keys["tea-green"]: {}, keys["cup-glass"]: {}})
            record_purchase(connection, now, {keys["tea-mint"]: {}, keys["cup-steel"]: {}})
    refreshed(database)
    assert names(agent, "tea-green", relation=COMPLEMENTARY) == ["cup-glass"]
    upsert(agent, [product("cup-glass", inventory_status="OUT_OF_STOCK")])
    assert names(agent, "tea-green", relation=COMPLEMENTARY) == []


def test_an_upsert_that_a_new_space_overtakes_is_embedded_in_the_new_one(
    agent: ProductAgent, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    refreshed(database)
    stale = spaces.SpaceCache(database).current()
    refreshed(database, full=True)
    answers = iter([stale, spaces.SpaceCache(database).current()])
    monkeypatch.setattr(spaces.SpaceCache, "current", lambda _: next(answers))
    upsert(agent, [product("tea-oolong")])
    assert vector(database, "tea-oolong") is not None


def test_an_upsert_gives_up_when_spaces_keep_changing(
    agent: ProductAgent, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = spaces.SpaceCache(database).current()
    refreshed(database)
    monkeypatch.setattr(spaces.SpaceCache, "current", lambda _: stale)
    with pytest.raises(Unavailable):
        upsert(agent, [product("tea-oolong")])
    with pytest.raises(NotFound):
        agent.get("tea-oolong")


def test_a_damaged_space_is_counted_and_products_are_kept_without_embedding(
    agent: ProductAgent, database: Database
) -> None:
    refreshed(database)
    models.save_model(database, spaces.KIND, "damaged", b"no space at all", {})
    counted = FALLBACKS.labels("product", "embedding_space_damaged")
    before = counted._value.get()
    upsert(agent, [product("tea-oolong"), product("tea-green", brand="New")])
    upsert(agent, [product("tea-chai")])
    assert counted._value.get() == before + 1
    assert vector(database, "tea-oolong") is None
    assert refreshed(database)["space_fitted"]
    assert vector(database, "tea-oolong") is not None


def test_pages_lead_through_the_whole_catalogue(agent: ProductAgent) -> None:
    found, token = [], ""
    while True:
        page = agent.page(PageQuery(3, token), one_byte)
        found += [each.external_id for each in page.products]
        token = page.next_token
        if not token:
            break
        assert len(page.products) == 3
    assert found == [each.external_id for each in small_catalogue()]


def test_pages_keep_to_their_filters(agent: ProductAgent) -> None:
    page = agent.page(PageQuery(2, only=ProductFilter(category="tea", name_contains="H")), one_byte)
    assert [each.external_id for each in page.products] == ["tea-white", "tea-herbal"]
    assert page.next_token == ""
    token = agent.page(PageQuery(2, only=ProductFilter(category="tea")), one_byte).next_token
    with pytest.raises(InvalidArgument, match="other filters"):
        agent.page(PageQuery(2, token, ProductFilter(category="cup")), one_byte)


def test_performance_is_of_the_last_thirty_days_unless_said(agent: ProductAgent, database: Database) -> None:
    now, key = datetime.now(UTC), agent.get("tea-green").key
    with database.write() as connection:
        for days in (1, 29, 31):
            record_view(connection, key, now - timedelta(days=days))
    assert agent.performance("tea-green", None, None).views == 2
    assert agent.performance("tea-green", now - timedelta(days=60), None).views == 3
    assert agent.performance("tea-green", None, now - timedelta(days=20)).views == 2


def test_unknown_products_are_told_everywhere(agent: ProductAgent) -> None:
    for ask in (
        lambda: agent.get("nothing"),
        lambda: agent.related("nothing", SIMILAR, 5),
        lambda: agent.performance("nothing", None, None),
    ):
        with pytest.raises(NotFound, match="nothing"):
            ask()


def test_a_product_of_which_nothing_is_known_has_no_similar_ones(agent: ProductAgent, database: Database) -> None:
    refreshed(database)
    upsert(agent, [NewProduct(external_id="?", name="?")])
    found = vector(database, "?")
    assert found is not None
    assert bool(found.any()) == bool(names(agent, "?"))


def test_a_page_ends_before_it_is_too_large_and_loses_nothing(
    agent: ProductAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_module, "MAX_PAGE_BYTES", 10)
    monkeypatch.setattr(agent_module, "READ_AT_ONCE", 2)
    sizes = {"tea-green": 25, "tea-black": 4, "tea-white": 6, "tea-herbal": 1}
    pages, token = [], ""
    while token or not pages:
        page = agent.page(PageQuery(3, token), lambda each: sizes.get(each.external_id, 4))
        pages.append([each.external_id for each in page.products])
        token = page.next_token
    assert [name for names in pages for name in names] == [each.external_id for each in small_catalogue()]
    assert all(len(names) == 1 or sum(sizes.get(name, 4) for name in names) <= 10 for names in pages)
    assert max(len(names) for names in pages) > 1
