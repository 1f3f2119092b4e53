"""A stream of products: stored in portions, and, when it is the whole catalogue, what it leaves out is deleted."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.product.v1 import product_service_pb2 as product_pb
from quintet.type.v1.product_pb2 import Product

from services.coordinator.agent_clients import AgentClients
from services.coordinator.byte_budget import ByteBudget
from services.coordinator.uploads import Tally, Upload, message_bytes
from shared.db.product_retirement import MAX_RETIRED_SHARE
from shared.errors import InvalidArgument
from shared.events.check import check_number
from shared.ids import digests
from shared.limits import MAX_DIGESTS
from shared.timestamps import to_timestamp

IDS_AT_ONCE = 1_000
"""Ids that are kept until they are replaced by their digests."""
RETIRE_SECONDS = 600.0


@dataclass
class Imported:
    """What became of a stream: of its products, of those it left out, and of prices older than what is stored."""

    tally: Tally
    stale: int = 0
    retired: int = 0


@dataclass
class _Named:
    """The ids that a stream names, eight bytes each."""

    whole: list[NDArray[np.uint64]] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)

    def add(self, product_id: str) -> None:
        self.rest.append(product_id)
        if len(self.rest) == IDS_AT_ONCE:
            self._replace()

    def all(self) -> NDArray[np.uint64]:
        self._replace()
        return np.concatenate(self.whole)

    def _replace(self) -> None:
        self.whole.append(digests(self.rest))
        self.rest = []


class ProductImport:
    """Takes one stream of products."""

    def __init__(self, agents: AgentClients, budget: ByteBudget) -> None:
        self._agents = agents
        self._budget = budget
        self._options = pb.ImportProductsRequest()
        self._begun = datetime.now(UTC)
        self._named = _Named()
        self._stale = 0

    async def run(self, requests: AsyncIterator[pb.ImportProductsRequest]) -> Imported:
        """Store the products and return what became of them.

        Raises InvalidArgument for bad options, FailedPrecondition where too many products would be deleted, and what is
        nobody's fault, such as Unavailable: then nothing is deleted.
        """
        upload = Upload(self._send, lambda product: product.product_id, "products", message_bytes, self._budget)
        tally = await upload.run(self._products(requests))
        retired = await self._retire() if self._options.mode == pb.IMPORT_MODE_FULL else 0
        return Imported(tally, self._stale, retired)

    async def _products(self, requests: AsyncIterator[pb.ImportProductsRequest]) -> AsyncIterator[Product]:
        first = True
        async for request in requests:
            if first:
                self._take_options(request)
            if not first or request.HasField("product"):
                if self._options.mode == pb.IMPORT_MODE_FULL:
                    self._named.add(request.product.product_id)
                yield request.product
            first = False

    def _take_options(self, request: pb.ImportProductsRequest) -> None:
        if request.mode not in pb.ImportMode.values():
            raise InvalidArgument.of("mode", request.mode, "must be one of the import modes")
        check_number(request.max_retired_share, "max_retired_share", 0, 1)
        self._options.CopyFrom(request)
        self._options.ClearField("product")

    async def _send(self, portion: Sequence[Product]) -> tuple[int, int]:
        answer = await self._agents.call(self._agents.product.UpsertProducts, upsert_request(portion, self._options))
        self._stale += answer.stale
        return answer.created, answer.updated

    async def _retire(self) -> int:
        answer = await self._agents.call(self._agents.product.RetireProducts, self._retirement(), RETIRE_SECONDS)
        return int(answer.retired)

    def _retirement(self) -> Iterator[product_pb.RetireProductsRequest]:
        options, named = self._options, self._named.all()
        share = options.max_retired_share if options.HasField("max_retired_share") else MAX_RETIRED_SHARE
        yield product_pb.RetireProductsRequest(
            start_time=to_timestamp(self._begun), max_retired_share=share, validate_only=options.validate_only
        )
        for start in range(0, len(named), MAX_DIGESTS):
            yield product_pb.RetireProductsRequest(listed=named[start : start + MAX_DIGESTS].tolist())


def upsert_request(
    products: Sequence[Product],
    options: pb.UpsertProductRequest | pb.BatchUpsertProductsRequest | pb.ImportProductsRequest,
) -> product_pb.UpsertProductsRequest:
    """Return products as the product agent takes them, with the options of a request."""
    wanted = product_pb.UpsertProductsRequest(products=products)
    if options.HasField("update_mask"):
        wanted.update_mask.CopyFrom(options.update_mask)
    if options.HasField("effective_time"):
        wanted.effective_time.CopyFrom(options.effective_time)
    if isinstance(options, pb.ImportProductsRequest):
        wanted.validate_only = options.validate_only
    return wanted
