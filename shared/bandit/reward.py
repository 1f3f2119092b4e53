"""What a list, or one of its items, is worth by the weights of a reward."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from shared.experiments.bandit_plan import Reward
from shared.money import decimals

RETURN_WITHIN = timedelta(days=30)


class Earned(Protocol):
    """What came of it, as `shared.db.list_responses.Responses` says."""

    @property
    def clicks(self) -> float:
        """The sum of the grades of clicked recommendations."""
        ...

    @property
    def added_to_cart(self) -> int:
        """Recommendations that were put into the cart."""
        ...

    @property
    def purchased(self) -> int:
        """Recommendations that were bought."""
        ...

    @property
    def revenue(self) -> int:
        """Attributed revenue in minor units."""
        ...

    @property
    def margin(self) -> int:
        """Attributed margin in minor units."""
        ...


def reward_of(earned: Earned, reward: Reward, currency: str, *, returned: bool = False) -> float:
    """Return the sum of what came of a list or an item by the weights of a reward.

    `returned` says of a list whether its shopper came back (`came_back`).
    """
    unit = float(10 ** decimals(currency))
    return (
        reward.click * earned.clicks
        + reward.add_to_cart * earned.added_to_cart
        + reward.purchase * earned.purchased
        + reward.revenue * earned.revenue / unit
        + reward.margin * earned.margin / unit
        + reward.return_visit * returned
    )


def came_back(at: datetime, visits: Sequence[datetime], silence: timedelta) -> bool:
    """Return whether another session began within 30 days; one that begins before a `silence` is over is the same.

    `visits` are the beginnings of the customer's sessions, oldest first.
    """
    later = bisect_right(visits, at + silence)
    return later < len(visits) and visits[later] <= at + RETURN_WITHIN
