"""Which events change the rows of one customer only, so that customers can be projected side by side."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

from google.protobuf.message import DecodeError
from quintet.type.v1.event_pb2 import Event
from sqlalchemy import Connection, select

from shared.db.customers import known_visitors
from shared.db.driver import PreparedLookup
from shared.db.event_log import LoggedEvent
from shared.db.event_rows import FEEDBACK, PURCHASE, REFUND
from shared.db.schema import event_log, purchases


class _Named(NamedTuple):
    """What an event names beside its customer: `login` is a visitor who is named together with the customer."""

    login: str = ""
    order: str = ""
    readable: bool = True


def before_shared(connection: Connection, events: Sequence[LoggedEvent]) -> Sequence[LoggedEvent]:
    """Return the events up to, and without, the first that may change rows of several customers.

    All events before these must be applied, but for events of one customer only. The first that counts as shared is one

    - without a customer's key: it is looked up by name when it is applied;
    - that names a visitor who is not the customer already: what the visitor did becomes the customer's;
    - of an order that somebody else's event names too: a refund of another's order, an order id used twice;
    - that cannot be read.
    """
    named = {each.sequence: _named(each) for each in events}
    visitors = known_visitors(connection, {each.login for each in named.values() if each.login})
    owners = _owners(connection, {each.order for each in named.values() if each.order})

    def is_alone(event: LoggedEvent) -> bool:
        return event.kind == FEEDBACK or _is_alone(event.customer_key, named[event.sequence], visitors, owners)

    return list(takewhile(is_alone, events))


def _is_alone(
    customer_key: int | None, named: _Named, visitors: Mapping[str, int], owners: Mapping[str, set[int | None]]
) -> bool:
    if customer_key is None or not named.readable:
        return False
    if named.login and visitors.get(named.login) != customer_key:
        return False
    return not named.order or owners.get(named.order) == {customer_key}


def _named(logged: LoggedEvent) -> _Named:
    if logged.kind == FEEDBACK:
        return _Named()
    try:
        event = Event.FromString(logged.payload)
    except DecodeError:
        return _Named(readable=False)
    login = event.visitor_id if event.customer_id else ""
    if logged.kind == PURCHASE:
        return _Named(login, event.purchase.purchase_id)
    return _Named(login, event.refund.purchase_id if logged.kind == REFUND else "")


def _owners(connection: Connection, order_ids: Iterable[str]) -> Mapping[str, set[int | None]]:
    """Return the keys of the customers by whom orders are recorded, in the log or projected already."""
    wanted = sorted(order_ids)
    found: dict[str, set[int | None]] = defaultdict(set)
    for lookup in (_LOGGED, _PROJECTED):
        for order_id, customer_key in lookup.fetch(connection, wanted):
            found[order_id].add(customer_key)
    return found


_LOGGED = PreparedLookup(select(event_log.c.order_id, event_log.c.customer_id), event_log.c.order_id)
_PROJECTED = PreparedLookup(select(purchases.c.external_id, purchases.c.customer_id), purchases.c.external_id)
