"""The RPCs about products."""

from collections.abc import AsyncIterator
from typing import Any

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.product.v1 import product_service_pb2 as product_pb

from services.coordinator import convert
from services.coordinator.agent import Coordinator
from services.coordinator.event_validation import require_distinct
from services.coordinator.product_import import ProductImport, upsert_request
from shared.errors import QuintetError
from shared.events.check import check_count
from shared.limits import MAX_BATCH


class ProductRpcs:
    """Update, read, measure."""

    _agent: Coordinator

    async def UpsertProduct(self, request: pb.UpsertProductRequest, context: Any) -> pb.UpsertProductResponse:
        try:
            answer = await self._upsert_products(upsert_request([request.product], request))
        except QuintetError as error:
            raise error.renamed("products[0]", "product") from error
        return pb.UpsertProductResponse(created=answer.created == 1, stale=answer.stale)

    async def BatchUpsertProducts(
        self, request: pb.BatchUpsertProductsRequest, context: Any
    ) -> pb.BatchUpsertProductsResponse:
        check_count(request.products, "products", MAX_BATCH, least=1)
        require_distinct([each.product_id for each in request.products], "products")
        answer = await self._upsert_products(upsert_request(request.products, request))
        return pb.BatchUpsertProductsResponse(created=answer.created, updated=answer.updated, stale=answer.stale)

    async def ImportProducts(
        self, request_iterator: AsyncIterator[pb.ImportProductsRequest], context: Any
    ) -> pb.ImportProductsResponse:
        return convert.to_products_imported(
            await ProductImport(self._agent.agents, self._agent.stream_bytes).run(request_iterator)
        )

    async def UpdatePrices(self, request: pb.UpdatePricesRequest, context: Any) -> pb.UpdatePricesResponse:
        agents = self._agent.agents
        check_count(request.updates, "updates", MAX_BATCH, least=1)
        wanted = product_pb.UpdatePricesRequest(updates=request.updates)
        return pb.UpdatePricesResponse(counts=(await agents.call(agents.product.UpdatePrices, wanted)).counts)

    async def UpdateInventory(self, request: pb.UpdateInventoryRequest, context: Any) -> pb.UpdateInventoryResponse:
        agents = self._agent.agents
        check_count(request.updates, "updates", MAX_BATCH, least=1)
        wanted = product_pb.UpdateInventoryRequest(updates=request.updates)
        return pb.UpdateInventoryResponse(counts=(await agents.call(agents.product.UpdateInventory, wanted)).counts)

    async def DeleteProduct(self, request: pb.DeleteProductRequest, context: Any) -> pb.DeleteProductResponse:
        agents = self._agent.agents
        wanted = product_pb.DeleteProductRequest(product_id=request.product_id, allow_missing=request.allow_missing)
        answer = await agents.call(agents.product.DeleteProduct, wanted)
        return pb.DeleteProductResponse(deleted=answer.deleted)

    async def ListOffers(self, request: pb.ListOffersRequest, context: Any) -> pb.ListOffersResponse:
        agents = self._agent.agents
        wanted = product_pb.ListOffersRequest(
            product_id=request.product_id, page_size=request.page_size, page_token=request.page_token
        )
        answer = await agents.call(agents.product.ListOffers, wanted)
        return pb.ListOffersResponse(offers=answer.offers, next_page_token=answer.next_page_token)

    async def GetProduct(self, request: pb.GetProductRequest, context: Any) -> pb.GetProductResponse:
        agents = self._agent.agents
        wanted = product_pb.GetProductRequest(product_id=request.product_id)
        return pb.GetProductResponse(product=(await agents.call(agents.product.GetProduct, wanted)).product)

    async def ListProducts(self, request: pb.ListProductsRequest, context: Any) -> pb.ListProductsResponse:
        agents = self._agent.agents
        wanted = product_pb.ListProductsRequest(
            page_size=request.page_size,
            page_token=request.page_token,
            category=request.category,
            name_contains=request.name_contains,
            group_id=request.group_id,
            brand=request.brand,
            inventory_status=request.inventory_status,
        )
        if request.HasField("updated_since"):
            wanted.updated_since.CopyFrom(request.updated_since)
        answer = await agents.call(agents.product.ListProducts, wanted)
        return pb.ListProductsResponse(products=answer.products, next_page_token=answer.next_page_token)

    async def GetProductPerformance(
        self, request: pb.GetProductPerformanceRequest, context: Any
    ) -> pb.GetProductPerformanceResponse:
        agents = self._agent.agents
        wanted = product_pb.GetProductPerformanceRequest(product_id=request.product_id)
        if request.HasField("start_time"):
            wanted.start_time.CopyFrom(request.start_time)
        if request.HasField("end_time"):
            wanted.end_time.CopyFrom(request.end_time)
        answer = await agents.call(agents.product.GetProductPerformance, wanted)
        return pb.GetProductPerformanceResponse(performance=answer.performance)

    async def _upsert_products(self, wanted: product_pb.UpsertProductsRequest) -> product_pb.UpsertProductsResponse:
        agents = self._agent.agents
        return await agents.call(agents.product.UpsertProducts, wanted)  # type: ignore[no-any-return]
