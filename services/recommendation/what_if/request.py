"""What is asked of a configuration, and what is answered."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from services.recommendation.off_policy.evaluate import ActionMethod, Compared, SlateMethod
from shared.experiments.bandit_plan import Reward
from shared.experiments.variant import Variant
from shared.merchandising.placement import Placement

Estimator: TypeAlias = ActionMethod | SlateMethod
OF_LISTS = (ActionMethod.DOUBLY_ROBUST, ActionMethod.INVERSE_PROPENSITY, ActionMethod.SELF_NORMALISED)
"""Estimators of lists that were filled by a random choice, the default first."""
BY_PLACE = (SlateMethod.CASCADE_DOUBLY_ROBUST, SlateMethod.REWARD_INTERACTION, SlateMethod.INDEPENDENT)
"""Estimators of lists that are replayed, the default first."""


SAME = 1e-9
"""Relative difference up to which rewards are the same but for rounding."""


class Basis(StrEnum):
    """Where the knowledge of a configuration comes from."""

    BANDIT = "bandit"
    EXPERIMENT = "experiment"
    REPLAY = "replay"


@dataclass(frozen=True)
class ArmName:
    """An arm of an experiment."""

    experiment_id: str
    arm_id: str


@dataclass(frozen=True)
class EvaluationRequest:
    """What is asked.

    Parameters
    ----------
    placement : Placement
        As it is now.
    configuration : str, ArmName or Variant, optional
        The id of a variant of the placement's bandit, an arm, or any way to fill the placement; None for the way in
        which each list was filled.
    without_exploration : bool
        Whether the configuration explores nothing.
    start, end : datetime
        The period, its end exclusive.
    reward : Reward
        What a list is worth.
    currency : str
        Of the money; empty for that of most orders.
    estimator : ActionMethod or SlateMethod, optional
        None for the default.
    lists : int
        Lists to look at, at most.
    seconds : float
        Time for looking at them.
    """

    placement: Placement
    configuration: str | ArmName | Variant | None
    without_exploration: bool
    start: datetime
    end: datetime
    reward: Reward
    currency: str
    estimator: Estimator | None
    lists: int
    seconds: float


@dataclass(frozen=True)
class ListExample:
    """A list that would have been different: keys of products as shown and as ranked, rules that touched the latter."""

    at: datetime
    before: tuple[int, ...]
    after: tuple[int, ...]
    touched: dict[int, tuple[str, ...]]


@dataclass(frozen=True)
class Evaluation:
    """What a configuration would have earned.

    Parameters
    ----------
    request : EvaluationRequest
    basis : Basis
    estimator : ActionMethod or SlateMethod
    currency : str
    compared : Compared
        In the unit of the reward per list.
    lists, skipped, units : int
        Lists that the estimate is of, those that were left out, and the customers of the former.
    changed_share : float
        Share of the lists that would have been different.
    examples : list of ListExample
    incomplete : bool
        Whether lists of the period were not looked at.
    """

    request: EvaluationRequest
    basis: Basis
    estimator: Estimator
    currency: str
    compared: Compared
    lists: int
    skipped: int
    units: int
    changed_share: float
    examples: list[ListExample] = field(default_factory=list)
    incomplete: bool = False

    @property
    def summary(self) -> str:
        """The whole in a sentence."""
        more, logged = self.compared.difference, self.compared.logged_value
        change = f"{more.value:+.4g} a list, from {more.low:+.4g} to {more.high:+.4g}"
        if more.low > 0:
            return f"It would have earned more than the {logged:.4g} a list that were earned: {change}."
        if more.high < 0:
            return f"It would have earned less than the {logged:.4g} a list that were earned: {change}."
        if self.basis is Basis.REPLAY and not self.changed_share and abs(more.value) <= SAME * abs(logged):
            return f"It would have shown the same lists, which earned {logged:.4g} each."
        return f"The log does not tell it from the {logged:.4g} a list that were earned: {change}."
