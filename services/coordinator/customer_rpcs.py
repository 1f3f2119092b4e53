"""The RPCs about customers."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.customer.v1 import customer_service_pb2 as customer_pb
from quintet.type.v1.customer_pb2 import Customer

from services.coordinator import convert
from services.coordinator.agent import Coordinator
from services.coordinator.event_validation import require_distinct
from services.coordinator.uploads import Upload, message_bytes
from shared.errors import QuintetError
from shared.events.check import check_count
from shared.limits import MAX_BATCH
from shared.request_ids import RequestKey, key_of

MODELS_NOTE = (
    "Trained models hold co-occurrence statistics of products and no per-customer data; the next training leaves the "
    "erased behaviour out of them."
)


class CustomerRpcs:
    """Register, update, profile, erase, export."""

    _agent: Coordinator

    async def RegisterCustomer(self, request: pb.RegisterCustomerRequest, context: Any) -> pb.RegisterCustomerResponse:
        await self._upsert_customers([request.customer], "customer", create_only=True, request=key_of(request))
        profile = await self._profile(request.customer.customer_id)
        return pb.RegisterCustomerResponse(customer=profile.customer)

    async def UpsertCustomer(self, request: pb.UpsertCustomerRequest, context: Any) -> pb.UpsertCustomerResponse:
        answer = await self._upsert_customers([request.customer], "customer")
        return pb.UpsertCustomerResponse(created=answer.created == 1)

    async def BatchUpsertCustomers(
        self, request: pb.BatchUpsertCustomersRequest, context: Any
    ) -> pb.BatchUpsertCustomersResponse:
        check_count(request.customers, "customers", MAX_BATCH, least=1)
        require_distinct([each.customer_id for each in request.customers], "customers")
        answer = await self._upsert_customers(request.customers)
        return pb.BatchUpsertCustomersResponse(created=answer.created, updated=answer.updated)

    async def ImportCustomers(
        self, request_iterator: AsyncIterator[pb.ImportCustomersRequest], context: Any
    ) -> pb.ImportCustomersResponse:
        async def send(portion: Sequence[Customer]) -> tuple[int, int]:
            answer = await self._upsert_customers(portion)
            return answer.created, answer.updated

        budget = self._agent.stream_bytes
        upload = Upload(send, lambda customer: customer.customer_id, "customers", message_bytes, budget)
        tally = await upload.run(each.customer async for each in request_iterator)
        return convert.to_customers_imported(tally)

    async def GetCustomerProfile(
        self, request: pb.GetCustomerProfileRequest, context: Any
    ) -> pb.GetCustomerProfileResponse:
        return pb.GetCustomerProfileResponse(profile=await self._profile(request.customer_id))

    async def DeleteCustomer(self, request: pb.DeleteCustomerRequest, context: Any) -> pb.DeleteCustomerResponse:
        erased = await self._agent.erase_customer(request.customer_id, key_of(request))
        return pb.DeleteCustomerResponse(
            receipt_id=erased.receipt_id,
            erase_time=erased.erase_time,
            erased=erased.erased,
            models_note=MODELS_NOTE,
        )

    async def ExportCustomer(
        self, request: pb.ExportCustomerRequest, context: Any
    ) -> AsyncIterator[pb.ExportCustomerResponse]:
        agents = self._agent.agents
        wanted = customer_pb.ExportCustomerRequest(customer_id=request.customer_id)
        async for row in agents.stream(agents.customer.ExportCustomer, wanted):
            yield pb.ExportCustomerResponse(table=row.table, row_json=row.row_json)

    async def _profile(self, customer_id: str) -> Any:
        agents = self._agent.agents
        wanted = customer_pb.GetProfileRequest(customer_id=customer_id)
        return (await agents.call(agents.customer.GetProfile, wanted)).profile

    async def _upsert_customers(
        self,
        customers: Sequence[Customer],
        field: str = "",
        *,
        create_only: bool = False,
        request: RequestKey | None = None,
    ) -> customer_pb.UpsertCustomersResponse:
        agents = self._agent.agents
        wanted = customer_pb.UpsertCustomersRequest(customers=customers, create_only=create_only)
        if request is not None:
            wanted.request.CopyFrom(request.to_message())
        try:
            return await agents.call(agents.customer.UpsertCustomers, wanted)  # type: ignore[no-any-return]
        except QuintetError as error:
            raise (error.renamed("customers[0]", field) if field else error) from error
