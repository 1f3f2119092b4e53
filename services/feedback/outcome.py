"""What came of recommendations: how they were met, and the purchases that are credited to them."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.attribution_rules import BESIDE
from shared.db.engine import Connection
from shared.db.graded_clicks import StoredClick, clicks_on
from shared.db.outcomes import REFUNDED, StoredCredit, credits_for
from shared.db.recommendation_items import ListItem
from shared.db.recommendations import LoggedRecommendation, items_of, read_recommendations
from shared.db.recommended_lists import LoggedList


@dataclass(frozen=True)
class Outcome:
    """A recommendation of the log and its credits, in the order they were given.

    `item` is what its list says of it, None where that had no numbers yet. `click_grade` (0 to 1) and `dwell_seconds`
    are None where they are unknown.
    """

    recommendation: LoggedRecommendation
    item: ListItem | None
    all_credits: tuple[StoredCredit, ...]
    click_grade: float | None
    dwell_seconds: float | None

    @property
    def credits(self) -> list[StoredCredit]:
        """Those that count: by last touch and as view-through."""
        return [each for each in self.all_credits if each.rule not in BESIDE]

    @property
    def alternative_credits(self) -> list[StoredCredit]:
        """Those of the rules beside the last touch."""
        return [each for each in self.all_credits if each.rule in BESIDE]

    @property
    def was_refunded(self) -> bool:
        """Whether any line that counted was wholly refunded."""
        return any(each.kind == REFUNDED for each in self.credits)


@dataclass(frozen=True)
class ListOutcome:
    """A list, and what came of all its recommendations, in their order."""

    made: LoggedList
    outcomes: tuple[Outcome, ...]


def read_outcomes(connection: Connection, numbers: Iterable[int]) -> list[Outcome]:
    """Return what came of recommendations, by number; those that are not logged are left out."""
    found = read_recommendations(connection, numbers)
    credited = credits_for(connection, found)
    clicks = clicks_on(connection, found)
    items = items_of(connection, found)
    return [
        _outcome(
            found[number],
            items.get(number),
            [each for each in credited if each.recommendation_id == number],
            [each for each in clicks if each.recommendation_id == number],
        )
        for number in sorted(found)
    ]


def _outcome(
    recommendation: LoggedRecommendation,
    item: ListItem | None,
    credited: Iterable[StoredCredit],
    clicks: Iterable[StoredClick],
) -> Outcome:
    known = list(clicks)
    return Outcome(
        recommendation,
        item,
        tuple(credited),
        max((each.grade for each in known if each.grade is not None), default=None),
        max((each.dwell_seconds for each in known if each.dwell_seconds is not None), default=None),
    )
