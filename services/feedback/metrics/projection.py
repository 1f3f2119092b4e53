"""Keeps the facts of sessions and lists, and the aggregates of them, as events stream in.

A consumer of the event log of its own. It follows the customer and the feedback agent: what an event concerns is made
anew from the tables once both have applied it. Sessions and lists are made anew as a whole, and of a list the cells get
the difference to what it was before, all in one transaction with the cursor: so kills, repeats, late events and refunds
give the same numbers as an undisturbed run. What changes without a new event is marked (`shared.db.metric_marks`).
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from time import monotonic, sleep

from services.feedback.metrics.contribution import contribution, shown_products
from shared.db import event_log, list_facts, metric_cells, metric_events, metric_marks, models, session_facts
from shared.db.engine import Connection, Database
from shared.db.event_log import CUSTOMER_CONSUMER, FEEDBACK_CONSUMER, METRICS_CONSUMER
from shared.db.list_facts import ListBase, ListDimensions, ListFact
from shared.db.metric_cells import Cell
from shared.db.metric_segments import NO_SEGMENT, segments_of
from shared.db.product_embeddings import EmbeddingMatrix, read_embeddings
from shared.experiments.arm_names import arms_of_list
from shared.metric_numbers import MetricNumbers
from shared.telemetry import EVENTS_BEHIND

BATCH = 500
"""Most events whose sessions and lists are made anew in one transaction."""
REST, LONGEST_REST_SECONDS = 2.0, 0.25
"""How long it leaves the database to others after a batch that is not the last, in times of what the batch took."""
"""Characters of the column."""


@dataclass(frozen=True)
class Behind:
    """What metrics do not have yet: events of the log, and marks."""

    events: int
    marks: int


class MetricsProjection:
    """Makes metrics anew of what changed. Safe to call from several threads and processes: they take turns.

    Parameters
    ----------
    batch : int
        Most events of a step.
    """

    def __init__(self, database: Database, batch: int = BATCH) -> None:
        self._database = database
        self._batch = batch

    def step(self) -> bool:
        """Make anew what the next events and the first marks concern, and return whether more is left."""
        if not self._any_work():
            return False
        with self._database.write() as connection:
            position = event_log.lock_cursor(connection, METRICS_CONSUMER)
            # Read before the tables are: they have all events up to there then, and may have later ones too.
            end = _applied_by_both(connection)
            up_to = max(position, min(end, position + self._batch))
            marked = metric_marks.take(connection)
            _make_anew(connection, metric_events.touched_by(connection, position, up_to, marked))
            metric_marks.forget(connection, marked.marks)
            event_log.move_cursor(connection, METRICS_CONSUMER, up_to)
        EVENTS_BEHIND.labels(METRICS_CONSUMER).set(end - up_to)
        return up_to < end or bool(marked.marks)

    def step_and_rest(self) -> bool:
        """Make a step; where more is left, leave the database to others for a while."""
        began = monotonic()
        more = self.step()
        if more:
            sleep(min(REST * (monotonic() - began), LONGEST_REST_SECONDS))
        return more

    def catch_up(self, seconds: float) -> None:
        """Make steps until nothing is left; begin none after so many seconds."""
        until = monotonic() + seconds
        while monotonic() < until and self.step():
            pass

    def behind(self) -> Behind:
        """Say what metrics do not have yet."""
        with self._database.read() as connection:
            position = event_log.cursor(connection, METRICS_CONSUMER)
            events = event_log.last_sequence(connection) - position
            return Behind(max(0, events), metric_marks.waiting(connection))

    def _any_work(self) -> bool:
        with self._database.read() as connection:
            position = event_log.cursor(connection, METRICS_CONSUMER)
            return _applied_by_both(connection) > position or metric_marks.waiting(connection) > 0


def _applied_by_both(connection: Connection) -> int:
    return min(event_log.cursor(connection, agent) for agent in (CUSTOMER_CONSUMER, FEEDBACK_CONSUMER))


def _make_anew(connection: Connection, touched: metric_events.Touched) -> None:
    lists = list(touched.lists)
    before_that = session_facts.sessions_near_lists(connection, lists)
    _make_lists_anew(connection, lists)
    near = session_facts.sessions_near_lists(connection, lists)
    session_facts.make_anew(connection, touched.sessions | before_that | near)


def _make_lists_anew(connection: Connection, list_ids: Collection[int]) -> None:
    bases = list_facts.read_lists(connection, list_ids)
    if not bases:
        return
    before = list_facts.read_facts(connection, [base.list_id for base in bases])
    embeddings = _embeddings(connection, shown_products(bases))
    segments = segments_of(connection, {base.owner for base in bases if base.owner is not None})
    facts = [_fact(base, before.get(base.list_id), embeddings, segments) for base in bases]
    list_facts.write_facts(connection, facts)
    _move_cells(connection, before, facts)


def _fact(
    base: ListBase, before: ListFact | None, embeddings: EmbeddingMatrix, segments: Mapping[int, str]
) -> ListFact:
    known = before.dimensions.segment if before is not None and before.customer_key == base.owner else NO_SEGMENT
    segment = known or _segment(base.owner, segments)
    arms = arms_of_list(base.assignments)
    dimensions = ListDimensions(base.placement, base.page_type, segment, arms, base.model_version)
    return ListFact(base.list_id, base.owner, base.generated_at, dimensions, contribution(base, embeddings, before))


def _segment(owner: int | None, segments: Mapping[int, str]) -> str:
    return NO_SEGMENT if owner is None else segments.get(owner, NO_SEGMENT)


def _move_cells(connection: Connection, before: Mapping[int, ListFact], facts: Collection[ListFact]) -> None:
    differences: defaultdict[Cell, MetricNumbers] = defaultdict(MetricNumbers)
    for sign, some in ((-1, before.values()), (1, facts)):
        for fact in some:
            for algorithm, numbers in fact.numbers.items():
                differences[Cell.of(fact.generated_at, fact.dimensions, algorithm)].add(numbers, sign)
    metric_cells.add_to_cells(connection, differences)


def _embeddings(connection: Connection, products: Collection[int]) -> EmbeddingMatrix:
    space = models.active_version(connection, "embedding_space")
    return read_embeddings(connection, products, space or "")
