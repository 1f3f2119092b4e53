"""What learning bandits came to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LearnedBandits:
    """How many placements have new posteriors, and from how many decisions."""

    placements: int
    decisions: int
