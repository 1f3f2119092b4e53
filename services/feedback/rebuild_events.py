"""Reads the events that a group of shoppers and recommendations is made anew from."""

from collections.abc import Collection, Iterable, Sequence

from services.feedback.response_groups import ResponseGroup, node_of
from services.feedback.signals import Signal, read_signal
from shared.db import event_log, response_pieces
from shared.db.engine import Connection
from shared.db.event_log import LoggedEvent
from shared.db.event_rows import REFUND
from shared.db.log_pieces import OrderRefunds, events_of, numbered
from shared.db.recommendations import registered_among

Joined = tuple[int, list[int]]
"""Number of an event, and the nodes of `ResponseGroups` that it joins."""
READ_AT_ONCE = 2_000


class RebuildEvents:
    """Reads the log once, in pieces, and then what groups need. Events that were set aside are left out."""

    def __init__(self) -> None:
        self.read_up_to = 0
        self._refunds = OrderRefunds()
        self._aside: set[int] = set()
        self._later: list[Joined] = []

    def read_refunds(self, connection: Connection, up_to: int) -> None:
        """Note which events give back which order."""
        self._refunds.read_on(connection, up_to)

    def read_on(self, connection: Connection, up_to: int, limit: int) -> list[Joined]:
        """Read up to `limit` events further, to a number at most, and return what those join that name anything."""
        after = self.read_up_to
        events = [each for each in event_log.read_after(connection, after, limit) if each.sequence <= up_to]
        self.read_up_to = events[-1].sequence if len(events) == limit else up_to
        self._aside |= response_pieces.set_aside(connection, after, self.read_up_to)
        return _joined(connection, self._signals(events))

    def of(self, connection: Connection, group: ResponseGroup, position: int) -> list[Signal]:
        """Return the signals of a group up to a number, in the order of the log; what came lately is read first."""
        while self.read_up_to < position:
            self._later += self.read_on(connection, position, READ_AT_ONCE)
        later = [number for number, nodes in self._later if not group.nodes.isdisjoint(nodes)]
        theirs = [each for each in events_of(connection, group.customers, position) if each.kind != REFUND]
        signals = self._signals(theirs)
        orders = [each.purchase.purchase_id for each in signals if each.purchase is not None]
        others = {*group.events, *later, *self._refunds.of(connection, orders, position)}
        signals += self._signals(numbered(connection, others - {each.sequence for each in theirs}))
        return sorted(signals, key=lambda signal: signal.sequence)

    def _signals(self, events: Iterable[LoggedEvent]) -> list[Signal]:
        return [
            signal for each in events if each.sequence not in self._aside and (signal := read_signal(each)) is not None
        ]


def _joined(connection: Connection, signals: Sequence[Signal]) -> list[Joined]:
    naming = [signal for signal in signals if signal.named]
    owners = response_pieces.made_for(connection, {number for signal in naming for number in signal.named})
    shoppers = {*owners.values(), *(signal.customer_key for signal in naming)} - {None}
    registered = registered_among(connection, [key for key in shoppers if key is not None])
    return [(signal.sequence, nodes) for signal in naming if (nodes := _nodes(signal, owners, registered))]


def _nodes(signal: Signal, owners: dict[int, int | None], registered: Collection[int]) -> list[int]:
    who = signal.customer_key
    nodes = [node_of(number, owners[number]) for number in signal.named if number in owners]
    if who is None:
        return nodes
    return [who, *(node for node in nodes if node < 0 or node == who or (node in registered) != (who in registered))]
