"""Customers and visitors: who they are. What they did is in the projection's tables.

A visitor who is not logged in is a row of `customers` too, without an external id, so that what they do has an owner
from the first event on. `shared.db.visitors` makes it the customer's once they log in.
"""

import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select, text

from shared.consent import NOTHING_SAID, Consent
from shared.db.batches import distinct_batches
from shared.db.driver import PreparedLookup
from shared.db.schema import customer_segment_memberships, customer_segments, customers, visitors
from shared.errors import NotFound

IDENTITY_LOCK = 0x5175_6964  # any number that nobody else uses as an advisory lock


@dataclass(frozen=True)
class Customer:
    """A stored customer. `external_id` is the platform's id, empty for a visitor."""

    key: int
    external_id: str
    name: str
    email: str
    demographics: dict[str, Any]
    registered_at: datetime
    last_active: datetime | None
    consent: Consent = NOTHING_SAID
    consent_time: datetime | None = None


@dataclass(frozen=True)
class Filters:
    """Which customers are listed: all conditions hold at once; None and empty mean any."""

    registered_since: datetime | None = None
    active_since: datetime | None = None
    segment: str = ""


@dataclass(frozen=True)
class Groups:
    """The groups a customer belongs to; empty where unknown."""

    customer_key: int
    age_group: str
    gender: str
    region: str


_KEYS = PreparedLookup(select(customers.c.external_id, customers.c.customer_id), customers.c.external_id)
# In one order, or two transactions could wait for each other.
_KEPT = PreparedLookup(
    select(customers.c.customer_id).order_by(customers.c.customer_id).with_for_update(key_share=True),
    customers.c.customer_id,
)
_IDS = PreparedLookup(
    select(
        customers.c.customer_id,
        customers.c.external_id,
        select(func.min(visitors.c.visitor_id))
        .where(visitors.c.customer_id == customers.c.customer_id)
        .scalar_subquery(),
    ),
    customers.c.customer_id,
)
_VISITOR_KEYS = PreparedLookup(select(visitors.c.visitor_id, visitors.c.customer_id), visitors.c.visitor_id)
_COLUMNS = (
    customers.c.customer_id,
    customers.c.external_id,
    customers.c.name,
    func.coalesce(customers.c.email, customers.c.duplicate_email).label("email"),
    customers.c.demographics,
    customers.c.registration_date,
    customers.c.last_active,
    customers.c.personalise,
    customers.c.measure,
    customers.c.train,
    customers.c.consent_time,
)


def resolve_customers(connection: Connection, external_ids: Collection[str]) -> dict[str, int]:
    """Return the keys of customers by the platform's ids; unknown ids are missing."""
    return dict(_KEYS.fetch(connection, external_ids))


def resolve_visitors(connection: Connection, visitor_ids: Collection[str]) -> dict[str, int]:
    """Return the keys of visitors' customer rows, by visitor id; an unknown visitor gets a new row."""
    found = known_visitors(connection, visitor_ids)
    missing = sorted(set(visitor_ids) - found.keys())
    if not missing:
        return found
    lock_identities(connection)
    found |= known_visitors(connection, missing)
    missing = [visitor for visitor in missing if visitor not in found]
    if missing:
        rows = [{"registration_date": datetime.now(UTC), "demographics": {}} for _ in missing]
        insert = customers.insert().returning(customers.c.customer_id, sort_by_parameter_order=True)
        keys = connection.execute(insert, rows).scalars()
        created = dict(zip(missing, keys, strict=True))
        connection.execute(visitors.insert(), [{"visitor_id": v, "customer_id": key} for v, key in created.items()])
        found |= created
    return found


def known_visitors(connection: Connection, visitor_ids: Collection[str]) -> dict[str, int]:
    """Return the keys of visitors' customer rows, by visitor id; unknown visitors are missing."""
    return dict(_VISITOR_KEYS.fetch(connection, visitor_ids))


