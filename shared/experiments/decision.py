"""What was decided for one list: the arms that it belongs to, what a bandit chose, and what was explored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Exposure:
    """An arm of an experiment that a list belongs to; `session` is the platform's where sessions are assigned."""

    experiment_id: str
    arm_id: str
    unit: int
    session: str = ""


@dataclass(frozen=True)
class Displaced:
    """The product (its key) and its score that an explored place would have shown; positions count from 1."""

    position: int
    product_key: int
    score: float


@dataclass(frozen=True)
class ListDecision:
    """What a bandit chose for a list, and what was explored in it.

    Parameters
    ----------
    variant_id : str
        The variant that filled the list; empty without a bandit.
    probabilities : mapping of str to float
        With which each variant of the bandit was chosen.
    features : tuple of float
        Of shopper, page and time, as `shared.bandit.context` orders them.
    displaced : Displaced, optional
        What an explored product took the place of.
    interleaved : str
        The experiment whose two arms the list was drawn from; empty for none.
    credits : tuple of float
        Of an interleaved list: what a click on each place says, above 0 for the first arm, below 0 for the second.
    """

    variant_id: str = ""
    probabilities: Mapping[str, float] | None = None
    features: tuple[float, ...] = ()
    displaced: Displaced | None = None
    interleaved: str = ""
    credits: tuple[float, ...] = ()

    @property
    def propensity(self) -> float:
        """The probability of the variant that filled the list."""
        return (self.probabilities or {}).get(self.variant_id, 1.0)

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        stored: dict[str, Any] = {}
        if self.variant_id:
            stored["variant"] = self.variant_id
            stored["probabilities"] = {name: round(each, 6) for name, each in (self.probabilities or {}).items()}
            stored["features"] = [round(each, 4) for each in self.features]
        if self.displaced is not None:
            stored["displaced"] = [self.displaced.position, self.displaced.product_key, self.displaced.score]
        if self.interleaved:
            stored["interleaved"] = self.interleaved
            stored["credits"] = [round(each, 6) for each in self.credits]
        return stored

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> "ListDecision":
        """Return what was stored."""
        displaced = stored.get("displaced")
        return cls(
            stored.get("variant", ""),
            stored.get("probabilities"),
            tuple(stored.get("features", ())),
            None if displaced is None else Displaced(*displaced),
            stored.get("interleaved", ""),
            tuple(stored.get("credits", ())),
        )
