"""How the arms of a list or a session are written in the tables of metrics: `experiment:arm`, joined by commas."""

from collections.abc import Iterable, Mapping

LONGEST = 200
"""Characters that the tables keep; arms that do not fit as a whole are left out."""


def arms_of_list(assignments: Mapping[str, str]) -> str:
    """Return the arms that a list was made in, from the arm by experiment."""
    return _joined(sorted(f"{experiment}:{arm}" for experiment, arm in assignments.items()))


def arms_of_session(lists: Iterable[str]) -> str:
    """Return the arms that the lists of a session were made in, from those of each list."""
    return _joined(sorted({arm for each in lists if each for arm in each.split(",")}))


def _joined(arms: Iterable[str]) -> str:
    text = ""
    for arm in arms:
        longer = f"{text},{arm}" if text else arm
        if len(longer) <= LONGEST:
            text = longer
    return text
