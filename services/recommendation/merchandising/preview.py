"""What rules would have changed in lists that were shown: the recorded lists are arranged again with the rules.

Only what was recorded is known: what a rule leaves out is not replaced, and what rules in force at the time left out
does not come back.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from services.recommendation.algorithms.arrays import Mask, Rows
from services.recommendation.bounded_work import BoundedWork
from services.recommendation.request import Page, Query
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.merchandised import arrangement, mask_of
from shared.db import recommended_lists, segments
from shared.db.engine import Database
from shared.db.recommendation_items import ListItem, unpack
from shared.db.recommended_lists import RecordedList
from shared.errors import Conflict
from shared.inventory import NOT_BUYABLE
from shared.merchandising.merchandising import Merchandising
from shared.merchandising.placement import built_in_id
from shared.merchandising.rule import Exclude, Moment, Rule
from shared.merchandising.weighing import weighed

MOST_EXAMPLES = 10
MOST_PLACEMENTS = 100


@dataclass(frozen=True)
class PreviewRequest:
    """What to preview: rules, days to look back, lists and seconds at most."""

    rules: tuple[Rule, ...]
    days: int
    lists: int
    seconds: float


@dataclass
class PlacementTally:
    """What would have changed in the lists of a placement: lists and products."""

    lists: int = 0
    changed: int = 0
    removed: int = 0
    moved: int = 0
    added: int = 0


@dataclass(frozen=True)
class Example:
    """A list that would have been different: rows before and after, and the rules that touched those after."""

    placement_id: str
    at: datetime
    before: tuple[int, ...]
    after: tuple[int, ...]
    touched: dict[int, tuple[str, ...]]


@dataclass
class Preview:
    """What would have changed, by placement, with examples; `incomplete` when time ended before the lists did."""

    placements: defaultdict[str, PlacementTally] = field(default_factory=lambda: defaultdict(PlacementTally))
    examples: list[Example] = field(default_factory=list)
    incomplete: bool = False

    def add(self, example: Example) -> None:
        """Count a list."""
        tally = self.placements[example.placement_id]
        tally.lists += 1
        if example.before == example.after:
            return
        place_before = {row: place for place, row in enumerate(example.before)}
        place_after = {row: place for place, row in enumerate(example.after)}
        tally.changed += 1
        tally.removed += len(place_before.keys() - place_after.keys())
        tally.added += len(place_after.keys() - place_before.keys())
        tally.moved += sum(place_after.get(row, place) != place for row, place in place_before.items())
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(example)


class Previews:
    """Makes previews, one at a time, in the thread that calls."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._one = threading.Lock()

    def make(self, request: PreviewRequest, catalogue: Catalogue) -> Preview:
        """Return what rules would have changed. Raises Conflict while another preview is made, Unavailable."""
        if not self._one.acquire(blocking=False):
            raise Conflict("another preview is being made")
        try:
            return self._make(request, catalogue)
        finally:
            self._one.release()

    def _make(self, request: PreviewRequest, catalogue: Catalogue) -> Preview:
        work = BoundedWork(request.seconds)
        since = datetime.now(UTC) - timedelta(days=request.days)
        with self._database.read() as connection:
            lists = recommended_lists.latest(connection, since, request.lists)
            members = segments.names_by_customer(connection, {each.customer_key for each in lists if each.customer_key})
        merchandising = Merchandising.of((), request.rules)
        preview = Preview()
        for each in work.over(lists):
            names = frozenset(members.get(each.customer_key or 0, ()))
            preview.add(replayed(each, names, merchandising, catalogue))
        preview.incomplete = work.incomplete
        return preview


def replayed(
    recorded: RecordedList, names: frozenset[str], merchandising: Merchandising, catalogue: Catalogue
) -> Example:
    """Return a recorded list as it was and as rules would have made it, for a customer of the named segments."""
    page = Page(recorded.page_type)
    placement_id = recorded.placement_id or built_in_id(page)
    items = unpack(recorded.packed_items)
    rows = catalogue.rows_of([item.product_key for item in items])
    items = [item for item, row in zip(items, rows.tolist(), strict=True) if row >= 0]
    rows = rows[rows >= 0]
    rules = merchandising.rules_at(Moment(placement_id, page, names, recorded.generated_at))
    kept, touched = _weighed(rows, items, rules, catalogue)
    allowed = (catalogue.stock > NOT_BUYABLE) & ~_excluded(rules, catalogue)
    allowed[kept] = True
    placed = arrangement(kept, allowed, catalogue, Query(limit=len(rows), rules=rules))
    names_of = {row: (*touched.get(row, ()), *placed.touched.get(row, ())) for row in placed.rows}
    return Example(placement_id, recorded.generated_at, tuple(rows.tolist()), tuple(placed.rows), names_of)


def _weighed(
    rows: Rows, items: Sequence[ListItem], rules: Sequence[Rule], catalogue: Catalogue
) -> tuple[Rows, dict[int, tuple[str, ...]]]:
    """Return the rows that no rule excludes, ordered as boosts say, and the rules that weighed each."""
    stays = ~_excluded(rules, catalogue)[rows]
    # A list is not strictly in the order of the scores: the place, not the score, is what a product had.
    scores = np.sort(np.array([item.score for item in items]))[::-1][stays]
    rows = rows[stays]
    by_rules = weighed(rules, rows, lambda rule: mask_of(rule, catalogue))
    order = np.argsort(-scores * by_rules.factors, kind="stable")
    return rows[order], {int(rows[place]): names for place, names in by_rules.touched.items()}


def _excluded(rules: Iterable[Rule], catalogue: Catalogue) -> Mask:
    excluded = np.zeros(len(catalogue), np.bool_)
    for rule in rules:
        if isinstance(rule.action, Exclude):
            excluded |= mask_of(rule, catalogue)
    return excluded
