"""What a child process is to do."""

import json
from dataclasses import asdict, dataclass

PREPARE = "prepare"
EVALUATE = "evaluate"
ABLATE = "ablate"
NO_DATA = 3
"""Exit code when the files of a set are not there."""
WITHOUT = "quintet without "
"""Begins the name of the hybrid that lacks one of its parts."""


@dataclass(frozen=True)
class Order:
    """What the process is to do.

    Parameters
    ----------
    task : str
        PREPARE writes the interchange files of a set; EVALUATE evaluates on them the product, its parts and the
        baselines; ABLATE the product without each of its parts.
    dataset : str
        Name of the set.
    cache : str
        Folder of the set's interchange files.
    out : str
        File for what was found.
    data : str
        Folder of the original data; for PREPARE.
    evaluation : int
        Which of the set's evaluations.
    algorithms : tuple of str
        Names of who takes part, or of the parts that are left out; all where it is empty.
    most_questions : int or None
        Ask at most so many.
    bootstrap, seed, threads : int
        As in `Plan`.
    """

    task: str
    dataset: str
    cache: str
    out: str
    data: str = ""
    evaluation: int = 0
    algorithms: tuple[str, ...] = ()
    most_questions: int | None = None
    bootstrap: int = 1000
    seed: int = 0
    threads: int = 2

    def as_json(self) -> str:
        """Return the order as the argument of the process."""
        return json.dumps(asdict(self))
