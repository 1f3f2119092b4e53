"""Last-touch attribution: which recommendation a purchase or a cart addition is credited to.

A purchase line is credited to at most one recommendation of its product for the same customer: the one clicked last,
at or before the purchase and within the click window. If there is no such click, the line is credited to the last
impression within the view window, which is shorter by default. This credit is recorded separately, as view-through,
because it is unknown whether an impression contributed to the purchase.

Times are those at which events occurred, not at which they arrived. But events are applied in the order of the log: a
click that is recorded after its purchase is too late to be credited.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.db.recommendations import Touch

PURCHASE = "purchase"
VIEW_THROUGH = "view_through"


@dataclass(frozen=True)
class Windows:
    """Largest time from a click, and from an impression, to a purchase that is credited to it (inclusive).

    `measured` says whether responses and purchases count of shoppers who have said nothing about it.
    """

    click: timedelta = timedelta(days=7)
    view: timedelta = timedelta(days=1)
    measured: bool = True

    @property
    def longest(self) -> timedelta:
        """The longer of the two."""
        return max(self.click, self.view)


@dataclass(frozen=True)
class Credit:
    """The touch that a line is credited to; `kind` is `purchase` for a click and `view_through` for an impression."""

    kind: str
    touch: Touch


def credit(touches: Iterable[Touch], at: datetime, windows: Windows) -> Credit | None:
    """Return the credit of a purchase at `at` from the customer's touches of the product; None if none fits."""
    known = list(touches)
    click = last_click(known, at, windows.click)
    if click is not None:
        return Credit(PURCHASE, click)
    view = _last((touch for touch in known if touch.kind == "shown"), at, windows.view)
    return None if view is None else Credit(VIEW_THROUGH, view)


def last_click(touches: Iterable[Touch], at: datetime, window: timedelta) -> Touch | None:
    """Return the latest click at or before `at` and at most `window` earlier; None if there is none."""
    return _last((touch for touch in touches if touch.kind == "click"), at, window)


def _last(touches: Iterable[Touch], at: datetime, window: timedelta) -> Touch | None:
    inside = (touch for touch in touches if at - window <= touch.at <= at)
    return max(inside, key=lambda touch: (touch.at, touch.sequence, touch.recommendation_id), default=None)
