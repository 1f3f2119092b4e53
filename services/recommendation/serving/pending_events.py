"""What a shopper's newest events add to their history while the customer agent has not projected them yet."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from services.recommendation.algorithms.interactions import Kind
from shared.db.identified_events import Recorded
from shared.db.sessions import SILENCE, named_by_platform

NEW_KEY = 1 << 62
"""Keys of sessions and purchases that are not stored yet count up from here; stored ones never come so far."""


class PendingInteraction(NamedTuple):
    """An interaction with a product (its row): `basket` as `InteractionRows.baskets`, `time` in Unix seconds."""

    product: int
    kind: Kind
    quantity: float
    time: int
    basket: int
    session: int


@dataclass(eq=False)
class PendingEffects:
    """What events that are not projected yet change, worked out as `shared.db.projection` will.

    Two simplifications: a late event extends no earlier session and joins no two, and refunds wait for the projection.

    Parameters
    ----------
    row_of_id : callable
        Row of a product by the platform's id; None for products that are not in the catalogue.
    cart : dict of int to float
        Units in the cart by row; changed in place.
    sessions : dict of str to int
        Keys of the sessions that the platform named; new ones are added.
    session_ends : dict of int to datetime
        When sessions without a name of the platform's ended, by key; changed in place.
    """

    row_of_id: Callable[[str], int | None]
    cart: dict[int, float]
    sessions: dict[str, int]
    session_ends: dict[int, datetime]
    interactions: list[PendingInteraction] = field(default_factory=list)
    searches: dict[int, str] = field(default_factory=dict)
    latest_session: int = 0
    _latest_at: datetime | None = None

    def apply(self, events: Sequence[Recorded]) -> None:
        """Take events in, in the order of the log."""
        for recorded in events:
            effect = _EFFECTS.get(recorded.kind)
            if recorded.kind == "refund":
                continue
            session = self._session(recorded)
            if effect is not None:
                effect(self, recorded, session)

    def _session(self, recorded: Recorded) -> int:
        name = named_by_platform(recorded.event.session_id)
        key = self.sessions.setdefault(name, self._new_key()) if name else self._unnamed(recorded)
        if self._latest_at is None or recorded.at >= self._latest_at:
            self.latest_session, self._latest_at = key, recorded.at
        return key

    def _unnamed(self, recorded: Recorded) -> int:
        """Return the session that 30 minutes of silence do not part from the event, or a new one."""
        near = [key for key, end in self.session_ends.items() if abs(recorded.at - end) <= SILENCE]
        key = near[0] if near else self._new_key()
        self.session_ends[key] = max(recorded.at, self.session_ends.get(key, recorded.at))
        return key

    def _new_key(self) -> int:
        return NEW_KEY + len(self.sessions) + len(self.session_ends)

    def _lines(self, items: Sequence[Any]) -> Iterator[tuple[int, float]]:
        for item in items:
            row = self.row_of_id(item.product_id)
            if row is not None:
                yield row, item.quantity or 1.0

    def _add(self, recorded: Recorded, row: int, kind: Kind, quantity: float, basket: int, session: int) -> None:
        time = int(recorded.at.timestamp())
        self.interactions.append(PendingInteraction(row, kind, quantity, time, basket, session))

    def _view(self, recorded: Recorded, session: int) -> None:
        row = self.row_of_id(getattr(recorded.event, recorded.kind).product_id)
        if row is not None:
            self._add(recorded, row, Kind.VIEW, 1.0, -session, session)

    def _put_in(self, recorded: Recorded, session: int) -> None:
        for row, quantity in self._lines(recorded.event.add_to_cart.items):
            self.cart[row] = self.cart.get(row, 0.0) + quantity
            self._add(recorded, row, Kind.CART, quantity, -session, session)

    def _take_out(self, recorded: Recorded, _session: int) -> None:
        for row, quantity in self._lines(recorded.event.remove_from_cart.items):
            self._leave(row, quantity)

    def _buy(self, recorded: Recorded, session: int) -> None:
        for row, quantity in self._lines(recorded.event.purchase.items):
            self._leave(row, quantity)
            self._add(recorded, row, Kind.PURCHASE, quantity, NEW_KEY + recorded.sequence, session)

    def _search(self, recorded: Recorded, session: int) -> None:
        self.searches[session] = recorded.event.search.query

    def _leave(self, row: int, quantity: float) -> None:
        left = self.cart.pop(row, 0.0) - quantity
        if left > 0:
            self.cart[row] = left


_EFFECTS: Mapping[str, Callable[[PendingEffects, Recorded, int], None]] = {
    "product_view": PendingEffects._view,
    "page_view": PendingEffects._view,
    "add_to_cart": PendingEffects._put_in,
    "remove_from_cart": PendingEffects._take_out,
    "purchase": PendingEffects._buy,
    "search": PendingEffects._search,
}
