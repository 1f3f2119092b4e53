"""What customers and visitors agreed to, by the keys of `customers`."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, false, func, select

from shared.consent import NOTHING_SAID, PURPOSES, Consent, Permissions, Purpose
from shared.db.driver import PreparedLookup
from shared.db.forgotten import forget
from shared.db.schema import customers

_CONSENTS = PreparedLookup(
    select(customers.c.customer_id, customers.c.personalise, customers.c.measure, customers.c.train),
    customers.c.customer_id,
)


def consents_of(connection: Connection, keys: Collection[int]) -> dict[int, Consent]:
    """Return what some customers and visitors said; unknown keys are missing."""
    return {key: Consent(*map(_said, values)) for key, *values in _CONSENTS.fetch(connection, sorted(set(keys)))}


def read_consent(connection: Connection, key: int) -> tuple[Consent, datetime | None]:
    """Return what somebody said and since when; nothing for an unknown key."""
    row = _locked(connection, key)
    return (NOTHING_SAID, None) if row is None else (_consent(row), row.consent_time)


def store(connection: Connection, key: int, said: Consent, at: datetime) -> None:
    """Store what somebody said at a moment, over what was said before it; what was said later stays.

    Who no longer agrees to `train` is forgotten by the models.
    """
    row = _locked(connection, key)
    if row is None or (row.consent_time is not None and row.consent_time > at):
        return
    before = _consent(row)
    after = said.over(before)
    if after != before:
        _write(connection, key, before, after, at)


def take_over(connection: Connection, visitor_key: int, customer_key: int) -> None:
    """Let what a visitor said count for a customer who said nothing to it."""
    visitor, customer = _locked(connection, visitor_key), _locked(connection, customer_key)
    if visitor is None or customer is None:
        return
    before = _consent(customer)
    after = before.over(_consent(visitor))
    if after != before:
        moments = [each.consent_time for each in (visitor, customer) if each.consent_time is not None]
        _write(connection, customer_key, before, after, max(moments, default=datetime.now(UTC)))


def trains(customer_key: Column[int], default: Permissions) -> ColumnElement[bool]:
    """Return the condition that the customer or visitor whose key a column has permits `train`."""
    train = customers.c.train
    said = select(customers.c.customer_id).where(train.is_not(None))
    if default.train:
        return customer_key.not_in(said.where(~train))
    return customer_key.in_(said.where(train))


def denied_keys(connection: Connection, purpose: Purpose, default: Permissions) -> list[int]:
    """Return the keys of customers and visitors who do not permit a purpose, ascending."""
    key = customers.c.customer_id
    denied = select(key).where(func.coalesce(customers.c[purpose], getattr(default, purpose)) == false())
    return list(connection.execute(denied.order_by(key)).scalars())


def _locked(connection: Connection, key: int) -> Any:
    columns = customers.c
    query = select(columns.personalise, columns.measure, columns.train, columns.consent_time)
    return connection.execute(query.where(columns.customer_id == key).with_for_update()).one_or_none()


def _consent(row: Any) -> Consent:
    return Consent(row.personalise, row.measure, row.train)


def _said(value: object) -> bool | None:
    """Return a value as the driver gives it: SQLite has numbers."""
    return None if value is None else bool(value)


def _write(connection: Connection, key: int, before: Consent, after: Consent, at: datetime) -> None:
    values = {purpose: getattr(after, purpose) for purpose in PURPOSES}
    row = customers.update().where(customers.c.customer_id == key)
    connection.execute(row.values(**values, consent_time=at))
    if after.train is False and before.train is not False:
        forget(connection, [key])
