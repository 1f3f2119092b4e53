"""`python -m benchmarks.simulation.run POLICY SEED`: one simulated run against real agents, its figures as a file."""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.machine import commit
from benchmarks.movable_clock import movable_clock
from benchmarks.processes import cpu_seconds_of
from benchmarks.quiet import NO_JOBS
from benchmarks.serving.shops import DATABASE
from benchmarks.simulation.front import AgentsFront
from benchmarks.simulation.knowing import YARDSTICKS
from benchmarks.simulation.policies import PLACEMENTS, POLICIES, Policy
from benchmarks.simulation.response import Page
from benchmarks.simulation.shop import CURRENCY, stand
from benchmarks.simulation.stored_world import load
from benchmarks.simulation.visits import Diary, Result, Shopper, clicks_of, expected_sum
from benchmarks.simulation.world import World
from shared.config import AGENTS
from shared.db.bandits import decided_lists
from shared.db.engine import Database
from tests.support.cluster import Cluster, cluster_settings, coordinator_stub

WORLD, SHOP, RUNS = "world", "shop", "runs"
LAST_LINES = 50
FOREVER = timedelta(days=36_500)
QUIET: dict[str, Any] = NO_JOBS | {
    "forget_hours": 0,
    "monitor_seconds": 0,
    "log_level": "warning",
    "train_threads": 1,
    # Waiting for another agent, the clock may be set: nothing is late by it.
    "agent_timeout_seconds": 30.0,
}
"""Settings of agents that start no jobs by themselves: nights belong to the policy."""


@dataclass(frozen=True)
class Day:
    """Figures of a simulated day; money in cents. What is `expected` is on average over the draws of the responses."""

    day: int
    sessions: int
    orders: int
    revenue: int
    gain: int
    shown: int
    clicks: int
    purchases: int
    expected_revenue: float
    expected_gain: float
    expected_shown: float
    expected_clicks: float
    expected_purchases: float
    expected_gain_by_page: dict[str, float]


Say = Callable[[Day], None]


def simulate(
    world: World, database: Path, policy: Policy, seed: int, days: int, folder: Path, said: Say
) -> dict[str, Any]:
    """Play the first days of a run on a copy of the trained shop, and return them and how it was made.

    Parameters
    ----------
    database : Path
        File of the trained shop; it is copied into `folder`, where agents keep all else too.
    said : callable
        Takes each day as it ends.
    """
    began = time.monotonic()
    url = f"sqlite:///{shutil.copyfile(database, folder / DATABASE)}"
    own = {"model_cache_dir": str(folder / "models")}
    with movable_clock(folder) as clock:
        stand(clock, world.sizes.history_days)
        cluster = Cluster(cluster_settings(url, **(QUIET | own | dict(policy.settings))))
        try:
            cluster.start()
            with coordinator_stub(cluster.address, events_have_ids=True) as stub:
                policy.begin(stub)
                front = AgentsFront(world, stub, clock, seed)
                started = _cpu_seconds(cluster)
                played = _play(Diary(world, seed), front, stub, policy, days, said)
                used = {agent: round(spent - started[agent], 1) for agent, spent in _cpu_seconds(cluster).items()}
                explored = asdict(front.explored) | {"displaced_scores": _displaced_scores(url)}
        except BaseException:
            print("\n".join(cluster.log[-LAST_LINES:]), file=sys.stderr)
            raise
        finally:
            cluster.stop()
    made = _record(policy.name, seed, played, front.fallbacks, began)
    return made | {"cpu_seconds": used, "explored": explored}


def know(world: World, yardstick: str, seed: int, days: int) -> dict[str, Any]:
    """Play the same days in this process, in front of a shop that knows tastes, one of `YARDSTICKS`."""
    began = time.monotonic()
    diary = Diary(world, seed)
    shopper, first = Shopper(diary, YARDSTICKS[yardstick](diary)), world.sizes.history_days
    played = [figures(day, [shopper.play(visit) for visit in diary.visits(first + day)]) for day in range(days)]
    return _record(yardstick, seed, played, {}, began)


def _cpu_seconds(cluster: Cluster) -> dict[str, float]:
    return {agent: cpu_seconds_of(cluster.pid(agent)) for agent in AGENTS}


