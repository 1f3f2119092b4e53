"""The hidden world without agents and without days that follow each other: one list, one response.

For what needs many responses and no shop, such as the coverage of off-policy estimates: who calls says what is shown
with which probability, and has the value that is true on average beside what was drawn.
"""

from collections.abc import Sequence

import numpy as np

from benchmarks.simulation.preferences import Preferences
from benchmarks.simulation.response import Draws, Need, Page, Response, State, respond
from benchmarks.simulation.world import World


class Shoppers:
    """Households of a world that respond to single lists.

    Parameters
    ----------
    seed : int
        Says who has which tastes after the drift.
    """

    def __init__(self, world: World, seed: int = 1) -> None:
        self.world = world
        self._after_drift = world.drifted(seed)

    def arrive(self, day: int, rng: np.random.Generator) -> State:
        """Return a household that comes on a day, drawn by how often each comes, with its needs and its mood."""
        rates = self.world.preferences.visit_rates
        return self.session(int(rng.choice(len(rates), p=rates / rates.sum())), day, rng)

    def session(self, household: int, day: int, rng: np.random.Generator) -> State:
        """Return a session of a household: what arose since its last trip, some of it forgotten."""
        world, preferences = self.world, self._preferences(day)
        gap = rng.exponential(1.0 / (world.sizes.visit_share * preferences.visit_rates[household]))
        needed = rng.random(len(world.observed.category_names)) < -np.expm1(-gap * preferences.need_rates[household])
        remembered = rng.random(len(needed)) < world.behaviour.recalled_share
        needs = np.where(needed, np.where(remembered, Need.WANTED, Need.FORGOTTEN), Need.NONE).astype(np.int64)
        wanted = np.flatnonzero(needed & remembered).tolist()
        planned = {category: self._planned(household, category, day, rng) for category in wanted}
        return State(household, day, needs, planned, [], float(rng.normal(0.0, world.behaviour.session_noise)))

    def respond(
        self, state: State, products: Sequence[int], rng: np.random.Generator, page: Page = Page.HOME
    ) -> Response:
        """Show a list of products, best first, and return what came of it and what comes of it on average."""
        draws = Draws.from_generator(self.world.products, rng)
        return respond(self.world, self._preferences(state.day), state, page, products, draws)

    def _preferences(self, day: int) -> Preferences:
        return self.world.preferences if day < self.world.drift_day else self._after_drift

    def _planned(self, household: int, category: int, day: int, rng: np.random.Generator) -> int:
        """Return what the household would buy by itself, as `World.chosen` does."""
        members = self.world.members[category]
        members = members[(members >= 0) & self.world.available(day)[members]]
        preferences = self._preferences(day)
        priced = preferences.sensitivities[household] * self.world.price_utilities(day)[members]
        utility = preferences.choice[household, members] + priced + rng.gumbel(size=len(members))
        return int(members[utility.argmax()])