def shopper_ids(connection: Connection, keys: Collection[int]) -> dict[int, tuple[str | None, str | None]]:
    """Return the customer id or, of who is none, a visitor id under each key; both None for neither."""
    return {key: (customer, None if customer else visitor) for key, customer, visitor in _IDS.fetch(connection, keys)}


def read(connection: Connection, external_id: str, field: str = "customer_id") -> Customer:
    """Return a customer by the platform's id. Raises NotFound naming `field` for an unknown one."""
    found = read_many(connection, [external_id]).get(external_id)
    if found is None:
        raise NotFound.of("customer", external_id, field)
    return found


def read_many(connection: Connection, external_ids: Collection[str]) -> dict[str, Customer]:
    """Return customers by the platform's ids; unknown ids are missing."""
    found: dict[str, Customer] = {}
    for some in distinct_batches(external_ids):
        rows = connection.execute(select(*_COLUMNS).where(customers.c.external_id.in_(some)))
        found.update((row.external_id, _customer(row)) for row in rows)
    return found


def list_customers(connection: Connection, wanted: Filters, after_key: int, limit: int) -> list[Customer]:
    """Return up to `limit` customers with keys above `after_key`, by ascending key; visitors are left out."""
    columns = customers.c
    conditions: list[ColumnElement[bool]] = [columns.customer_id > after_key, columns.external_id.is_not(None)]
    if wanted.registered_since is not None:
        conditions.append(columns.registration_date >= wanted.registered_since)
    if wanted.active_since is not None:
        conditions.append(columns.last_active >= wanted.active_since)
    if wanted.segment:
        conditions.append(columns.customer_id.in_(_members(wanted.segment)))
    query = select(*_COLUMNS).where(*conditions).order_by(columns.customer_id).limit(limit)
    return [_customer(row) for row in connection.execute(query)]


def read_by_key(connection: Connection, customer_key: int) -> Customer | None:
    """Return a customer or visitor by key; None when there is none."""
    row = connection.execute(select(*_COLUMNS).where(customers.c.customer_id == customer_key)).one_or_none()
    return None if row is None else _customer(row)


def all_keys(connection: Connection) -> list[int]:
    """Return the keys of all customers and visitors, ascending."""
    return list(connection.execute(select(customers.c.customer_id).order_by(customers.c.customer_id)).scalars())


def groups(connection: Connection) -> Iterator[Groups]:
    """Yield the groups of every customer and visitor, by ascending key."""
    query = select(customers.c.customer_id, customers.c.demographics).order_by(customers.c.customer_id)
    rows = connection.execution_options(yield_per=5_000).execute(query)
    for key, demographics in rows:
        yield groups_of(key, demographics)


def groups_of(customer_key: int, demographics: dict[str, Any]) -> Groups:
    """Return the groups that demographics say."""
    found = (str(demographics.get(name, "")) for name in ("age_group", "gender", "region"))
    # Interned, because the same few words are in memory for each customer otherwise.
    return Groups(customer_key, *map(sys.intern, found))


def keep(connection: Connection, keys: Collection[int]) -> set[int]:
    """Return those of the keys that exist, and keep these from being erased until the transaction ends."""
    return {key for (key,) in _KEPT.fetch(connection, sorted(set(keys)))}


def lock_identities(connection: Connection) -> None:
    """Keep others from adding customers and visitors until the transaction ends; they would add the same ones."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": IDENTITY_LOCK})


def _members(segment: str) -> Select[tuple[int]]:
    member = customer_segment_memberships.c
    return (
        select(member.customer_id)
        .join(customer_segments, customer_segments.c.segment_id == member.segment_id)
        .where(customer_segments.c.segment_name == segment)
    )


def _customer(row: Any) -> Customer:
    return Customer(
        key=row.customer_id,
        external_id=row.external_id or "",
        name=row.name or "",
        email=row.email or "",
        demographics=row.demographics,
        registered_at=row.registration_date,
        last_active=row.last_active,
        consent=Consent(row.personalise, row.measure, row.train),
        consent_time=row.consent_time,
    )
