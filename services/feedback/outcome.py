"""What came of recommendations: how they were met, and the purchases that are credited to them."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.db.engine import Connection
from shared.db.outcomes import StoredCredit, credits_for
from shared.db.recommendations import LoggedRecommendation, read_recommendations


@dataclass(frozen=True)
class Outcome:
    """A recommendation of the log and its credits, in the order they were given."""

    recommendation: LoggedRecommendation
    credits: tuple[StoredCredit, ...]


def read_outcomes(connection: Connection, numbers: Iterable[int]) -> list[Outcome]:
    """Return what came of recommendations, by number; those that are not logged are left out."""
    found = read_recommendations(connection, numbers)
    credited = credits_for(connection, found)
    return [
        Outcome(found[number], tuple(each for each in credited if each.recommendation_id == number))
        for number in sorted(found)
    ]
