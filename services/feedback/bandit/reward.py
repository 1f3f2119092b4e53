"""What a list of a bandit earned."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.db.bandits import DecidedList
from shared.db.sessions import SILENCE
from shared.experiments.bandit_plan import Reward
from shared.money import decimals

RETURN_WITHIN = timedelta(days=30)


def reward_of(each: DecidedList, reward: Reward, currency: str, visits: Sequence[datetime] = ()) -> float:
    """Return the sum of what came of a list, by the weights of a reward.

    `visits` are the beginnings of the customer's sessions, oldest first.
    """
    unit = float(10 ** decimals(currency))
    return (
        reward.click * each.clicks
        + reward.add_to_cart * each.added_to_cart
        + reward.purchase * each.purchased
        + reward.revenue * each.revenue / unit
        + reward.margin * each.margin / unit
        + (reward.return_visit if reward.return_visit and came_back(each.generated_at, visits) else 0.0)
    )


def came_back(at: datetime, visits: Sequence[datetime]) -> bool:
    """Return whether another session began within 30 days; one that begins before a silence is over is the same."""
    later = bisect_right(visits, at + SILENCE)
    return later < len(visits) and visits[later] <= at + RETURN_WITHIN