def _displaced_scores(url: str) -> float:
    """Return the sum of the scores of what explored products took the place of, of all lists in the log."""
    start = datetime.fromtimestamp(0, UTC)
    with closing(Database(url)) as database, database.read() as connection:
        lists = [
            each.decision.displaced
            for placement in PLACEMENTS
            for each in decided_lists(connection, placement, start, start + FOREVER, CURRENCY)
        ]
    return sum(each.score for each in lists if each is not None)


def _play(diary: Diary, front: AgentsFront, stub: Any, policy: Policy, days: int, said: Say) -> list[Day]:
    shopper, played = Shopper(diary, front), []
    for number in range(days):
        day = diary.world.sizes.history_days + number
        front.begin_day(day)
        results = [shopper.play(visit) for visit in diary.visits(day)]
        front.end_day(day)
        played.append(figures(number, results))
        said(played[-1])
        if number + 1 < days:  # what is learned in the last night serves nobody
            policy.after_day(stub, number)
    return played


def _record(policy: str, seed: int, days: Sequence[Day], fallbacks: Mapping[str, int], began: float) -> dict[str, Any]:
    return {
        "policy": policy,
        "seed": seed,
        "days": [asdict(day) for day in days],
        "fallbacks": dict(fallbacks),
        "commit": commit(),
        "seconds": round(time.monotonic() - began, 1),
    }


def figures(number: int, results: Sequence[Result]) -> Day:
    """Return the figures of a day's sessions."""
    expected, clicks = expected_sum(results), clicks_of(results)
    seen = [response for result in results for _, response in result.lists if response.seen]
    return Day(
        day=number,
        sessions=len(results),
        orders=sum(bool(result.order) for result in results),
        revenue=sum(result.revenue for result in results),
        gain=sum(response.gain for response in seen),
        shown=sum(response.shown for response in seen),
        clicks=len(clicks),
        purchases=sum(each.purchased for each in clicks),
        expected_revenue=round(sum(result.expected_revenue for result in results), 2),
        expected_gain=round(expected.gain, 2),
        expected_shown=round(expected.shown, 2),
        expected_clicks=round(expected.clicks, 4),
        expected_purchases=round(expected.purchases, 4),
        expected_gain_by_page={page.name.lower(): round(_gain_on(results, page), 2) for page in Page},
    )


def _gain_on(results: Sequence[Result], page: Page) -> float:
    lists = [response for result in results for own, response in result.lists if own is page]
    return sum(response.expected.gain for response in lists)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play one run and keep what came of it; return the exit code."""
    given = _parser().parse_args(arguments)
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # agents are started by a process that calls gRPC too
    world = load(given.folder / WORLD)
    days = min(given.days or world.sizes.days, world.sizes.days)
    target = run_file(given.folder, given.policy, given.seed)
    target.parent.mkdir(parents=True, exist_ok=True)
    if given.policy in YARDSTICKS:
        done = know(world, given.policy, given.seed, days)
    else:
        with tempfile.TemporaryDirectory(prefix="quintet-simulation-") as name:
            policy, database = POLICIES[given.policy](), given.folder / SHOP / DATABASE
            done = simulate(world, database, policy, given.seed, days, Path(name), _say(given))
    partial = target.with_suffix(".partial")
    partial.write_text(json.dumps(done, indent=1))
    partial.rename(target)
    return 0


def run_file(folder: Path, policy: str, seed: int) -> Path:
    """Return where the figures of a run are kept."""
    return folder / RUNS / f"{policy}-{seed}.json"


def _say(given: argparse.Namespace) -> Say:
    def say(day: Day) -> None:
        revenue = day.expected_revenue / max(1, day.sessions) / 100
        words = f"{given.policy} {given.seed} day {day.day}: {day.sessions} sessions, {revenue:.2f} each"
        print(words, file=sys.stderr, flush=True)

    return say


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation.run", description=__doc__)
    parser.add_argument("policy", choices=[*POLICIES, *YARDSTICKS])
    parser.add_argument("seed", type=int)
    parser.add_argument("--folder", type=Path, required=True, help="where the world and the start shop are")
    parser.add_argument("--days", type=int, default=0, help="only so many of the first days")
    return parser


if __name__ == "__main__":
    sys.exit(main())
