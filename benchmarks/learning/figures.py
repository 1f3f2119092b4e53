"""What a part measured: printed by it as JSON, and kept among the results."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.serving.results import Results


@dataclass(frozen=True)
class Figure:
    """One number.

    Parameters
    ----------
    name : str
        Begins with what is measured and a dot, such as `aa.false_positive_rate`.
    value : float
    unit : str
    more : mapping
        What else is to be said of it, such as the ends of its interval.
    """

    name: str
    value: float
    unit: str
    more: Mapping[str, Any] = field(default_factory=dict)


def printed(
    figures: Iterable[Figure], about: str, tables: Mapping[str, list[dict[str, Any]]] | None = None, **settings: Any
) -> str:
    """Return what a part prints.

    Parameters
    ----------
    figures : iterable of Figure
    about : str
        What was done, in Markdown, for the page.
    tables : mapping of str to list of dict, optional
        By caption: the rows of a table of the page, by column.
    **settings
        How it was measured, such as the seed.
    """
    rows = [asdict(figure) for figure in figures]
    return json.dumps({"figures": rows, "settings": {"about": about, "tables": dict(tables or {})} | settings})


def keep(part: str, said: str, results: Results, **where: Any) -> None:
    """Put what a part printed in the place of what was there of it.

    `where` are further settings: machine, commit, seconds.
    """
    found = json.loads(said)
    results.start(part, found["settings"] | where)
    for figure in found["figures"]:
        results.add(part, figure["name"], figure["value"], figure["unit"], **figure["more"])
