"""How a placement learns from the response: which variants its bandit chooses from, and what it explores."""

from dataclasses import dataclass

from shared.experiments.variant import Variant

MOST_EXPLORED = 0.3
HALF_LIFE_DAYS = 14.0
RELEVANCE_GIVEN_UP = 0.02
NEW_PRODUCTS = 0.5


@dataclass(frozen=True)
class Reward:
    """What a list is worth: the sum of what came of it by these weights; money in units of the currency."""

    click: float = 1.0
    add_to_cart: float = 3.0
    purchase: float = 10.0
    revenue: float = 0.0
    margin: float = 0.0
    return_visit: float = 0.0


@dataclass(frozen=True)
class BanditPlan:
    """The variants of a placement's bandit, the one before anything is known first.

    Parameters
    ----------
    variants : tuple of Variant
    reward : Reward
    most_explored : float
        Largest probability of all variants together but the one that seems best.
    half_life_days : float
        Age at which a response counts half.
    """

    variants: tuple[Variant, ...]
    reward: Reward = Reward()
    most_explored: float = MOST_EXPLORED
    half_life_days: float = HALF_LIFE_DAYS


@dataclass(frozen=True)
class ExplorationPlan:
    """A budget for places that show what is not known well.

    Parameters
    ----------
    share_of_places : float
        Largest expected share of places.
    relevance_given_up : float
        Largest expected share of a list's sum of scores.
    new_products : float
        Share of the explored places for products that the model has not met.
    """

    share_of_places: float
    relevance_given_up: float = RELEVANCE_GIVEN_UP
    new_products: float = NEW_PRODUCTS
