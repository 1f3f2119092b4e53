"""What a shop could do which knows every taste, or every taste that a visit has shown: yardsticks for the agents."""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.simulation.preferences import Preferences
from benchmarks.simulation.response import Need, Page, Response, State, chances
from benchmarks.simulation.shop import HISTORY_CHOICE
from benchmarks.simulation.source import Floats, Ints
from benchmarks.simulation.visits import Diary, Result, Visit
from benchmarks.simulation.world import World


class KnowingFront:
    """Orders by the true expected revenue of a display, without what a household bought before or has in the cart.

    It knows tastes, prices and complements. It does not know what is needed at the moment: nobody could.
    """

    def __init__(self, diary: Diary) -> None:
        self._diary = diary
        self._world = diary.world
        self._bought = bought_in_history(diary.world, *history_lines(diary.world))

    def recommend(self, visit: Visit, page: Page, product: int | None, cart: Sequence[int]) -> list[int]:
        """Return the products of a page's list, best first."""
        world, sizes = self._world, self._world.sizes
        values = _values(world, self._diary.preferences(self._known_day(visit)), visit, cart)
        values[self._bought[visit.household] | ~world.available(visit.day)] = -np.inf
        values[[*cart, *([] if product is None else [product])]] = -np.inf
        count = (sizes.home_count, sizes.product_count, sizes.cart_count)[page]
        return [int(each) for each in np.argsort(-values, kind="stable")[:count]]

    def responded(self, visit: Visit, page: Page, response: Response) -> None:
        """Know it already."""

    def looked(self, visit: Visit, category: int, product: int) -> None:
        """Know it already."""

    def took(self, visit: Visit, product: int) -> None:
        """Know it already."""

    def ordered(self, result: Result) -> None:
        """Show what was bought no more."""
        self._bought[result.visit.household, result.order] = True

    def _known_day(self, visit: Visit) -> int:
        """Return the day whose tastes are known."""
        return visit.day


class AfterVisitFront(KnowingFront):
    """Knows the tastes and needs that a household had at its last visit, and so learns new ones whole by one visit.

    No shop could learn more of a household by its visits. One could see in the visits of others how demand changes for
    everybody; this one does not.
    """

    def __init__(self, diary: Diary) -> None:
        super().__init__(diary)
        self._last_days: dict[int, int] = {}

    def ordered(self, result: Result) -> None:
        """Show what was bought no more, and know what the household likes since today."""
        super().ordered(result)
        self._last_days[result.visit.household] = result.visit.day

    def _known_day(self, visit: Visit) -> int:
        return self._last_days.get(visit.household, self._world.sizes.history_days)


KNOWING, AFTER_VISIT = "knowing", "knowing_after_visit"
"""Names of the yardsticks, which are no policies of the agents."""
YARDSTICKS: Mapping[str, type[KnowingFront]] = {KNOWING: KnowingFront, AFTER_VISIT: AfterVisitFront}


def history_lines(world: World) -> tuple[Ints, Ints]:
    """Return the household and the product of each line that was bought before the run, each of shape (lines,)."""
    sessions = world.history()
    chosen = world.chosen(world.preferences, sessions, HISTORY_CHOICE)[sessions.remembered]
    return sessions.households[sessions.need_sessions[sessions.remembered]], chosen


def bought_in_history(
    world: World, households: Ints, products: Ints
) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Return which household bought what, shape (households, products), from the lines."""
    bought = np.zeros((world.households, world.products), np.bool_)
    bought[households, products] = True
    return bought


def _values(world: World, preferences: Preferences, visit: Visit, cart: Sequence[int]) -> Floats:
    """Return the expected cents of an examined display of each product, in a session without needs."""
    needs = np.zeros(len(world.observed.category_names), np.int64)
    needs[world.observed.categories[list(cart)]] = Need.SATISFIED
    state = State(visit.household, visit.day, needs, cart=list(cart))
    found = chances(world, preferences, state, np.arange(world.products))
    return np.asarray(found.clicked * found.carted * world.prices(visit.day))
