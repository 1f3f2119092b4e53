"""Changes of parts of a product: what is embedded anew, what is left alone, what is gone at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from services.product import spaces
from services.product.agent import PageQuery, ProductAgent
from shared.config import Settings
from shared.db import product_embeddings, products
from shared.db.engine import Database
from shared.db.product_offers import InventoryChange, PriceChange
from shared.db.product_patch import ProductPatch
from shared.db.product_retirement import CompleteList
from shared.db.products import Product, ProductFilter
from shared.db.relations import SIMILAR
from shared.errors import FailedPrecondition, InvalidArgument, NotFound
from shared.ids import digests
from tests.integration.product.catalogue import product, refreshed, small_catalogue, upsert

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def agent(database: Database) -> ProductAgent:
    agent = ProductAgent(Settings(database_url=database.url), database)
    upsert(agent, small_catalogue())
    return agent


def one_byte(_product: Product) -> int:
    return 1


def patch(agent: ProductAgent, product_id: str, *, validate_only: bool = False, **values: Any) -> Any:
    return agent.upsert([ProductPatch(external_id=product_id, values=values)], validate_only=validate_only)


def embedding(database: Database, key: int) -> np.ndarray:
    with database.read() as connection:
        found = product_embeddings.read_embedding(connection, key, spaces.active_version(connection) or "")
    assert found is not None
    return found


def related(agent: ProductAgent, name: str) -> list[str]:
    return [each.product.external_id for each in agent.related(name, SIMILAR, 10)]


def test_a_change_of_a_part_embeds_the_whole_product(agent: ProductAgent, database: Database) -> None:
    refreshed(database)
    key = agent.get("tea-green").key
    patch(agent, "tea-green", brand="Leaf")
    parts = embedding(database, key)
    upsert(agent, [product("tea-green", brand="Leaf")])
    np.testing.assert_allclose(embedding(database, key), parts, atol=1e-6)
    assert agent.get("tea-green").name == "green tea", "the name was not named and is still there"


def test_prices_and_statuses_embed_nothing_anew(agent: ProductAgent, database: Database) -> None:
    refreshed(database)
    key = agent.get("tea-green").key
    before = embedding(database, key)
    agent.apply([PriceChange("tea-green", "", 99_999, "EUR", datetime.now(UTC))])
    agent.apply([InventoryChange("tea-green", "", "PREORDER", datetime.now(UTC))])
    assert (agent.get("tea-green").price, agent.get("tea-green").inventory_status) == (99_999, "PREORDER")
    np.testing.assert_array_equal(embedding(database, key), before)


def test_a_rehearsal_counts_and_stores_nothing(agent: ProductAgent, database: Database) -> None:
    refreshed(database)
    assert patch(agent, "tea-green", validate_only=True, brand="Leaf").updated == 1
    assert patch(agent, "tea-chai", validate_only=True, name="Chai").created == 1
    with pytest.raises(InvalidArgument):
        patch(agent, "tea-chai", validate_only=True, brand="Leaf")
    assert agent.get("tea-green").brand == ""
    with pytest.raises(NotFound):
        agent.get("tea-chai")


def test_a_deleted_product_is_gone_everywhere_at_once(agent: ProductAgent, database: Database) -> None:
    refreshed(database)
    assert "tea-black" in related(agent, "tea-green")
    assert agent.delete("tea-black")
    assert "tea-black" not in related(agent, "tea-green")
    for ask in (agent.get, related_of(agent), offers_of(agent), agent.delete):
        with pytest.raises(NotFound, match="there is no product 'tea-black'"):
            ask("tea-black")
    listed = [each.external_id for each in agent.page(PageQuery(100), one_byte).products]
    assert "tea-black" not in listed
    assert agent.performance("tea-black", None, None).views == 0, "its history is there"
    assert not agent.delete("tea-black", allow_missing=True)
    assert not agent.delete("nobody", allow_missing=True)


def related_of(agent: ProductAgent) -> Any:
    return lambda name: agent.related(name, SIMILAR, 1)


def offers_of(agent: ProductAgent) -> Any:
    return lambda name: agent.offers(name, 1, "")


def test_a_deleted_product_comes_back_embedded_and_related(agent: ProductAgent, database: Database) -> None:
    refreshed(database)
    agent.delete("tea-black")
    assert upsert(agent, [product("tea-black")]).created == 1
    assert "tea-black" in related(agent, "tea-green")


def test_variants_of_a_product_are_not_related_to_it_and_one_of_a_group_is(
    agent: ProductAgent, database: Database
) -> None:
    for name in ("tea-green", "tea-black"):
        patch(agent, name, group_id="leaf")
    for name in ("tea-white", "tea-mint"):
        patch(agent, name, group_id="bag")
    refreshed(database)
    found = related(agent, "tea-green")
    assert "tea-black" not in found
    assert len({"tea-white", "tea-mint"} & set(found)) == 1
    assert "tea-herbal" in found


def test_what_is_not_on_sale_now_is_not_related(agent: ProductAgent, database: Database) -> None:
    refreshed(database)
    now = datetime.now(UTC)
    patch(agent, "tea-black", expire_at=now - timedelta(seconds=1))
    patch(agent, "tea-white", available_at=now + timedelta(days=1))
    patch(agent, "tea-mint", expire_at=now + timedelta(days=1))
    found = related(agent, "tea-green")
    assert ("tea-black" in found, "tea-white" in found, "tea-mint" in found) == (False, False, True)


def test_offers_are_read_page_by_page(agent: ProductAgent) -> None:
    places = ("berlin", "lyon", "Ödenburg", "paris")
    agent.apply([PriceChange("tea-green", place, 5, "EUR", NOON) for place in places])
    first = agent.offers("tea-green", 3, "")
    second = agent.offers("tea-green", 3, first.next_token)
    assert sorted(each.place_id for each in (*first.offers, *second.offers)) == sorted(places)
    assert second.next_token == ""
    for token in ("nonsense", first.next_token):
        with pytest.raises(InvalidArgument, match="page_token"):
            agent.offers("tea-black", 3, token)


def test_a_page_token_is_of_one_filter(agent: ProductAgent) -> None:
    token = agent.page(PageQuery(2), one_byte).next_token
    for only in (ProductFilter(brand="x"), ProductFilter(group_id="x"), ProductFilter(updated_since=NOON)):
        with pytest.raises(InvalidArgument, match="other filters"):
            agent.page(PageQuery(2, token, only), one_byte)


def complete(*names: str, share: float = 1.0, begun: datetime | None = None, dry: bool = False) -> CompleteList:
    return CompleteList(digests(names), begun or datetime.now(UTC), share, dry)


def live(database: Database) -> list[Product]:
    with database.read() as connection:
        return products.list_products(connection)


def test_what_a_complete_list_leaves_out_is_deleted(agent: ProductAgent, database: Database) -> None:
    kept = [each.external_id for each in small_catalogue()][:6]
    assert agent.retire(complete(*kept, dry=True)) == 4
    assert len(live(database)) == 10
    assert agent.retire(complete(*kept)) == 4
    assert [each.external_id for each in live(database)] == kept
    assert agent.retire(complete(*kept)) == 0


def test_a_list_that_leaves_out_too_much_deletes_nothing(agent: ProductAgent, database: Database) -> None:
    with pytest.raises(FailedPrecondition, match=r"leaves out 9 of 10 products, more than the share 0\.5"):
        agent.retire(complete("tea-green", share=0.5))
    assert len(live(database)) == 10


def test_what_came_or_changed_since_the_list_was_begun_stays(agent: ProductAgent, database: Database) -> None:
    begun = datetime.now(UTC)
    upsert(agent, [product("tea-chai")])
    patch(agent, "cup-small", brand="New")
    assert agent.retire(complete("tea-green", begun=begun)) == 8
    assert {each.external_id for each in live(database)} == {"tea-green", "tea-chai", "cup-small"}
