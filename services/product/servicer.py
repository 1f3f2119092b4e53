"""The gRPC servicer of the product service: converts requests, calls the agent and converts its answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from quintet.product.v1 import product_service_pb2 as pb
from quintet.product.v1 import product_service_pb2_grpc as pb_grpc

from services.product import convert
from services.product.agent import ProductAgent
from shared import periods


class ProductServicer(pb_grpc.ProductServiceServicer):
    """Answers the calls of `quintet.product.v1.ProductService`."""

    def __init__(self, agent: ProductAgent) -> None:
        self._agent = agent

    async def UpsertProducts(self, request: pb.UpsertProductsRequest, context: Any) -> pb.UpsertProductsResponse:
        # Checking a thousand products takes longer than other calls should wait for the event loop.
        new = await asyncio.to_thread(convert.new_products, request.products)
        upserted = await asyncio.to_thread(self._agent.upsert, new)
        return pb.UpsertProductsResponse(created=upserted.created, updated=upserted.updated)

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
                yield convert.to_progress(progress)
