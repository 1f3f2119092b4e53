"""What was measured, as one JSON object: `{"rows": [...], ...}`."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

Row = dict[str, Any]

ROWS, SLICES, DIFFERENCES, ABLATION = "rows", "slices", "differences", "ablation"
LISTS = (ROWS, SLICES, DIFFERENCES, ABLATION)
SETTINGS = "settings"


def key_of(dataset: str, protocol: str) -> str:
    """Return the name of an evaluation in `settings`."""
    return f"{dataset}/{protocol}"


@dataclass
class Results:
    """All that was measured.

    Parameters
    ----------
    rows : list of dict
        dataset, protocol, algorithm, metric, k, value, low, high, train_seconds, ms_per_user, peak_mb.
    slices : list of dict
        The same of parts of the questions, with the name of the slice and its number of questions.
    differences : list of dict
        dataset, protocol, algorithm, versus, metric, k, value, low, high, p_value: the product minus another, by the
        difference of each question.
    ablation : list of dict
        Rows of the product without one part, called `quintet without NAME`, and of the whole product learned from and
        asked the same, fewer questions; without the cost.
    settings : dict of dict
        By data set and protocol: how and where it was measured, on how much, at which commit.
    """

    rows: list[Row] = field(default_factory=list)
    slices: list[Row] = field(default_factory=list)
    differences: list[Row] = field(default_factory=list)
    ablation: list[Row] = field(default_factory=list)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return what a file has; nothing where there is no file."""
        if not path.is_file():
            return cls()
        found = json.loads(path.read_text())
        # results of before differences were measured have none
        return cls(**{name: found.get(name, []) for name in LISTS}, settings=found[SETTINGS])

    def save(self, path: Path) -> None:
        """Write a file: one line a row, so that versions of it can be compared."""
        path.parent.mkdir(parents=True, exist_ok=True)
        lists = {name: getattr(self, name) for name in LISTS}
        parts = [f'"{name}": [\n{_lines(rows)}\n]' for name, rows in lists.items()]
        settings = json.dumps(dict(sorted(self.settings.items())), indent=1)
        path.write_text("{\n" + ",\n".join([*parts, f'"{SETTINGS}": {settings}']) + "\n}\n")

    def replace(self, name: str, dataset: str, protocol: str, rows: Iterable[Row]) -> None:
        """Put rows of an evaluation into one of the lists in the place of earlier ones."""
        others = [row for row in getattr(self, name) if (row["dataset"], row["protocol"]) != (dataset, protocol)]
        setattr(self, name, others + list(rows))

    def of(self, name: str, dataset: str, protocol: str) -> list[Row]:
        """Return the rows of an evaluation from one of the lists."""
        return [row for row in getattr(self, name) if (row["dataset"], row["protocol"]) == (dataset, protocol)]

    def ordered(self, keys: list[str]) -> None:
        """Bring all rows into the order of the evaluations."""
        for name in LISTS:
            rows: list[Row] = getattr(self, name)
            rows.sort(key=lambda row: keys.index(key_of(row["dataset"], row["protocol"])))


def _lines(rows: list[Row]) -> str:
    return ",\n".join(json.dumps(row) for row in rows)
