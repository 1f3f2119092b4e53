"""The RPCs by which people get their data, or have it erased."""

from collections.abc import AsyncIterator
from typing import Any

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.customer.v1 import customer_service_pb2 as customer_pb
from quintet.type.v1.customer_pb2 import ErasureReceipt

from services.coordinator.agent import Coordinator
from shared.events.check import check_id


class PrivacyRpcs:
    """Erase and export customers and visitors, show receipts."""

    _agent: Coordinator

    async def DeleteCustomer(self, request: pb.DeleteCustomerRequest, context: Any) -> pb.DeleteCustomerResponse:
        check_id(request.customer_id, "customer_id")
        return pb.DeleteCustomerResponse(receipt=await self._erase(customer_id=request.customer_id))

    async def DeleteVisitor(self, request: pb.DeleteVisitorRequest, context: Any) -> pb.DeleteVisitorResponse:
        check_id(request.visitor_id, "visitor_id")
        return pb.DeleteVisitorResponse(receipt=await self._erase(visitor_id=request.visitor_id))

    async def ExportCustomer(
        self, request: pb.ExportCustomerRequest, context: Any
    ) -> AsyncIterator[pb.ExportCustomerResponse]:
        check_id(request.customer_id, "customer_id")
        async for row in self._export(customer_id=request.customer_id):
            yield pb.ExportCustomerResponse(table=row.table, row_json=row.row_json)

    async def ExportVisitor(
        self, request: pb.ExportVisitorRequest, context: Any
    ) -> AsyncIterator[pb.ExportVisitorResponse]:
        check_id(request.visitor_id, "visitor_id")
        async for row in self._export(visitor_id=request.visitor_id):
            yield pb.ExportVisitorResponse(table=row.table, row_json=row.row_json)

    async def GetErasureReceipt(
        self, request: pb.GetErasureReceiptRequest, context: Any
    ) -> pb.GetErasureReceiptResponse:
        agents = self._agent.agents
        wanted = customer_pb.GetErasureReceiptRequest(receipt_id=request.receipt_id)
        answer = await agents.call(agents.customer.GetErasureReceipt, wanted)
        return pb.GetErasureReceiptResponse(receipt=answer.receipt)

    async def _erase(self, **who: str) -> ErasureReceipt:
        return await self._agent.erase(customer_pb.EraseCustomerRequest(**who))

    def _export(self, **who: str) -> AsyncIterator[customer_pb.ExportCustomerResponse]:
        agents = self._agent.agents
        return agents.stream(agents.customer.ExportCustomer, customer_pb.ExportCustomerRequest(**who))
