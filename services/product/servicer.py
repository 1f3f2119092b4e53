"""The gRPC servicer of the product service: converts requests, calls the agent and converts its answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from quintet.product.v1 import product_service_pb2 as pb
from quintet.product.v1 import product_service_pb2_grpc as pb_grpc

from services.product import convert, convert_changes
from services.product.agent import ProductAgent
from shared import periods
from shared.job_messages import progress_message


class ProductServicer(pb_grpc.ProductServiceServicer):
    """Answers the calls of `quintet.product.v1.ProductService`."""

    def __init__(self, agent: ProductAgent) -> None:
        self._agent = agent

    async def UpsertProducts(self, request: pb.UpsertProductsRequest, context: Any) -> pb.UpsertProductsResponse:
        # Checking a thousand products takes longer than other calls should wait for the event loop.
        changes = await asyncio.to_thread(convert.upsert_changes, request)
        upserted = await asyncio.to_thread(self._agent.upsert, changes, validate_only=request.validate_only)
        return pb.UpsertProductsResponse(created=upserted.created, updated=upserted.updated, stale=upserted.stale)

    async def UpdatePrices(self, request: pb.UpdatePricesRequest, context: Any) -> pb.UpdatePricesResponse:
        applied = await asyncio.to_thread(self._agent.apply, convert_changes.price_changes(request.updates))
        return pb.UpdatePricesResponse(counts=convert_changes.to_counts(applied))

    async def UpdateInventory(self, request: pb.UpdateInventoryRequest, context: Any) -> pb.UpdateInventoryResponse:
        applied = await asyncio.to_thread(self._agent.apply, convert_changes.inventory_changes(request.updates))
        return pb.UpdateInventoryResponse(counts=convert_changes.to_counts(applied))

    async def DeleteProduct(self, request: pb.DeleteProductRequest, context: Any) -> pb.DeleteProductResponse:
        product_id = convert.product_id(request.product_id)
        deleted = await asyncio.to_thread(self._agent.delete, product_id, allow_missing=request.allow_missing)
        return pb.DeleteProductResponse(deleted=deleted)

    async def RetireProducts(
        self, request_iterator: AsyncIterator[pb.RetireProductsRequest], context: Any
    ) -> pb.RetireProductsResponse:
        complete = convert.complete_list([each async for each in request_iterator])
        return pb.RetireProductsResponse(retired=await asyncio.to_thread(self._agent.retire, complete))

    async def ListOffers(self, request: pb.ListOffersRequest, context: Any) -> pb.ListOffersResponse:
        product_id, (size, token) = convert.product_id(request.product_id), convert.offers_page(request)
        page = await asyncio.to_thread(self._agent.offers, product_id, size, token)
        return convert_changes.to_offers(page.offers, page.next_token)

    async def GetProduct(self, request: pb.GetProductRequest, context: Any) -> pb.GetProductResponse:
        product = await asyncio.to_thread(self._agent.get, convert.product_id(request.product_id))
        return pb.GetProductResponse(product=convert.to_product(product))

    async def ListProducts(self, request: pb.ListProductsRequest, context: Any) -> pb.ListProductsResponse:
        page = await asyncio.to_thread(self._agent.page, convert.page_query(request), convert.product_bytes)
        return await asyncio.to_thread(convert.to_page, page)

    async def GetRelatedProducts(
        self, request: pb.GetRelatedProductsRequest, context: Any
    ) -> pb.GetRelatedProductsResponse:
        product_id, relation = convert.product_id(request.product_id), convert.relation(request)
        limit = convert.related_limit(request)
        related = await asyncio.to_thread(self._agent.related, product_id, relation, limit)
        return await asyncio.to_thread(convert.to_related, related, relation)

    async def GetProductPerformance(
        self, request: pb.GetProductPerformanceRequest, context: Any
    ) -> pb.GetProductPerformanceResponse:
        product_id, (start, end) = convert.product_id(request.product_id), periods.asked(request)
        performance = await asyncio.to_thread(self._agent.performance, product_id, start, end)
        return convert.to_performance(product_id, performance)

    async def RefreshCatalog(
        self, request: pb.RefreshCatalogRequest, context: Any
    ) -> AsyncIterator[pb.RefreshCatalogResponse]:
        async with aclosing(self._agent.refresh()) as steps:
            async for progress in steps:
                yield pb.RefreshCatalogResponse(progress=progress_message(progress, "refresh_catalog"))
