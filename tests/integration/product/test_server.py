"""The product service over the wire: every RPC once, and its errors."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from quintet.product.v1 import product_service_pb2 as pb
from quintet.product.v1 import product_service_pb2_grpc as pb_grpc
from quintet.type.v1 import product_pb2
from quintet.type.v1.money_pb2 import Money

from services.product import server as server_module
from services.product.agent import ProductAgent
from services.product.server import build
from shared.config import Settings
from shared.db.engine import Database
from shared.errors import FailedPrecondition
from shared.ids import digests

PAIRS = (("green", ""), ("nobody", ""), ("green", "berlin"))


@pytest_asyncio.fixture
async def stub(sqlite_database: Database) -> AsyncIterator[Any]:
    settings = Settings(database_url=sqlite_database.url, product_port=0, drain_seconds=0, train_threads=1)
    server = build(settings, ProductAgent(settings, sqlite_database))
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield pb_grpc.ProductServiceStub(channel)
    await server.stop()


def message(product_id: str, **facts: Any) -> product_pb2.Product:
    return product_pb2.Product(product_id=product_id, name=f"{product_id} tea", category="tea", **facts)


async def upsert(stub: Any, *names: str) -> Any:
    return await stub.UpsertProducts(pb.UpsertProductsRequest(products=[message(name) for name in names]))


async def refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_products_are_upserted_read_and_listed(stub: Any) -> None:
    answer = await upsert(stub, "green", "black")
    assert (answer.created, answer.updated) == (2, 0)
    assert (await upsert(stub, "green")).updated == 1
    found = await stub.GetProduct(pb.GetProductRequest(product_id="green"))
    assert found.product.name == "green tea"
    first = await stub.ListProducts(pb.ListProductsRequest(page_size=1))
    second = await stub.ListProducts(pb.ListProductsRequest(page_size=1, page_token=first.next_page_token))
    assert [each.product_id for each in (*first.products, *second.products)] == ["green", "black"]
    assert second.next_page_token == ""


async def test_one_bad_product_keeps_all_out(stub: Any) -> None:
    bad = message("bad", price=Money(currency_code="euro"))
    error = await refused(stub.UpsertProducts(pb.UpsertProductsRequest(products=[message("good"), bad])))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "products[1].price.currency_code" in (error.details() or "")
    error = await refused(stub.GetProduct(pb.GetProductRequest(product_id="good")))
    assert error.code() is grpc.StatusCode.NOT_FOUND


async def test_a_mask_says_what_is_set_and_cleared(stub: Any) -> None:
    await stub.UpsertProducts(pb.UpsertProductsRequest(products=[message("green", brand="B", tags=["a"])]))
    change = product_pb2.Product(product_id="green", brand="C")
    await stub.UpsertProducts(pb.UpsertProductsRequest(products=[change], update_mask={"paths": ["brand", "tags"]}))
    found = (await stub.GetProduct(pb.GetProductRequest(product_id="green"))).product
    assert (found.name, found.category, found.brand, list(found.tags)) == ("green tea", "tea", "C", [])


async def test_prices_and_stock_change_by_themselves_and_at_places(stub: Any) -> None:
    await upsert(stub, "green")
    price = Money(currency_code="EUR", amount_minor=5)
    updates = [{"product_id": name, "place_id": place, "price": price} for name, place in PAIRS]
    counts = (await stub.UpdatePrices(pb.UpdatePricesRequest(updates=updates))).counts
    assert (counts.applied, counts.stale, list(counts.unknown)) == (2, 0, [1])
    out = product_pb2.INVENTORY_STATUS_OUT_OF_STOCK
    request = pb.UpdateInventoryRequest(updates=[{"product_id": "green", "inventory_status": out}])
    assert (await stub.UpdateInventory(request)).counts.applied == 1
    found = (await stub.GetProduct(pb.GetProductRequest(product_id="green"))).product
    assert (found.price, found.inventory_status) == (price, out)
    [offer] = (await stub.ListOffers(pb.ListOffersRequest(product_id="green"))).offers
    assert (offer.place_id, offer.price, offer.inventory_status) == ("berlin", price, 0)


async def test_products_are_deleted_one_by_one_or_as_what_a_list_leaves_out(stub: Any) -> None:
    await upsert(stub, "green", "black", "white")
    assert (await stub.DeleteProduct(pb.DeleteProductRequest(product_id="green"))).deleted
    error = await refused(stub.DeleteProduct(pb.DeleteProductRequest(product_id="green")))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert not (await stub.DeleteProduct(pb.DeleteProductRequest(product_id="green", allow_missing=True))).deleted
    error = await refused(stub.RetireProducts([pb.RetireProductsRequest(listed=[1])]))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    first = pb.RetireProductsRequest(max_retired_share=0.5)
    first.start_time.GetCurrentTime()
    rest = pb.RetireProductsRequest(listed=digests(["black"]).tolist())
    assert (await stub.RetireProducts([first, rest])).retired == 1
    error = await refused(stub.RetireProducts([first]))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    listed = (await stub.ListProducts(pb.ListProductsRequest())).products
    assert [each.product_id for each in listed] == ["black"]


async def test_a_refresh_streams_its_progress_and_relates(stub: Any) -> None:
    await upsert(stub, "green", "black", "white")
    said = [each.progress async for each in stub.RefreshCatalog(pb.RefreshCatalogRequest())]
    assert said[-1].progress == 1.0
    assert said[-1].refresh_catalog.products == 3
    related = await stub.GetRelatedProducts(pb.GetRelatedProductsRequest(product_id="green", limit=1))
    [one] = related.related
    assert one.relation == product_pb2.PRODUCT_RELATION_SIMILAR
    assert 0 < one.score <= 1


async def test_a_second_refresh_meanwhile_is_aborted_but_a_cancelled_one_makes_room(stub: Any) -> None:
    await upsert(stub, "green")
    first = stub.RefreshCatalog(pb.RefreshCatalogRequest())
    await first.read()
    error = await refused(stub.RefreshCatalog(pb.RefreshCatalogRequest()).read())
    assert error.code() is grpc.StatusCode.ABORTED
    first.cancel()
    async with asyncio.timeout(30):
        while not await accepted(stub):
            await asyncio.sleep(0.01)


async def accepted(stub: Any) -> bool:
    """Whether a refresh is let in; it is then run to its end."""
    try:
        return [each async for each in stub.RefreshCatalog(pb.RefreshCatalogRequest())] != []
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.ABORTED:
            raise
        return False


async def test_performance_is_told(stub: Any) -> None:
    await upsert(stub, "green")
    answer = await stub.GetProductPerformance(pb.GetProductPerformanceRequest(product_id="green"))
    assert (answer.performance.product_id, answer.performance.views) == ("green", 0)


async def test_a_server_without_schema_says_how_to_make_one(tmp_path: Any) -> None:
    with pytest.raises(FailedPrecondition, match="quintet migrate"):
        await server_module.main(Settings(database_url=f"sqlite:///{tmp_path}/empty.db"))


async def test_the_process_entry_serves_until_it_is_stopped(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = asyncio.Event()

    async def serve_until_stopped(server: Any) -> None:
        await server.start()
        await server.stop()
        served.set()

    monkeypatch.setattr(server_module, "serve_until_stopped", serve_until_stopped)
    await server_module.main(Settings(database_url=sqlite_database.url, product_port=0, drain_seconds=0))
    assert served.is_set()
