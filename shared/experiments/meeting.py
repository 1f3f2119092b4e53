"""Which arms of experiments a list belongs to.

An experiment of the layer `holdout` keeps units out of everything else: in all of its arms but the first, no other
experiment takes part, and nothing learns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.experiments.decision import Exposure
from shared.experiments.experiment import Arm, Asker, Design, Experiment, Unit

BOTH = "both"
"""What a list of an interleaved experiment has in the place of an arm."""
HOLDOUT = "holdout"
"""The layer whose arms but the first are kept out of everything else."""


@dataclass(frozen=True)
class Meeting:
    """A list of an arm of an experiment."""

    experiment: Experiment
    arm: Arm
    exposure: Exposure

    @property
    def interleaved(self) -> bool:
        """Whether its lists are drawn from both arms."""
        return self.experiment.design is not Design.SPLIT

    @property
    def held_out(self) -> bool:
        """Whether its unit is kept out of everything else."""
        is_kept_out = self.arm is not self.experiment.arms[0] and not self.interleaved
        return self.experiment.layer == HOLDOUT and is_kept_out


def meetings(experiments: Sequence[Experiment], placement_id: str, asker: Asker, now: datetime) -> list[Meeting]:
    """Return the arms that a list of a placement belongs to, by experiment; only the holdout for who is held out."""
    met = [
        each
        for experiment in experiments
        if experiment.runs(placement_id, now) and (each := _meeting(experiment, asker)) is not None
    ]
    return [each for each in met if each.held_out] or met


def _meeting(experiment: Experiment, asker: Asker) -> Meeting | None:
    unit = experiment.unit_of(asker)
    arm = None if unit is None else experiment.arm_for(unit)
    if unit is None or arm is None:
        return None
    session = asker.session_id if experiment.unit is Unit.SESSION else ""
    met = arm.arm_id if experiment.design is Design.SPLIT else BOTH
    return Meeting(experiment, arm, Exposure(experiment.experiment_id, met, unit, session))
