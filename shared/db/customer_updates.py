"""Adding and updating customers: what is said of each is set or cleared, all else stays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from shared.consent import NOTHING_SAID, PURPOSES, Consent
from shared.db.batches import distinct_batches
from shared.db.customers import Customer, lock_identities, read_many
from shared.db.forgotten import forget
from shared.db.schema import customers
from shared.errors import AlreadyExists
from shared.field_masks import Path

YOUNGEST, OLDEST, OPEN_END = "under 19", "65+", 65
AGE_BANDS = ((19, 24), (25, 34), (35, 44), (45, 54), (55, 64))
DEMOGRAPHICS, ATTRIBUTES, CONSENT = "demographics", "attributes", "consent"
NOTHING_CLEARED: frozenset[Path] = frozenset()


@dataclass(frozen=True)
class NewCustomer:
    """A customer to add, or what to change of a known one: what is empty stays as it is, unless it is cleared.

    The e-mail is kept in lower case, because addresses that differ only in case are one person's. `demographics` may
    have `age`, `age_group` (by default the band of the age), `gender`, `region` and `attributes`, which are merged one
    by one. `cleared` has paths as in a field mask, such as `("demographics", "attributes", "size")`.
    """

    external_id: str
    name: str = ""
    email: str = ""
    demographics: dict[str, Any] = field(default_factory=dict)
    registered_at: datetime | None = None
    consent: Consent = NOTHING_SAID
    cleared: frozenset[Path] = NOTHING_CLEARED

    def __post_init__(self) -> None:
        # Letter by letter: the text as a whole could become longer than its column.
        lower = "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in self.email)
        object.__setattr__(self, "email", lower)


def upsert(
    connection: Connection, given: Sequence[NewCustomer], *, create_only: bool = False, field: str = "customers"
) -> tuple[int, int]:
    """Add or update customers, each id once in `given`, and return how many were added and updated.

    An e-mail that another customer has is stored apart (`duplicate_email`), so that nobody can find out by trying.
    Customers may exchange their e-mails in one call.

    Raises AlreadyExists naming `field[i].customer_id` with `create_only` when the customer is known; roll the
    transaction back then.
    """
    lock_identities(connection)
    known = read_many(connection, [customer.external_id for customer in given])
    if create_only:
        _require_unknown(given, known, field)
    now = datetime.now(UTC)
    rows = {each.external_id: _row(each, known.get(each.external_id), now) for each in given}
    _set_duplicates_apart(connection, rows)
    changed = [{"of": known[name].key, **row} for name, row in rows.items() if name in known]
    _give_up_emails(connection, changed, known)
    _forget_withdrawn(connection, changed, known)
    fresh = [{"external_id": name, **row} for name, row in rows.items() if name not in known]
    if fresh:
        connection.execute(customers.insert(), fresh)
    if changed:
        connection.execute(customers.update().where(customers.c.customer_id == bindparam("of")), changed)
    return len(fresh), len(changed)


def age_group(age: int) -> str:
    """Return the band of an age: `under 19`, `19-24`, `25-34` and so on by tens, `65+`."""
    if age >= OPEN_END:
        return OLDEST
    return next((f"{low}-{high}" for low, high in AGE_BANDS if low <= age <= high), YOUNGEST)


def merged_consent(known: Consent, given: NewCustomer) -> Consent:
    """Return a consent after an update."""
    kept = {purpose: said for purpose, said in known.said.items() if (CONSENT, purpose) not in given.cleared}
    return given.consent.over(Consent(**kept))


def merged_demographics(known: Mapping[str, Any], given: NewCustomer) -> dict[str, Any]:
    """Return demographics after an update.

    An age group is derived from an age that comes without one, and goes with it.
    """
    cleared = {path[1:] for path in given.cleared if path[0] == DEMOGRAPHICS}
    age = known.get("age")
    derived = age is not None and known.get("age_group") == age_group(age)
    if "age" in given.demographics or (derived and ("age",) in cleared):
        cleared.add(("age_group",))
    merged = {name: value for name, value in known.items() if (name,) not in cleared}
    merged |= {**given.demographics, ATTRIBUTES: _attributes(merged, given, cleared)}
    if "age" in merged:
        merged.setdefault("age_group", age_group(merged["age"]))
    return {name: value for name, value in merged.items() if value != {}}


def _attributes(merged: Mapping[str, Any], given: NewCustomer, cleared: set[Path]) -> dict[str, str]:
    kept = {key: value for key, value in merged.get(ATTRIBUTES, {}).items() if (ATTRIBUTES, key) not in cleared}
    given_ones: dict[str, str] = given.demographics.get(ATTRIBUTES, {})
    return kept | given_ones


def _row(given: NewCustomer, known: Customer | None, now: datetime) -> dict[str, Any]:
    """Return the columns of a customer after an update, but for `duplicate_email`."""
    before = known or Customer(0, given.external_id, "", "", {}, now, None)
    consent = merged_consent(before.consent, given)
    return {
        "name": _text("name", given.name, before.name, given),
        "email": _text("email", given.email, before.email, given),
        "demographics": merged_demographics(before.demographics, given),
        "registration_date": given.registered_at or before.registered_at,
        **{purpose: getattr(consent, purpose) for purpose in PURPOSES},
        "consent_time": before.consent_time if consent == before.consent and not given.consent.said else now,
    }


def _text(name: str, given: str, before: str, update: NewCustomer) -> str | None:
    return given or ("" if (name,) in update.cleared else before) or None


def _require_unknown(given: Sequence[NewCustomer], known: Mapping[str, Customer], field: str) -> None:
    for index, customer in enumerate(given):
        if customer.external_id in known:
            raise AlreadyExists.of("customer", customer.external_id, f"{field}[{index}].customer_id")


def _set_duplicates_apart(connection: Connection, rows: Mapping[str, dict[str, Any]]) -> None:
    """Move each e-mail that somebody else keeps, or an earlier one of `rows` gets, into `duplicate_email`."""
    owners: dict[str, str | None] = {}
    for some in distinct_batches([row["email"] for row in rows.values() if row["email"]]):
        query = select(customers.c.email, customers.c.external_id).where(customers.c.email.in_(some))
        kept = ((email, owner) for email, owner in connection.execute(query) if _keeps(rows, owner, email))
        owners.update(kept)
    for name, row in rows.items():
        apart = row["email"] is not None and owners.setdefault(row["email"], name) != name
        row["duplicate_email"] = row["email"] if apart else None
        row["email"] = None if apart else row["email"]


def _keeps(rows: Mapping[str, dict[str, Any]], owner: str | None, email: str) -> bool:
    return owner is None or owner not in rows or rows[owner]["email"] == email


def _give_up_emails(connection: Connection, changed: Sequence[dict[str, Any]], known: Mapping[str, Customer]) -> None:
    """Clear e-mails that are about to change, so that another customer can have them in any order."""
    before = {customer.key: customer.email for customer in known.values()}
    leaving = [row["of"] for row in changed if before[row["of"]] not in ("", row["email"])]
    for some in distinct_batches(leaving):
        connection.execute(customers.update().where(customers.c.customer_id.in_(some)).values(email=None))


def _forget_withdrawn(connection: Connection, changed: Sequence[dict[str, Any]], known: Mapping[str, Customer]) -> None:
    denied_before = {customer.key for customer in known.values() if customer.consent.train is False}
    forget(connection, [row["of"] for row in changed if row["train"] is False and row["of"] not in denied_before])
