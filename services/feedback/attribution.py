"""Attribution: which recommendations a purchase or a cart addition is credited to.

By the rule that counts, last touch, a purchase line is credited to at most one recommendation of its product for the
same customer: the one clicked last, at or before the purchase and within the click window. If there is no such click,
the line is credited to the last impression within the view window, which is shorter by default. This credit is
recorded separately, as view-through, because it is unknown whether an impression contributed to the purchase.

Beside it, other rules divide the line among all clicks in the window: `first_touch` gives it to the first of them,
`linear` gives all of them equal shares, `position` gives 40 % to the first, 40 % to the last and 20 % in equal shares
to those between (of two, each half; one has all). Clicks on one recommendation that follow each other are one touch: a
view, a cart addition and a purchase that carry its id each count as a click, and would weigh three times.

Times are those at which events occurred, not at which they arrived. But events are applied in the order of the log: a
click that is recorded after its purchase is too late to be credited.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from shared.attribution_rules import FIRST_TOUCH, LINEAR, POSITION, VIEW_THROUGH
from shared.db.recommendations import Touch

PURCHASE = "purchase"
ENDS_TO_MIDDLE = 2
"""The first and the last touch each have twice what all between them have: 40, 40 and 20 %."""


@dataclass(frozen=True)
class Windows:
    """Largest time from a click, and from an impression, to a purchase that is credited to it (inclusive).

    `measured` says whether responses and purchases count of shoppers who have said nothing about it, `rules` which
    rules are computed beside the last touch.
    """

    click: timedelta = timedelta(days=7)
    view: timedelta = timedelta(days=1)
    measured: bool = True
    rules: tuple[str, ...] = ()

    @property
    def longest(self) -> timedelta:
        """The longer of the two."""
        return max(self.click, self.view)


@dataclass(frozen=True)
class Credit:
    """The touch that a line is credited to; `kind` is `purchase` for a click and `view_through` for an impression."""

    kind: str
    touch: Touch


@dataclass(frozen=True)
class Division:
    """How a rule divides a line: touches, and the weight of each, above 0; only their proportions matter."""

    rule: str
    touches: tuple[Touch, ...]
    weights: tuple[int, ...]


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


def divisions(touches: Iterable[Touch], at: datetime, windows: Windows) -> list[Division]:
    """Return how each rule beside the last touch divides a purchase at `at`; `[]` without a click in the window."""
    path = click_path(touches, at, windows.click)
    return [_division(rule, path) for rule in windows.rules] if path else []


def click_path(touches: Iterable[Touch], at: datetime, window: timedelta) -> list[Touch]:
    """Return the clicks in the window, oldest first; of those on one recommendation in a row, the first."""
    clicks = sorted(_inside((touch for touch in touches if touch.kind == "click"), at, window), key=_order)
    return [next(run) for _, run in groupby(clicks, key=lambda touch: touch.recommendation_id)]


def _division(rule: str, path: Sequence[Touch]) -> Division:
    weighted = [(touch, weight) for touch, weight in zip(path, _WEIGHTS[rule](len(path)), strict=True) if weight]
    return Division(rule, tuple(touch for touch, _ in weighted), tuple(weight for _, weight in weighted))


def _first(count: int) -> list[int]:
    return [1] + [0] * (count - 1)


def _equal(count: int) -> list[int]:
    return [1] * count


def _ends(count: int) -> list[int]:
    if count <= 2:
        return _equal(count)
    between = count - 2
    return [ENDS_TO_MIDDLE * between, *_equal(between), ENDS_TO_MIDDLE * between]


_WEIGHTS: dict[str, Callable[[int], list[int]]] = {FIRST_TOUCH: _first, LINEAR: _equal, POSITION: _ends}


def _last(touches: Iterable[Touch], at: datetime, window: timedelta) -> Touch | None:
    return max(_inside(touches, at, window), key=_order, default=None)


def _inside(touches: Iterable[Touch], at: datetime, window: timedelta) -> Iterable[Touch]:
    return (touch for touch in touches if at - window <= touch.at <= at)


def _order(touch: Touch) -> tuple[datetime, int, int]:
    return touch.at, touch.sequence, touch.recommendation_id
