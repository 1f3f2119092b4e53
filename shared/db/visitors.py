"""A visitor turns out to be a customer: what the visitor did becomes the customer's."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, or_, select

from shared.db import consents, metric_marks
from shared.db.batches import distinct_batches
from shared.db.customers import known_visitors, lock_identities
from shared.db.references import references_to
from shared.db.schema import (
    customer_embeddings,
    customer_segment_memberships,
    customers,
    lifetime_values,
    merged_visitors,
    sessions,
    visitors,
)
from shared.db.sessions import move_sessions

DERIVED = (customer_embeddings, customer_segment_memberships, lifetime_values)
"""Tables computed from behaviour: a visitor's rows are dropped, the customer's are computed anew."""


@dataclass(frozen=True)
class Login:
    """An event with both ids: the visitor (the platform's id) is the customer (key)."""

    visitor_id: str
    customer_key: int


def link(connection: Connection, logins: Sequence[Login]) -> dict[int, int]:
    """Make visitors their customers, in the order of `logins`; return the customer by each key that was given up.

    A visitor id that belongs to another customer already (a shared browser) is the new customer's from then on; what
    was done before stays where it is. Customers must exist.
    """
    named = {login.visitor_id for login in logins}
    known = known_visitors(connection, named)
    if all(known.get(login.visitor_id) == login.customer_key for login in logins):
        return {}  # nothing to do, and so nobody to keep waiting
    lock_identities(connection)
    owners = known_visitors(connection, named)
    anonymous = _anonymous(connection, owners)
    merged: dict[int, int] = {}
    for login in logins:
        owner = owners.get(login.visitor_id)
        if owner in anonymous:
            merge(connection, owner, login.customer_key)
            merged[owner] = login.customer_key
            anonymous.discard(owner)
        if owner != login.customer_key:
            _point(connection, login, known=owner is not None)
            owners[login.visitor_id] = login.customer_key
    return merged


def merge(connection: Connection, visitor_key: int, customer_key: int) -> None:
    """Give every row of a visitor to a customer and delete the visitor's row of `customers`.

    What the visitor said about consent counts where the customer has said nothing.
    """
    columns = customers.c
    # Nobody may add a row that refers to the visitor while its rows are moved.
    locked = select(columns.last_active).where(columns.customer_id == visitor_key).with_for_update()
    last_active = connection.execute(locked).scalar_one()
    consents.take_over(connection, visitor_key, customer_key)
    move_sessions(connection, visitor_key, customer_key)
    for table, column in references_to(columns.customer_id):
        if table in DERIVED:
            connection.execute(table.delete().where(column == visitor_key))
        elif table is not sessions:
            connection.execute(table.update().where(column == visitor_key).values({column: customer_key}))
    connection.execute(customers.delete().where(columns.customer_id == visitor_key))
    connection.execute(merged_visitors.insert().values(visitor_key=visitor_key, customer_id=customer_key))
    metric_marks.mark(connection, metric_marks.CUSTOMERS, [customer_key])
    if last_active is not None:
        later = or_(columns.last_active.is_(None), columns.last_active < last_active)
        seen = customers.update().where(columns.customer_id == customer_key, later).values(last_active=last_active)
        connection.execute(seen)


def _anonymous(connection: Connection, owners: dict[str, int]) -> set[int]:
    """Return those of the owners that are visitors only."""
    query = select(customers.c.customer_id).where(customers.c.external_id.is_(None))
    some = distinct_batches(owners.values())
    return {
        key for keys in some for key in connection.execute(query.where(customers.c.customer_id.in_(keys))).scalars()
    }


def _point(connection: Connection, login: Login, *, known: bool) -> None:
    row = {"visitor_id": login.visitor_id, "customer_id": login.customer_key}
    if known:
        connection.execute(visitors.update().where(visitors.c.visitor_id == login.visitor_id).values(row))
    else:
        connection.execute(visitors.insert().values(row))
