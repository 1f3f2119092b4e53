"""Customers and visitors: who they are. What they did is in the projection's tables.

A visitor who is not logged in is a row of `customers` too, without an external id, so that what they do has an owner
from the first event on. `shared.db.visitors` makes it the customer's once they log in.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, text

from shared.db.batches import distinct_batches
from shared.db.driver import PreparedLookup
from shared.db.schema import customers, visitors
from shared.errors import AlreadyExists, NotFound

IDENTITY_LOCK = 0x5175_6964  # any number that nobody else uses as an advisory lock


@dataclass(frozen=True)
class NewCustomer:
    """A customer to add, or what to change of a known one: what is empty stays as it is.

    The e-mail is kept in lower case, because addresses that differ only in case are one person's. `demographics` may
    have `age`, `age_group` (by default the band of the age), `gender`, `region` and `attributes`, which are merged one
    by one.
    """

    external_id: str
    name: str = ""
    email: str = ""
    demographics: dict[str, Any] = field(default_factory=dict)
    registered_at: datetime | None = None

    def __post_init__(self) -> None:
        # Letter by letter: the text as a whole could become longer than its column.
        lower = "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in self.email)
        object.__setattr__(self, "email", lower)


YOUNGEST, OLDEST, OPEN_END = "under 19", "65+", 65
AGE_BANDS = ((19, 24), (25, 34), (35, 44), (45, 54), (55, 64))


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
_VISITOR_KEYS = PreparedLookup(select(visitors.c.visitor_id, visitors.c.customer_id), visitors.c.visitor_id)
_COLUMNS = (
    customers.c.customer_id,
    customers.c.external_id,
    customers.c.name,
    customers.c.email,
    customers.c.demographics,
    customers.c.registration_date,
    customers.c.last_active,
)


def upsert(
    connection: Connection, given: Sequence[NewCustomer], *, create_only: bool = False, field: str = "customers"
) -> tuple[int, int]:
    """Add or update customers, each id once in `given`, and return how many were added and updated.

    Customers may exchange their e-mails in one call.

    Raises AlreadyExists naming `field[i].email` when the e-mail is another customer's, and with `create_only` naming
    `field[i].customer_id` when the customer is known; roll the transaction back then.
    """
    lock_identities(connection)
    known = read_many(connection, [customer.external_id for customer in given])
    if create_only:
        _require_unknown(given, known, field)
    _require_free_emails(connection, given, field)
    now = datetime.now(UTC)
    fresh = [_row(customer, now) for customer in given if customer.external_id not in known]
    changed = [_changed(known[each.external_id], each) for each in given if each.external_id in known]
    _give_up_emails(connection, changed, known)
    if fresh:
        connection.execute(customers.insert(), fresh)
    if changed:
        connection.execute(customers.update().where(customers.c.customer_id == bindparam("of")), changed)
    return len(fresh), len(changed)


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
    return Groups(customer_key, *(str(demographics.get(name, "")) for name in ("age_group", "gender", "region")))


def keep(connection: Connection, keys: Collection[int]) -> set[int]:
    """Return those of the keys that exist, and keep these from being erased until the transaction ends."""
    return {key for (key,) in _KEPT.fetch(connection, sorted(set(keys)))}


def age_group(age: int) -> str:
    """Return the band of an age: `under 19`, `19-24`, `25-34` and so on by tens, `65+`."""
    if age >= OPEN_END:
        return OLDEST
    return next((f"{low}-{high}" for low, high in AGE_BANDS if low <= age <= high), YOUNGEST)


def lock_identities(connection: Connection) -> None:
    """Keep others from adding customers and visitors until the transaction ends; they would add the same ones."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": IDENTITY_LOCK})


def _require_unknown(given: Sequence[NewCustomer], known: dict[str, Customer], field: str) -> None:
    for index, customer in enumerate(given):
        if customer.external_id in known:
            raise AlreadyExists.of("customer", customer.external_id, f"{field}[{index}].customer_id")


def _require_free_emails(connection: Connection, given: Sequence[NewCustomer], field: str) -> None:
    """Raise AlreadyExists for an e-mail of somebody who keeps it, or of two customers in `given`."""
    wanted = {customer.external_id: customer.email for customer in given if customer.email}
    owners: dict[str, str | None] = {}
    for some in distinct_batches([customer.email for customer in given if customer.email]):
        query = select(customers.c.email, customers.c.external_id).where(customers.c.email.in_(some))
        rows = connection.execute(query)
        owners.update((email, owner) for email, owner in rows if wanted.get(owner, email) == email)
    for index, customer in enumerate(given):
        if customer.email and owners.setdefault(customer.email, customer.external_id) != customer.external_id:
            raise AlreadyExists.of("customer with the e-mail", customer.email, f"{field}[{index}].email")


def _give_up_emails(connection: Connection, changed: Sequence[dict[str, Any]], known: dict[str, Customer]) -> None:
    """Clear e-mails that are about to change, so that another customer can have them in any order."""
    before = {customer.key: customer.email for customer in known.values()}
    leaving = [row["of"] for row in changed if before[row["of"]] not in ("", row["email"])]
    for some in distinct_batches(leaving):
        connection.execute(customers.update().where(customers.c.customer_id.in_(some)).values(email=None))


def _row(customer: NewCustomer, now: datetime) -> dict[str, Any]:
    return {
        "external_id": customer.external_id,
        "name": customer.name or None,
        "email": customer.email or None,
        "demographics": _merged({}, customer.demographics),
        "registration_date": customer.registered_at or now,
    }


def _changed(known: Customer, given: NewCustomer) -> dict[str, Any]:
    return {
        "of": known.key,
        "name": given.name or known.name or None,
        "email": given.email or known.email or None,
        "demographics": _merged(known.demographics, given.demographics),
        "registration_date": given.registered_at or known.registered_at,
    }


def _merged(known: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    attributes = {**known.get("attributes", {}), **given.get("attributes", {})}
    derived = {"age_group": age_group(given["age"])} if "age" in given else {}
    return {**known, **derived, **given, **({"attributes": attributes} if attributes else {})}


def _customer(row: Any) -> Customer:
    return Customer(
        key=row.customer_id,
        external_id=row.external_id or "",
        name=row.name or "",
        email=row.email or "",
        demographics=row.demographics,
        registered_at=row.registration_date,
        last_active=row.last_active,
    )
