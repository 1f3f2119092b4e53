"""Grades clicks by what the shopper did afterwards, from 0 to 1.

A click on a recommendation is worth less when the shopper leaves the product's page at once. What is known of the time
after it, within a session's silence of 30 minutes:

- a view of the product that says how long it was: `FLOOR` for less than `QUICK_SECONDS`, then rising with the time
  (1 - exp(-t / `SCALE_SECONDS`)), and up to `MOST_SCROLL_POINTS` by how far it was scrolled: the reported share of the
  page, or a quarter for each scroll where that is more;
- a view of another page at most `QUICK_SECONDS` after the click (a quick return): `FLOOR`;
- the product is put into the cart through the recommendation: 1.

The best of these is the grade. So it does not depend on the order in which they come, nor on how often, and a view that
is reported when it begins and again when it ends counts by its end. A click about which nothing is known has no grade,
and counts as 1: not to report durations must not make all clicks worthless.

Sources: dwell time as a measure of satisfied clicks: Kim, Hassan, White & Zitouni, "Modeling dwell time to predict
click-level satisfaction", WSDM 2014, doi:10.1145/2556195.2556220; and in recommending: Yi, Hong, Zhong, Liu & Rajan,
"Beyond clicks: dwell time for personalization", RecSys 2014, doi:10.1145/2645710.2645724. The constants are ours.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from math import exp
from typing import NamedTuple

from shared.db.graded_clicks import ClickGrade, StoredClick
from shared.db.sessions import SILENCE

QUICK_SECONDS = 5.0
FLOOR = 0.2
SCALE_SECONDS = 30.0
MOST_SCROLL_POINTS = 0.2
DEPTH_OF_A_SCROLL = 0.25
CARTED = 1.0
_QUICK = timedelta(seconds=QUICK_SECONDS)


class PageView(NamedTuple):
    """A page that a shopper saw; `product_id` is empty for pages without a product, `dwell_seconds` 0 if unknown."""

    product_id: str = ""
    dwell_seconds: float = 0.0
    scrolls: int = 0
    scroll_depth: float = 0.0


class Stay(NamedTuple):
    """A page that a customer (a key) saw at a moment."""

    customer_key: int
    at: datetime
    page: PageView


def grade(dwell_seconds: float, scrolls: int = 0, scroll_depth: float = 0.0) -> float:
    """Return the grade of a click that a view of `dwell_seconds`, above 0, with some scrolls followed.

    `scroll_depth` is the share of the page that came into view, 0 to 1; 0 where it is not known.
    """
    longer = max(0.0, dwell_seconds - QUICK_SECONDS)
    stayed = FLOOR + (1 - FLOOR) * (1 - exp(-longer / SCALE_SECONDS))
    depth = min(1.0, max(scroll_depth, DEPTH_OF_A_SCROLL * max(0, scrolls)))
    return min(1.0, stayed + MOST_SCROLL_POINTS * depth)


def grades(
    clicks: Iterable[StoredClick], stays: Mapping[int, Iterable[Stay]], carts: Mapping[int, Iterable[datetime]]
) -> list[ClickGrade]:
    """Return the new grades of those clicks that change by what is known now.

    Parameters
    ----------
    clicks : iterable of StoredClick
        With the grades they have.
    stays : mapping of customer key to Stay
        Pages that customers saw.
    carts : mapping of recommendation to moments
        When its product was put into the cart through it.
    """
    found = []
    for click in clicks:
        theirs = stays.get(click.customer_key, ()) if click.customer_key is not None else ()
        new = _best(click, theirs, carts.get(click.recommendation_id, ()))
        if (new.grade, new.dwell_seconds) != (click.grade, click.dwell_seconds):
            found.append(new)
    return found


def _best(click: StoredClick, stays: Iterable[Stay], carts: Iterable[datetime]) -> ClickGrade:
    best, longest = click.grade, click.dwell_seconds
    for stay in stays:
        best = _larger(best, _by_page(click, stay))
        longest = _larger(longest, _dwell(click, stay))
    if any(_follows(click, at) for at in carts):
        best = CARTED
    return ClickGrade(click.outcome_id, best, longest)


def _by_page(click: StoredClick, stay: Stay) -> float | None:
    """Return what a page says of a click; None for nothing."""
    dwell = _dwell(click, stay)
    if dwell is not None:
        return grade(dwell, stay.page.scrolls, stay.page.scroll_depth)
    left = stay.page.product_id != click.product_id and timedelta(0) < stay.at - click.at <= _QUICK
    return FLOOR if left else None


def _dwell(click: StoredClick, stay: Stay) -> float | None:
    """Return how long a page says the shopper looked at the product that was clicked; None if it does not say."""
    same = stay.page.product_id == click.product_id and _follows(click, stay.at)
    return stay.page.dwell_seconds if same and stay.page.dwell_seconds > 0 else None


def _follows(click: StoredClick, at: datetime) -> bool:
    return click.at <= at <= click.at + SILENCE


def _larger(one: float | None, other: float | None) -> float | None:
    known = [each for each in (one, other) if each is not None]
    return max(known, default=None)
