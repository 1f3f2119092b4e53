"""Which recommendation a purchase or a cart addition is credited to: the last touch within a window.

A line is credited to at most one recommendation: of the product, for the same customer, clicked last at or before the
purchase and within the click window. Without such a click, the impression last seen within the (shorter) view window
is named apart, as view-through: whether it had a part in the purchase nobody knows.

The moments are those of the events, not of their arrival. The log decides what is known: a click that is recorded only
after the purchase it led to came too late to be credited.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.db.recommendations import Touch

PURCHASE = "purchase"
VIEW_THROUGH = "view_through"


@dataclass(frozen=True)
class Windows:
    """For how long after a click, and after an impression, a purchase is credited to it (inclusive)."""

    click: timedelta = timedelta(days=7)
    view: timedelta = timedelta(days=1)

    @property
    def longest(self) -> timedelta:
        """The longer of the two."""
        return max(self.click, self.view)


@dataclass(frozen=True)
class Credit:
    """The touch that takes the credit, as `purchase` (clicked) or `view_through` (only shown)."""

    kind: str
    touch: Touch


def credit(touches: Iterable[Touch], at: datetime, windows: Windows) -> Credit | None:
    """Return what a purchase at `at` is credited to among the customer's touches of the product; None for nothing."""
    known = list(touches)
    click = last_click(known, at, windows.click)
    if click is not None:
        return Credit(PURCHASE, click)
    view = _last((touch for touch in known if touch.kind == "shown"), at, windows.view)
    return None if view is None else Credit(VIEW_THROUGH, view)


def last_click(touches: Iterable[Touch], at: datetime, window: timedelta) -> Touch | None:
    """Return the latest click at or before `at` and at most `window` earlier; None without one."""
    return _last((touch for touch in touches if touch.kind == "click"), at, window)


def _last(touches: Iterable[Touch], at: datetime, window: timedelta) -> Touch | None:
    inside = (touch for touch in touches if at - window <= touch.at <= at)
    return max(inside, key=lambda touch: (touch.at, touch.sequence, touch.recommendation_id), default=None)
