"""A few tiny simulated days against real agents: repeatable, whole, and other lists for another policy."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.simulation.policies import FullLoop, Offline, Policy, Popular
from benchmarks.simulation.run import simulate
from benchmarks.simulation.shop import start_shop
from benchmarks.simulation.world import World
from tests.support.tiny_journey import tiny_world

DAYS = 2


@pytest.fixture(scope="module")
def world() -> World:
    return tiny_world()


@pytest.fixture(scope="module")
def database(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with start_shop(world, tmp_path_factory.mktemp("start"), print, quick=True) as shop:
        return shop.database


def played(world: World, database: Path, policy: Policy, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    return simulate(world, database, policy, 1, DAYS, folder, lambda _: None)


class Eager(FullLoop):
    """Trains anew every night."""

    train_every_days = 1


@pytest.mark.slow
def test_a_run_is_repeatable_and_its_policies_meet_the_same_shoppers(
    world: World, database: Path, tmp_path: Path
) -> None:
    first = played(world, database, Offline(), tmp_path / "first")
    again = played(world, database, Offline(), tmp_path / "again")
    popular = played(world, database, Popular(), tmp_path / "popular")
    assert first["days"] == again["days"]
    assert first["fallbacks"] == popular["fallbacks"] == {}
    assert [day["sessions"] for day in first["days"]] == [day["sessions"] for day in popular["days"]]
    assert first["days"] != popular["days"]
    assert all(day["shown"] > 0 and day["orders"] > 0 for day in first["days"])


@pytest.mark.slow
def test_the_full_loop_learns_in_the_night(world: World, database: Path, tmp_path: Path) -> None:
    run = played(world, database, Eager(), tmp_path / "loop")
    assert len(run["days"]) == DAYS
    assert run["fallbacks"] == {}
