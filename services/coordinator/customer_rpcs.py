"""The RPCs about customers and visitors: who they are, what they agreed to."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.customer.v1 import customer_service_pb2 as customer_pb
from quintet.type.v1.customer_pb2 import Customer

from services.coordinator import convert
from services.coordinator.agent import Coordinator
from services.coordinator.event_validation import require_distinct
from services.coordinator.uploads import Upload, message_bytes
from shared.errors import QuintetError
from shared.events.check import check_count
from shared.field_masks import FIXED_CUSTOMER_FIELDS, change_of
from shared.limits import MAX_BATCH
from shared.request_ids import RequestKey, key_of


class CustomerRpcs:
    """Register, update, list, profile."""

    _agent: Coordinator

    async def RegisterCustomer(self, request: pb.RegisterCustomerRequest, context: Any) -> pb.RegisterCustomerResponse:
        await self._upsert_customers([request.customer], field="customer", create_only=True, request=key_of(request))
        return pb.RegisterCustomerResponse(customer=await self._customer(request.customer.customer_id))

    async def UpsertCustomer(self, request: pb.UpsertCustomerRequest, context: Any) -> pb.UpsertCustomerResponse:
        _check_mask(request.update_mask)
        answer = await self._upsert_customers([request.customer], [request.update_mask], "customer")
        return pb.UpsertCustomerResponse(created=answer.created == 1)

    async def BatchUpsertCustomers(
        self, request: pb.BatchUpsertCustomersRequest, context: Any
    ) -> pb.BatchUpsertCustomersResponse:
        check_count(request.customers, "customers", MAX_BATCH, least=1)
        require_distinct([each.customer_id for each in request.customers], "customers")
        _check_mask(request.update_mask)
        masks = [request.update_mask] * len(request.customers)
        answer = await self._upsert_customers(request.customers, masks)
        return pb.BatchUpsertCustomersResponse(created=answer.created, updated=answer.updated)

    async def ImportCustomers(
        self, request_iterator: AsyncIterator[pb.ImportCustomersRequest], context: Any
    ) -> pb.ImportCustomersResponse:
        async def send(portion: Sequence[pb.ImportCustomersRequest]) -> tuple[int, int]:
            masks = [each.update_mask for each in portion]
            answer = await self._upsert_customers([each.customer for each in portion], masks)
            return answer.created, answer.updated

        budget = self._agent.stream_bytes
        upload = Upload(send, lambda request: request.customer.customer_id, "customers", message_bytes, budget)
        return convert.to_customers_imported(await upload.run(request_iterator))

    async def GetCustomer(self, request: pb.GetCustomerRequest, context: Any) -> pb.GetCustomerResponse:
        return pb.GetCustomerResponse(customer=await self._customer(request.customer_id))

    async def ListCustomers(self, request: pb.ListCustomersRequest, context: Any) -> pb.ListCustomersResponse:
        agents = self._agent.agents
        wanted = customer_pb.ListCustomersRequest(
            page_size=request.page_size, page_token=request.page_token, segment_name=request.segment_name
        )
        for name in ("registered_since", "active_since"):
            if request.HasField(name):
                getattr(wanted, name).CopyFrom(getattr(request, name))
        answer = await agents.call(agents.customer.ListCustomers, wanted)
        return pb.ListCustomersResponse(customers=answer.customers, next_page_token=answer.next_page_token)

    async def GetCustomerProfile(
        self, request: pb.GetCustomerProfileRequest, context: Any
    ) -> pb.GetCustomerProfileResponse:
        agents = self._agent.agents
        wanted = customer_pb.GetProfileRequest(customer_id=request.customer_id)
        answer = await agents.call(agents.customer.GetProfile, wanted)
        return pb.GetCustomerProfileResponse(profile=answer.profile)

    async def SetVisitorConsent(
        self, request: pb.SetVisitorConsentRequest, context: Any
    ) -> pb.SetVisitorConsentResponse:
        agents = self._agent.agents
        wanted = customer_pb.SetVisitorConsentRequest(visitor_id=request.visitor_id, consent=request.consent)
        answer = await agents.call(agents.customer.SetVisitorConsent, wanted)
        return pb.SetVisitorConsentResponse(consent=answer.consent)

    async def _customer(self, customer_id: str) -> Any:
        agents = self._agent.agents
        wanted = customer_pb.GetCustomerRequest(customer_id=customer_id)
        return (await agents.call(agents.customer.GetCustomer, wanted)).customer

    async def _upsert_customers(
        self,
        customers: Sequence[Customer],
        masks: Sequence[FieldMask] = (),
        field: str = "",
        *,
        create_only: bool = False,
        request: RequestKey | None = None,
    ) -> customer_pb.UpsertCustomersResponse:
        agents = self._agent.agents
        masks = masks if any(mask.paths for mask in masks) else ()
        wanted = customer_pb.UpsertCustomersRequest(customers=customers, create_only=create_only, update_masks=masks)
        if request is not None:
            wanted.request.CopyFrom(request.to_message())
        try:
            return await agents.call(agents.customer.UpsertCustomers, wanted)  # type: ignore[no-any-return]
        except QuintetError as error:
            raise (error.renamed("customers[0]", field) if field else error) from error


def _check_mask(mask: FieldMask) -> None:
    """Raise InvalidArgument naming the path at fault in the request: the agent knows it by another name."""
    change_of(Customer(), mask, FIXED_CUSTOMER_FIELDS)
