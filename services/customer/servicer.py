"""The gRPC servicer of the customer service: converts requests, calls the agent and converts its answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from quintet.customer.v1 import customer_service_pb2 as pb
from quintet.customer.v1 import customer_service_pb2_grpc as pb_grpc

from services.customer import convert
from services.customer.agent import CustomerAgent
from shared.consent_messages import from_consent
from shared.events.failed import check_sequences
from shared.job_messages import progress_message
from shared.request_ids import RequestKey
from shared.rpc.generators import in_threads
from shared.rpc.interceptor import deadline
from shared.rpc.worker import MOST_APPLYING, BoundedWorker

ROWS_AT_ONCE = 200


class CustomerServicer(pb_grpc.CustomerServiceServicer):
    """Answers the calls of `quintet.customer.v1.CustomerService`."""

    def __init__(self, agent: CustomerAgent) -> None:
        self._agent = agent
        self._applying = BoundedWorker(MOST_APPLYING)

    async def UpsertCustomers(self, request: pb.UpsertCustomersRequest, context: Any) -> pb.UpsertCustomersResponse:
        # Checking a thousand customers takes longer than other calls should wait for the event loop.
        given = await asyncio.to_thread(convert.to_customers, request)
        created, updated = await asyncio.to_thread(
            self._agent.upsert,
            given,
            create_only=request.create_only,
            request=RequestKey.of_message(request.request),
        )
        return pb.UpsertCustomersResponse(created=created, updated=updated)

    async def GetCustomer(self, request: pb.GetCustomerRequest, context: Any) -> pb.GetCustomerResponse:
        customer = await asyncio.to_thread(self._agent.customer, convert.to_customer_id(request.customer_id))
        return pb.GetCustomerResponse(customer=convert.from_customer(customer))

    async def ListCustomers(self, request: pb.ListCustomersRequest, context: Any) -> pb.ListCustomersResponse:
        page = await asyncio.to_thread(self._agent.page, convert.to_page_query(request))
        return pb.ListCustomersResponse(
            customers=map(convert.from_customer, page.customers), next_page_token=page.next_token
        )

    async def SetVisitorConsent(
        self, request: pb.SetVisitorConsentRequest, context: Any
    ) -> pb.SetVisitorConsentResponse:
        visitor_id, said = convert.to_visitor_consent(request)
        consent, since = await asyncio.to_thread(self._agent.set_visitor_consent, visitor_id, said)
        return pb.SetVisitorConsentResponse(consent=from_consent(consent, since))

    async def ApplyEvents(self, request: pb.ApplyEventsRequest, context: Any) -> pb.ApplyEventsResponse:
        sequence, until = convert.to_sequence(request), deadline.get()
        applied = await self._applying.run(lambda: self._agent.apply_events(sequence, until))
        return pb.ApplyEventsResponse(applied_sequence=applied.sequence, applied=applied.events)

    async def ReplayFailedEvents(
        self, request: pb.ReplayFailedEventsRequest, context: Any
    ) -> pb.ReplayFailedEventsResponse:
        check_sequences(request.sequences)
        replayed = await self._applying.run(lambda: self._agent.replay_events(request.sequences))
        return pb.ReplayFailedEventsResponse(applied=replayed.applied, failed=replayed.failed)

    async def GetProfile(self, request: pb.GetProfileRequest, context: Any) -> pb.GetProfileResponse:
        profile = await asyncio.to_thread(self._agent.profile, convert.to_customer_id(request.customer_id))
        return pb.GetProfileResponse(profile=convert.from_profile(profile))

    async def GetPreferences(self, request: pb.GetPreferencesRequest, context: Any) -> pb.GetPreferencesResponse:
        affinity = await asyncio.to_thread(self._agent.preferences, convert.to_customer_id(request.customer_id))
        return pb.GetPreferencesResponse(preferences=convert.from_affinity(affinity))

    async def GetSegments(self, request: pb.GetSegmentsRequest, context: Any) -> pb.GetSegmentsResponse:
        found = await asyncio.to_thread(self._agent.segments, convert.to_customer_id(request.customer_id))
        return pb.GetSegmentsResponse(segments=[convert.from_membership(each) for each in found])

    async def DetectBehaviorChange(
        self, request: pb.DetectBehaviorChangeRequest, context: Any
    ) -> pb.DetectBehaviorChangeResponse:
        customer_id, rate = convert.to_customer_id(request.customer_id), convert.to_false_alarm_rate(request)
        report = await asyncio.to_thread(self._agent.changes, customer_id, rate)
        return pb.DetectBehaviorChangeResponse(
            changes=convert.from_changes(report),
            false_alarm_rate=report.alpha,
            enough_history=bool(report.tests),
        )

    async def RefreshCustomers(
        self, request: pb.RefreshCustomersRequest, context: Any
    ) -> AsyncIterator[pb.RefreshCustomersResponse]:
        async with aclosing(self._agent.refresh()) as steps:
            async for progress in steps:
                yield pb.RefreshCustomersResponse(progress=progress_message(progress, "refresh_customers"))

    async def EraseCustomer(self, request: pb.EraseCustomerRequest, context: Any) -> pb.EraseCustomerResponse:
        who, key = convert.to_who(request), RequestKey.of_message(request.request)
        receipt = await asyncio.to_thread(self._agent.erase, who, key)
        return pb.EraseCustomerResponse(receipt=convert.from_receipt(receipt))

    async def GetErasureReceipt(
        self, request: pb.GetErasureReceiptRequest, context: Any
    ) -> pb.GetErasureReceiptResponse:
        receipt = await asyncio.to_thread(self._agent.receipt, convert.to_receipt_id(request))
        return pb.GetErasureReceiptResponse(receipt=convert.from_receipt(receipt))

    async def ExportCustomer(
        self, request: pb.ExportCustomerRequest, context: Any
    ) -> AsyncIterator[pb.ExportCustomerResponse]:
        rows = self._agent.export(convert.to_who(request))
        async with aclosing(in_threads(rows, ROWS_AT_ONCE)) as exported:
            async for table, row in exported:
                yield convert.from_row(table, row)
