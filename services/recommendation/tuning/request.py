"""What to tune, as an operator says it."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Self

from services.recommendation.algorithms.base import Algorithm
from services.recommendation.algorithms.registry import CLASSES
from shared.errors import InvalidArgument


@dataclass(frozen=True)
class TuningRequest:
    """What to tune.

    Parameters
    ----------
    algorithms : tuple of str
        Names; empty for all that have something to tune.
    trials : int
        Trials of an algorithm at most; 0 for the default.
    minutes : float
        Time for it; 0 for no limit.
    only_if_changed : bool
        Leave out what was decided, after a whole search, on nearly as many interactions as there are now.
    """

    algorithms: tuple[str, ...] = ()
    trials: int = 0
    minutes: float = 0.0
    only_if_changed: bool = False

    @classmethod
    def of_json(cls, text: str) -> Self:
        """Return the request that a JSON object says."""
        values = json.loads(text)
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        return cls(**{**known, "algorithms": tuple(known.get("algorithms", ()))})

    def as_json(self) -> str:
        """Return what `of_json` takes."""
        return json.dumps(asdict(self))

    def chosen(self, classes: Sequence[type[Algorithm]] = CLASSES) -> list[type[Algorithm]]:
        """Return the algorithms to tune.

        Raises
        ------
        InvalidArgument
            If a name is not of an algorithm with something to tune, or a number is out of range.
        """
        if self.trials < 0:
            raise InvalidArgument.of("trials", self.trials, "must not be negative")
        if not 0 <= self.minutes < math.inf:
            raise InvalidArgument.of("minutes", self.minutes, "must be finite and not negative")
        tunable = {each.name: each for each in classes if each.space}
        for name in self.algorithms:
            if name not in tunable:
                raise InvalidArgument.of("algorithms", name, f"must be one of {', '.join(tunable)}")
        return [each for name, each in tunable.items() if not self.algorithms or name in self.algorithms]
