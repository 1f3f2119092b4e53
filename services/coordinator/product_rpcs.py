"""The RPCs about products."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.product.v1 import product_service_pb2 as product_pb
from quintet.type.v1.product_pb2 import Product

from services.coordinator import convert
from services.coordinator.agent import Coordinator
from services.coordinator.event_validation import require_distinct
from services.coordinator.uploads import Upload, message_bytes
from shared.errors import QuintetError
from shared.events.check import check_count
from shared.limits import MAX_BATCH


class ProductRpcs:
    """Update, read, measure."""

    _agent: Coordinator

    async def UpsertProduct(self, request: pb.UpsertProductRequest, context: Any) -> pb.UpsertProductResponse:
        answer = await self._upsert_products([request.product], "product")
        return pb.UpsertProductResponse(created=answer.created == 1)

    async def BatchUpsertProducts(
        self, request: pb.BatchUpsertProductsRequest, context: Any
    ) -> pb.BatchUpsertProductsResponse:
        check_count(request.products, "products", MAX_BATCH, least=1)
        require_distinct([each.product_id for each in request.products], "products")
        answer = await self._upsert_products(request.products)
        return pb.BatchUpsertProductsResponse(created=answer.created, updated=answer.updated)

    async def ImportProducts(
        self, request_iterator: AsyncIterator[pb.ImportProductsRequest], context: Any
    ) -> pb.ImportProductsResponse:
        async def send(portion: Sequence[Product]) -> tuple[int, int]:
            answer = await self._upsert_products(portion)
            return answer.created, answer.updated

        budget = self._agent.stream_bytes
        upload = Upload(send, lambda product: product.product_id, "products", message_bytes, budget)
        tally = await upload.run(each.product async for each in request_iterator)
        return convert.to_products_imported(tally)

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
        )
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

    async def _upsert_products(self, products: Sequence[Product], field: str = "") -> product_pb.UpsertProductsResponse:
        agents = self._agent.agents
        wanted = product_pb.UpsertProductsRequest(products=products)
        try:
            return await agents.call(agents.product.UpsertProducts, wanted)  # type: ignore[no-any-return]
        except QuintetError as error:
            raise (error.renamed("products[0]", field) if field else error) from error
