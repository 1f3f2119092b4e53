"""Grades the clicks that a batch of events concerns: those in it, and earlier ones of shoppers who saw pages in it.

Pages may come before the click that they follow, in the batch, in an earlier one, or (a late click) long before: a new
click (and one whose shopper becomes known) is graded by what the log has of its shopper, an old one by what is new.
Grades only rise, so it is the same whichever comes first, and applying an event twice changes nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from services.feedback.click_grades import Stay, grades
from services.feedback.signals import PAGE_KINDS, Signal, read_signal
from shared.db import event_log, graded_clicks, recommendations, response_pieces
from shared.db.engine import Connection
from shared.db.event_log import FEEDBACK_CONSUMER
from shared.db.graded_clicks import StoredClick
from shared.db.sessions import SILENCE

Unmeasured = Callable[[Collection[int]], set[int]]
"""Returns those of some customers who do not permit `measure`."""


class Responded(NamedTuple):
    """Recommendations that a batch concerns: those clicked or carted in it, and those whose owner it says."""

    responses: Collection[int]
    adopted: Collection[int]


def grade_clicks(
    connection: Connection, signals: Sequence[Signal], responded: Responded, unmeasured: Unmeasured
) -> None:
    """Grade clicks by the pages in a batch, and those on recommendations that were responded to in it.

    The responses of the batch are stored. Pages of shoppers who do not permit `measure` do not count.
    """
    pages = _stays(signals)
    concerned = {*responded.responses, *responded.adopted}
    clicked = graded_clicks.clicks_on(connection, concerned) if concerned else []
    clicks = {each.outcome_id: each for each in (*clicked, *_clicks_before(connection, pages))}
    if not clicks:
        return
    first = signals[0].sequence
    new = [each for each in clicked if each.sequence >= first or each.recommendation_id in responded.adopted]
    pages += _pages_of(connection, new)
    owners = {click.customer_key for click in clicks.values() if click.customer_key is not None}
    stays = _by_customer(pages, owners - unmeasured(owners))
    carts = graded_clicks.carted_at(connection, concerned)
    graded_clicks.store_grades(connection, grades(clicks.values(), stays, carts))


def _stays(signals: Iterable[Signal]) -> list[Stay]:
    return [
        Stay(each.customer_key, each.at, each.page)
        for each in signals
        if each.page is not None and each.customer_key is not None
    ]


def _clicks_before(connection: Connection, pages: Sequence[Stay]) -> list[StoredClick]:
    """Return the clicks that pages may have followed."""
    if not pages:
        return []
    since, until = min(page.at for page in pages) - SILENCE, max(page.at for page in pages)
    if not recommendations.any_outcome(connection, since, until):
        return []
    return graded_clicks.clicks_by(connection, {page.customer_key for page in pages}, since, until)


def _pages_of(connection: Connection, clicks: Sequence[StoredClick]) -> list[Stay]:
    """Return the pages that followed clicks in time and were applied before. Events that were set aside say nothing."""
    owned = {click.customer_key for click in clicks if click.customer_key is not None}
    if not owned:
        return []
    since, until = min(click.at for click in clicks), max(click.at for click in clicks) + SILENCE
    position = event_log.cursor(connection, FEEDBACK_CONSUMER)
    found = event_log.of_customers_between(connection, owned, since, until, PAGE_KINDS, position)
    if not found:
        return []
    aside = response_pieces.set_aside(connection, found[0].sequence - 1, position)
    read = (read_signal(event) for event in found if event.sequence not in aside)
    return _stays(signal for signal in read if signal is not None)


def _by_customer(pages: Iterable[Stay], customers: Collection[int]) -> dict[int, list[Stay]]:
    found: defaultdict[int, list[Stay]] = defaultdict(list)
    for page in pages:
        if page.customer_key in customers:
            found[page.customer_key].append(page)
    return found
