"""A world as files, so that each run reads what was learned once."""

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.simulation.behaviour import Behaviour, Sizes
from benchmarks.simulation.preferences import Preferences
from benchmarks.simulation.source import Observed
from benchmarks.simulation.world import World

ARRAYS, PREFERENCES, PARAMETERS = "catalogue.npz", "preferences.npz", "parameters.json"


def stored(folder: Path, make: Callable[[], World]) -> World:
    """Return the world of a folder; make it, and write it there, where there is none."""
    if not (folder / PARAMETERS).is_file():
        save(make(), folder)
    return load(folder)


def save(world: World, folder: Path) -> None:
    """Write a world into a folder; the parameters come last, so that a folder with them is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {each.name: np.asarray(getattr(world.observed, each.name)) for each in fields(Observed)}
    new = {"entry_days": world.entry_days, "registration_days": world.registration_days}
    np.savez(folder / ARRAYS, allow_pickle=False, **arrays, **new)
    world.preferences.save(folder / PREFERENCES)
    (folder / PARAMETERS).write_text(json.dumps(parameters(world.behaviour, world.sizes), indent=1))


def load(folder: Path) -> World:
    """Return the world that `save` wrote. Raises FileNotFoundError where there is none."""
    given = json.loads((folder / PARAMETERS).read_text())
    with np.load(folder / ARRAYS) as kept:
        arrays: dict[str, Any] = dict(kept)
    new = {name: arrays.pop(name) for name in ("entry_days", "registration_days")}
    arrays = {name: value.tolist() if value.dtype.kind == "U" else value for name, value in arrays.items()}
    behaviour = given["behaviour"] | {"seen_share": tuple(given["behaviour"]["seen_share"])}
    preferences = Preferences.load(folder / PREFERENCES)
    return World(Observed(**arrays), preferences, Behaviour(**behaviour), Sizes(**given["sizes"]), **new)


def parameters(behaviour: Behaviour, sizes: Sizes) -> dict[str, Any]:
    """Return all parameters as one object of plain values."""
    return {"behaviour": asdict(behaviour), "sizes": asdict(sizes)}
