"""Makes what came of recommendations anew from the event log, beside serving: group by group, each in a transaction.

What came of a recommendation depends on the events of the shopper whose it is and on the responses that name it, so
groups of shoppers and recommendations (`response_groups`) are made anew by themselves: who reads sees the old outcomes
or the new ones. The cursor of the projection is locked meanwhile, and events behind it are applied as ever.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from time import monotonic

from services.feedback.attribution import Windows
from services.feedback.rebuild_events import RebuildEvents
from services.feedback.response_groups import ResponseGroup, ResponseGroups
from services.feedback.response_projection import project_signals
from services.feedback.signals import Signal
from shared.db import event_log, metric_marks, outcomes, response_pieces
from shared.db.engine import Connection, Database
from shared.db.event_faults import is_of_event, reason_of
from shared.db.event_log import FEEDBACK_CONSUMER
from shared.db.slices import in_slices
from shared.errors import FailedPrecondition
from shared.jobs import Progress

READ_AT_ONCE = 2_000
SCAN = 0.5
"""Share of reading the log in the progress."""


class ResponseRebuild:
    """Makes outcomes and marks anew; for one use."""

    def __init__(self, database: Database, windows: Windows) -> None:
        self._database = database
        self._windows = windows
        self._groups = ResponseGroups()
        self._events = RebuildEvents()
        self._by_customer: dict[int, ResponseGroup] = {}

    def run(self) -> Generator[Progress, None, None]:
        """Replace what came of recommendations by what the log gives. The result says how many shoppers it concerned.

        Events that were set aside stay so.

        Raises
        ------
        FailedPrecondition
            If events were deleted for their age of which outcomes are stored; or if an event cannot be applied: then
            its group keeps its outcomes, and so do those that follow.
        """
        began = monotonic()
        with self._database.read() as connection:
            response_pieces.require_whole(connection)
            end = event_log.cursor(connection, FEEDBACK_CONSUMER)
            self._events.read_refunds(connection, end)
        self._join_stored()
        for position in self._scan(end):
            yield Progress("reading the event log", SCAN * position / end)
        groups = list(self._groups)
        self._by_customer = {key: group for group in groups for key in group.customers}
        for done in in_slices(groups, self._rebuild):
            yield Progress(f"{done} of {len(groups)} groups of shoppers", SCAN + (1 - SCAN) * done / len(groups))
        shoppers, seconds = len(self._by_customer), round(monotonic() - began, 1)
        yield Progress("done", 1.0, {"agent": FEEDBACK_CONSUMER, "shoppers": shoppers, "seconds": seconds})

    def _join_stored(self) -> None:
        """Join what is stored: it must be forgotten also where no event of the log says it any longer."""
        last: int | None = 0
        while last is not None:
            with self._database.read() as connection:
                found = response_pieces.responded_after(connection, last, READ_AT_ONCE)
            for each in found:
                self._groups.join_owner(each.number, each.made_for, each.owner)
            last = found[-1].number if found else None

    def _scan(self, end: int) -> Iterator[int]:
        """Join what the events up to a number name, and yield how far it is."""
        while self._events.read_up_to < end:
            with self._database.read() as connection:
                for number, nodes in self._events.read_on(connection, end, READ_AT_ONCE):
                    self._groups.join(nodes, number)
            yield self._events.read_up_to

    def _rebuild(self, groups: Sequence[ResponseGroup]) -> None:
        with self._database.write() as connection:
            self._rebuild_one(connection, self._with_merged(connection, groups))

    def _with_merged(self, connection: Connection, groups: Iterable[ResponseGroup]) -> ResponseGroup:
        """Return groups as one, with the customers that visitors of them have become since the log was read."""
        one = ResponseGroup.of(groups)
        while merged := response_pieces.merged_into(connection, one.customers) - one.customers:
            known = [self._by_customer[key] for key in merged if key in self._by_customer]
            one = ResponseGroup.of([one, *known, ResponseGroup(merged)])
        return one

    def _rebuild_one(self, connection: Connection, group: ResponseGroup) -> None:
        position = event_log.lock_cursor(connection, FEEDBACK_CONSUMER)
        response_pieces.require_whole(connection)
        signals = self._events.of(connection, group, position)
        forgotten = response_pieces.forget_responses(connection, group.customers, group.recommendations)
        response_pieces.wait_no_more(connection, [each.sequence for each in signals])
        _apply(connection, _without_refunds_of_others(connection, signals), self._windows)
        response_pieces.drop_unanswered(connection, forgotten)
        metric_marks.mark(connection, metric_marks.EVENTS, [each.sequence for each in signals])


def _without_refunds_of_others(connection: Connection, signals: Sequence[Signal]) -> list[Signal]:
    """Return signals without refunds of orders that are credited: what the group had of credit is forgotten already."""
    given_back = {each.refund.purchase_id for each in signals if each.refund is not None}
    others = {each.purchase_id for each in outcomes.credits_of(connection, given_back)}
    return [each for each in signals if each.refund is None or each.refund.purchase_id not in others]


def _apply(connection: Connection, signals: Sequence[Signal], windows: Windows) -> None:
    try:
        project_signals(connection, signals, windows, again=True)
    except Exception as error:
        if not is_of_event(error):
            raise
        raise FailedPrecondition(f"an event could not be applied: {reason_of(error)}") from error
