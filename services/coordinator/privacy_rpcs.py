"""The RPCs by which people get their data, or have it erased."""

from collections.abc import AsyncIterator
from typing import Any

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.customer.v1 import customer_service_pb2 as customer_pb

from services.coordinator.agent import Coordinator
from shared.events.check import check_id
from shared.request_ids import key_of


class PrivacyRpcs:
    """Erase and export customers and visitors, show receipts."""

    _agent: Coordinator

    async def DeleteCustomer(self, request: pb.DeleteCustomerRequest, context: Any) -> pb.DeleteCustomerResponse:
        check_id(request.customer_id, "customer_id")
        wanted = _once(customer_pb.EraseCustomerRequest(customer_id=request.customer_id), request)
        return pb.DeleteCustomerResponse(receipt=await self._agent.erase(wanted))

    async def DeleteVisitor(self, request: pb.DeleteVisitorRequest, context: Any) -> pb.DeleteVisitorResponse:
        check_id(request.visitor_id, "visitor_id")
        wanted = _once(customer_pb.EraseCustomerRequest(visitor_id=request.visitor_id), request)
        return pb.DeleteVisitorResponse(receipt=await self._agent.erase(wanted))

    async def ExportCustomer(
        self, request: pb.ExportCustomerRequest, context: Any
    ) -> AsyncIterator[pb.ExportCustomerResponse]:
        check_id(request.customer_id, "customer_id")
        async for row in self._export(customer_pb.ExportCustomerRequest(customer_id=request.customer_id)):
            yield pb.ExportCustomerResponse(table=row.table, row_json=row.row_json)

    async def ExportVisitor(
        self, request: pb.ExportVisitorRequest, context: Any
    ) -> AsyncIterator[pb.ExportVisitorResponse]:
        check_id(request.visitor_id, "visitor_id")
        async for row in self._export(customer_pb.ExportCustomerRequest(visitor_id=request.visitor_id)):
            yield pb.ExportVisitorResponse(table=row.table, row_json=row.row_json)

    async def GetErasureReceipt(
        self, request: pb.GetErasureReceiptRequest, context: Any
    ) -> pb.GetErasureReceiptResponse:
        agents = self._agent.agents
        wanted = customer_pb.GetErasureReceiptRequest(receipt_id=request.receipt_id)
        answer = await agents.call(agents.customer.GetErasureReceipt, wanted)
        return pb.GetErasureReceiptResponse(receipt=answer.receipt)

    def _export(self, wanted: customer_pb.ExportCustomerRequest) -> AsyncIterator[customer_pb.ExportCustomerResponse]:
        agents = self._agent.agents
        return agents.stream(agents.customer.ExportCustomer, wanted)


def _once(
    wanted: customer_pb.EraseCustomerRequest, request: pb.DeleteCustomerRequest | pb.DeleteVisitorRequest
) -> customer_pb.EraseCustomerRequest:
    """Return what is wanted with the key of the caller's request, where it has an id."""
    key = key_of(request)
    if key is not None:
        wanted.request.CopyFrom(key.to_message())
    return wanted
