"""An experiment: its arms, who is in it, and when."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.experiments.assignment import BUCKETS, arm_of, bucket_of, unit_hash
from shared.experiments.variant import Variant

DEFAULT_EFFECT, DEFAULT_ALPHA, DEFAULT_POWER, DEFAULT_TOLERANCE = 0.05, 0.05, 0.8, 0.05


class Unit(StrEnum):
    """What is assigned to arms."""

    CUSTOMER = "customer"
    VISITOR = "visitor"
    SESSION = "session"


class Design(StrEnum):
    """How the arms meet shoppers: each unit one arm, or both in each list."""

    SPLIT = "split"
    TEAM_DRAFT = "team_draft"
    OPTIMISED = "optimised_interleaving"


@dataclass(frozen=True)
class Asker:
    """Who asks, by the platform's ids; each may be empty."""

    customer_id: str = ""
    visitor_id: str = ""
    session_id: str = ""


@dataclass(frozen=True)
class Arm:
    """One arm; `share` is relative to the other arms."""

    variant: Variant
    share: float = 1.0

    @property
    def arm_id(self) -> str:
        """Its id."""
        return self.variant.variant_id


@dataclass(frozen=True)
class Experiment:
    """An experiment that runs.

    Parameters
    ----------
    experiment_id : str
    arms : tuple of Arm
        The control first.
    placement_ids : frozenset of str
        Where; empty for everywhere.
    unit : Unit
    design : Design
    layer : str
        Never empty: an experiment without a layer has one of its own.
    first_bucket, buckets : int
        The range of the layer's buckets that is in the experiment.
    start, end : datetime, optional
        From when, and until when (exclusive), units are assigned.
    """

    experiment_id: str
    arms: tuple[Arm, ...]
    placement_ids: frozenset[str] = frozenset()
    unit: Unit = Unit.CUSTOMER
    design: Design = Design.SPLIT
    layer: str = ""
    first_bucket: int = 0
    buckets: int = BUCKETS
    start: datetime | None = None
    end: datetime | None = None

    def runs(self, placement_id: str, now: datetime) -> bool:
        """Return whether lists of a placement are part of it at a moment."""
        begun = self.start is None or self.start <= now
        over = self.end is not None and self.end <= now
        return begun and not over and (not self.placement_ids or placement_id in self.placement_ids)

    def unit_of(self, asker: Asker) -> int | None:
        """Return the number of the unit that asks; None for a request that names none."""
        return unit_of(self.unit, asker)

    def arm_for(self, unit: int) -> Arm | None:
        """Return the arm that a unit meets; None for one that is not in the experiment."""
        if not self.first_bucket <= bucket_of(self.layer, unit) < self.first_bucket + self.buckets:
            return None
        return self.arms[arm_of(self.experiment_id, unit, [arm.share for arm in self.arms])]


def unit_of(unit: Unit, asker: Asker) -> int | None:
    """Return the number of the unit that asks; None for a request that names none.

    A customer who is not logged in is known by the visitor id. At login the customer's own number takes over.
    """
    if unit is Unit.SESSION:
        return unit_hash("session", asker.session_id) if asker.session_id else None
    if unit is Unit.CUSTOMER and asker.customer_id:
        return unit_hash("customer", asker.customer_id)
    return unit_hash("visitor", asker.visitor_id) if asker.visitor_id else None
