"""Placements: how a place in the shop is filled."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.filters.tree import Expression
from shared.page_rules import DEFAULT_LIMIT, Page

if TYPE_CHECKING:  # variants fill placements, so they know them
    from shared.experiments.bandit_plan import BanditPlan, ExplorationPlan


@dataclass(frozen=True)
class Boosts:
    """What raises or lowers scores, each from -1 to 1: at 1 the highest has twice its score, the lowest half.

    `revenue` is the power of the price, in middle prices, that scores are multiplied with.
    """

    price: float = 0.0
    margin: float = 0.0
    novelty: float = 0.0
    revenue: float = 0.0

    def __bool__(self) -> bool:
        return any((self.price, self.margin, self.novelty, self.revenue))


@dataclass(frozen=True)
class Placement:
    """A place in the shop.

    Parameters
    ----------
    placement_id : str
    page : Page
    strategy : str
        Empty for what suits the page, else the algorithm that orders the list alone.
    count : int
        Products of a list.
    filter : Expression, optional
        Which products may be shown; None for all.
    diversity : float, optional
        From 0, relevance alone, to 1; None for what suits the page.
    boosts : Boosts
    allow_repeats : bool
        Whether the list may show what earlier placements of the same call show.
    weights : tuple of (str, float)
        Algorithms and their weights that order the list, in place of what suits the page.
    bandit : BanditPlan, optional
        Chooses among variants of the placement.
    exploration : ExplorationPlan, optional
        Shows what is not known well now and then.
    with_rules, without_rules : frozenset of str
        Ids of rules that hold here though they are switched off, and that do not hold here, as a variant says.
    model_version : str
        The model that answers, as a variant says; empty for the active one.
    """

    placement_id: str
    page: Page = Page.HOME
    strategy: str = ""
    count: int = DEFAULT_LIMIT
    filter: Expression | None = None
    diversity: float | None = None
    boosts: Boosts = Boosts()
    allow_repeats: bool = False
    weights: tuple[tuple[str, float], ...] = ()
    bandit: "BanditPlan | None" = None
    exploration: "ExplorationPlan | None" = None
    with_rules: frozenset[str] = frozenset()
    without_rules: frozenset[str] = frozenset()
    model_version: str = ""


def built_in_id(page: Page) -> str:
    """Return the id of the built-in placement of a page."""
    return page.value.lower()


BUILT_IN = {built_in_id(page): Placement(built_in_id(page), page) for page in Page}
"""The placements that are there without being stored, by id."""
