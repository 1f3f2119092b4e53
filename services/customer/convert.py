"""Converts the messages of the customer service to plain values and back."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import repeat
from math import inf
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.customer.v1 import customer_service_pb2 as pb
from quintet.type.v1 import customer_pb2 as types
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.money_pb2 import Money

from services.customer.agent import Affinity, PageQuery, Profile, Who
from services.customer.change import ChangeReport
from services.customer.interests import Share
from shared import limits
from shared.consent import Consent
from shared.consent_messages import from_consent, to_consent
from shared.db.customer_updates import NewCustomer
from shared.db.customers import Customer, Filters
from shared.db.erasure_receipts import Receipt
from shared.db.profiles import Shown
from shared.db.segments import LEARNED, Membership
from shared.errors import InvalidArgument, shown
from shared.events.check import HIDDEN, check_count, check_id, check_number, check_size, check_text, check_time
from shared.field_masks import FIXED_CUSTOMER_FIELDS, change_of
from shared.timestamps import to_timestamp

LARGEST_RATE = 0.5
_TEXTS = (("age_group", limits.MAX_AGE_GROUP), ("gender", limits.MAX_GENDER), ("region", limits.MAX_REGION))
EVERYTHING_POPULATED = FieldMask()
UNUSED_NOTE = (
    "No answer uses histories of the erased any more; a job in the background removes them from stored models."
)
REMOVED_NOTE = "No stored model has a history of the erased."
SUMS_NOTE = "Models keep sums over many customers, such as how often two products are bought together."
BACKUPS_NOTE = "Backups from before this erasure still have the rows: after restoring one, erase again."
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def to_customers(request: pb.UpsertCustomersRequest) -> list[NewCustomer]:
    """Return the customers of a request. Raises InvalidArgument naming the invalid field."""
    check_count(request.customers, "customers", limits.MAX_BATCH, least=1)
    given: dict[str, NewCustomer] = {}
    if request.update_masks and len(request.update_masks) != len(request.customers):
        raise InvalidArgument.of("update_masks", len(request.update_masks), "must be none, or one for each customer")
    masks = request.update_masks or repeat(EVERYTHING_POPULATED)
    for index, (customer, mask) in enumerate(zip(request.customers, masks, strict=False)):
        converted = _to_customer(customer, mask, f"customers[{index}]")
        if converted.external_id in given:
            place, problem = f"customers[{index}].customer_id", "occurs twice in the request"
            raise InvalidArgument.of(place, converted.external_id, problem, ErrorReason.DUPLICATE_ELEMENT)
        given[converted.external_id] = converted
    return list(given.values())


def to_page_query(request: pb.ListCustomersRequest) -> PageQuery:
    """Return which page is asked for. Raises InvalidArgument naming the invalid field."""
    check_number(request.page_size, "page_size", 0, inf)
    check_text(request.page_token, "page_token", limits.MAX_PAGE_TOKEN)
    check_text(request.segment_name, "segment_name", limits.MAX_SEGMENT_NAME)
    registered, active = (to_moment(request, name) for name in ("registered_since", "active_since"))
    size = min(request.page_size or limits.DEFAULT_PAGE_SIZE, limits.MAX_PAGE_SIZE)
    return PageQuery(size, request.page_token, Filters(registered, active, request.segment_name))


def to_moment(message: Message, name: str, field: str = "") -> datetime | None:
    """Return a time of a message; None where it has none. Raises InvalidArgument naming the field."""
    if not message.HasField(name):
        return None
    check_time(getattr(message, name), field or name)
    moment: datetime = getattr(message, name).ToDatetime(tzinfo=UTC)
    return moment


def to_visitor_consent(request: pb.SetVisitorConsentRequest) -> tuple[str, Consent]:
    """Return the visitor and what they said. Raises InvalidArgument naming the invalid field."""
    check_id(request.visitor_id, "visitor_id")
    consent = to_consent(request.consent, "consent")
    if not consent.said:
        raise InvalidArgument.of("consent", None, "must say something to at least one purpose")
    return request.visitor_id, consent


def to_who(request: pb.EraseCustomerRequest | pb.ExportCustomerRequest) -> Who:
    """Return the customer or visitor of a request. Raises InvalidArgument unless it is exactly one."""
    if request.customer_id and request.visitor_id:
        raise InvalidArgument.of("visitor_id", request.visitor_id, "must be empty beside customer_id")
    check_id(request.visitor_id, "visitor_id", required=False)
    check_id(request.customer_id, "customer_id", required=not request.visitor_id)
    return Who(request.customer_id, request.visitor_id)


def to_receipt_id(request: pb.GetErasureReceiptRequest) -> str:
    """Return the id of a receipt. Raises InvalidArgument if it is none."""
    check_id(request.receipt_id, "receipt_id")
    return request.receipt_id


def to_customer_id(customer_id: str) -> str:
    """Return `customer_id` if it is a valid id. Raises InvalidArgument if it is not."""
    check_id(customer_id, "customer_id")
    return customer_id


def to_sequence(request: pb.ApplyEventsRequest) -> int:
    """Return the sequence number up to which events are applied. Raises InvalidArgument if it is negative."""
    check_number(request.up_to_sequence, "up_to_sequence", 0, inf)
    return int(request.up_to_sequence)


def to_false_alarm_rate(request: pb.DetectBehaviorChangeRequest) -> float | None:
    """Return the requested rate, or None for the default. Raises InvalidArgument if it is out of range."""
    check_number(request.false_alarm_rate, "false_alarm_rate", 0, LARGEST_RATE)
    return float(request.false_alarm_rate) or None


def from_profile(profile: Profile) -> types.CustomerProfile:
    """Return a profile as a message."""
    message = types.CustomerProfile(
        customer=from_customer(profile.customer),
        views=[_from_shown(each) for each in profile.views],
        purchases=[_from_shown(each) for each in profile.purchases],
        cart=[_from_shown(each) for each in profile.cart],
        preferences=from_affinity(profile.affinity),
        segments=[from_membership(each) for each in profile.segments],
        changes=from_changes(profile.changes),
        sessions=profile.sessions,
    )
    if profile.embedding is not None:
        message.embedding.extend(profile.embedding.vector.tolist())
        message.embedding_time.CopyFrom(to_timestamp(profile.embedding.updated_at))
    return message


def from_customer(customer: Customer) -> types.Customer:
    """Return a customer as a message."""
    known = customer.demographics
    return types.Customer(
        customer_id=customer.external_id,
        name=customer.name,
        email=customer.email,
        demographics=types.Demographics(
            age=known.get("age"),
            age_group=known.get("age_group", ""),
            gender=known.get("gender", ""),
            region=known.get("region", ""),
            attributes=known.get("attributes", {}),
        ),
        registration_time=to_timestamp(customer.registered_at),
        last_active_time=None if customer.last_active is None else to_timestamp(customer.last_active),
        consent=from_consent(customer.consent, customer.consent_time),
    )


def from_affinity(affinity: Affinity) -> types.Preferences:
    """Return preferences as a message."""
    found = affinity.preferences
    message = types.Preferences(
        categories=[_from_share(each) for each in found.categories],
        brands=[_from_share(each) for each in found.brands],
        purchase_interval_days=found.cadence.interval_days or 0.0,
        time_of_day=found.timing.time_of_day,
        weekday=found.timing.weekday,
        evidence=found.events,
    )
    for each in found.cadence.due:
        message.due.add(
            product_id=affinity.products[each.product],
            last_purchase_time=Timestamp(seconds=each.last_bought),
            interval_days=each.interval_days,
            due_time=Timestamp(seconds=each.due),
        )
    if found.price_band is not None:
        for name, amount in (("low", "p10"), ("median", "p50"), ("high", "p90")):
            money = Money(currency_code=affinity.currency, amount_minor=getattr(found.price_band, amount))
            getattr(message, f"price_{name}").CopyFrom(money)
    return message


def from_membership(membership: Membership) -> types.SegmentMembership:
    """Return a segment membership as a message."""
    learned = membership.segment.kind == LEARNED
    return types.SegmentMembership(
        segment_name=membership.segment.name,
        kind=types.SegmentKind.SEGMENT_KIND_LEARNED if learned else types.SegmentKind.SEGMENT_KIND_RFM,
        confidence=membership.confidence,
        criteria_json=json.dumps(membership.segment.criteria),
    )


def from_changes(report: ChangeReport) -> list[types.BehaviorChange]:
    """Return the significant changes as messages."""
    return [
        types.BehaviorChange(
            aspect=test.aspect,
            description=test.description,
            before=test.before,
            after=test.after,
            p_value=test.p_value,
        )
        for test in report.changes
    ]


def from_rows(rows: Mapping[str, int]) -> list[types.TableRows]:
    """Return the numbers of rows by table as messages, ordered by table name."""
    return [types.TableRows(table=table, rows=count) for table, count in sorted(rows.items())]


def from_receipt(receipt: Receipt) -> types.ErasureReceipt:
    """Return the receipt of an erasure as a message."""
    removed = receipt.models_time is not None
    return types.ErasureReceipt(
        receipt_id=receipt.receipt_id,
        erase_time=to_timestamp(receipt.erased_at),
        erased=from_rows(receipt.rows),
        models=types.ModelsState.MODELS_STATE_REMOVED if removed else types.ModelsState.MODELS_STATE_UNUSED,
        models_note=f"{REMOVED_NOTE if removed else UNUSED_NOTE} {SUMS_NOTE}",
        models_time=None if receipt.models_time is None else to_timestamp(receipt.models_time),
        checksum=receipt.checksum,
        backups_note=BACKUPS_NOTE,
    )


def from_row(table: str, row: Mapping[str, Any]) -> pb.ExportCustomerResponse:
    """Return an exported row as a message."""
    return pb.ExportCustomerResponse(table=table, row_json=json.dumps(row, ensure_ascii=False))


def _to_customer(customer: types.Customer, mask: FieldMask, field: str) -> NewCustomer:
    check_size(customer, field)
    check_id(customer.customer_id, f"{field}.customer_id")
    change = change_of(customer, mask, FIXED_CUSTOMER_FIELDS, f"{field}.update_mask")
    new = _to_new_customer(customer.customer_id, change.given, field)
    return replace(new, cleared=change.cleared) if change.cleared else new


def _to_new_customer(customer_id: str, customer: types.Customer, field: str) -> NewCustomer:
    check_text(customer.name, f"{field}.name", limits.MAX_NAME, private=True)
    check_text(customer.email, f"{field}.email", limits.MAX_EMAIL, private=True)
    if customer.email and not _EMAIL.fullmatch(customer.email):
        raise InvalidArgument.of(f"{field}.email", HIDDEN, "is not an e-mail address", ErrorReason.FIELD_MALFORMED)
    registered_at = to_moment(customer, "registration_time", f"{field}.registration_time")
    demographics = _to_demographics(customer.demographics, f"{field}.demographics")
    consent = to_consent(customer.consent, f"{field}.consent")
    return NewCustomer(customer_id, customer.name, customer.email, demographics, registered_at, consent)


def _to_demographics(given: types.Demographics, field: str) -> dict[str, Any]:
    """Return the given demographics by name, without empty values."""
    found: dict[str, Any] = {}
    if given.HasField("age"):
        check_number(given.age, f"{field}.age", 0, limits.MAX_AGE)
        found["age"] = given.age
    for name, longest in _TEXTS:
        check_text(getattr(given, name), f"{field}.{name}", longest, private=True)
        found[name] = getattr(given, name)
    check_count(given.attributes, f"{field}.attributes", limits.MAX_DEMOGRAPHIC_ATTRIBUTES)
    for key, value in given.attributes.items():
        check_text(key, f"{field}.attributes", limits.MAX_DEMOGRAPHIC_ATTRIBUTE_NAME, required=True)
        check_text(value, f"{field}.attributes[{shown(key)}]", limits.MAX_DEMOGRAPHIC_ATTRIBUTE, private=True)
    found["attributes"] = dict(given.attributes)
    return {name: value for name, value in found.items() if value not in ("", {})}


def _from_shown(shown: Shown) -> types.ProductInteraction:
    message = types.ProductInteraction(
        product_id=shown.product_id,
        product_name=shown.product_name,
        time=to_timestamp(shown.at),
        duration_seconds=shown.duration_seconds,
        quantity=shown.quantity,
        purchase_id=shown.purchase_id,
    )
    if shown.amount is not None:
        message.amount.CopyFrom(Money(currency_code=shown.currency, amount_minor=shown.amount))
    return message


def _from_share(share: Share) -> types.PreferenceShare:
    return types.PreferenceShare(value=share.name, share=share.share, lift=share.lift or 0.0)
