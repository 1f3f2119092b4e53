"""What was measured, as one JSON object; each part can be measured by itself and replaces what was there of it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

Row = dict[str, Any]

LISTS = ("rows", "phases", "profile", "history")


@dataclass
class Results:
    """All that was measured.

    Parameters
    ----------
    rows : list of dict
        The figures: name, value, unit, part, and what else is to be said.
    phases : list of dict
        Each phase of load: part, shop, calls, loop, answers a second, percentiles, errors, fallbacks.
    profile : list of dict
        Where the time of a recommendation goes: shop, stage, ms, share.
    history : list of dict
        Earlier profiles and figures with the label they were given.
    settings : dict of dict
        By part: machine, commit, seed, size of the data, seconds a phase.
    """

    rows: list[Row] = field(default_factory=list)
    phases: list[Row] = field(default_factory=list)
    profile: list[Row] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return what a file has; nothing where there is no file."""
        return cls(**json.loads(path.read_text())) if path.is_file() else cls()

    def save(self, path: Path) -> None:
        """Write a file: one line a row, so that versions of it can be compared."""
        path.parent.mkdir(parents=True, exist_ok=True)
        lists = {name: getattr(self, name) for name in LISTS}
        parts = [f'"{name}": [\n{_lines(rows)}\n]' for name, rows in lists.items() if rows or name == LISTS[0]]
        settings = json.dumps(dict(sorted(self.settings.items())), indent=1)
        path.write_text("{\n" + ",\n".join([*parts, f'"settings": {settings}']) + "\n}\n")

    def start(self, part: str, settings: dict[str, Any]) -> None:
        """Forget what was measured of a part and note how it is measured now."""
        for name in ("rows", "phases", "profile"):
            setattr(self, name, [row for row in getattr(self, name) if row["part"] != part])
        self.settings[part] = settings

    def add(self, part: str, name: str, value: float | None, unit: str, **more: Any) -> None:
        """Add a figure; None says that it could not be measured, and leaves it out."""
        if value is not None and value == value:
            self.rows.append({"name": name, "value": _rounded(value), "unit": unit, "part": part, **more})

    def value(self, name: str) -> float | None:
        """Return a figure, None where it was not measured."""
        return next((row["value"] for row in self.rows if row["name"] == name), None)

    def remember(self, label: str) -> None:
        """Keep the profile and the figures of now in the history, in the place of others with this label."""
        self.history = [entry for entry in self.history if entry["label"] != label]
        figures = {row["name"]: row["value"] for row in self.rows}
        self.history.append({"label": label, "profile": self.profile, "figures": figures})


def _rounded(value: float) -> float:
    if abs(value) < 0.1:
        return float(f"{value:.3g}")  # as many digits as others have, also of errors of a millionth
    return round(value, 3) if abs(value) < 100 else round(value, 1)


def _lines(rows: list[Row]) -> str:
    return ",\n".join(json.dumps(row) for row in rows)
