"""The stage of every fault: agents on a copy of the shop, a load from another process, a probe, and the audit after."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchmarks.faults.audit import Audit, audit, row_counts, wait_joined
from benchmarks.faults.ledger import AFTER, DURING, NOBODY_ANSWERS
from benchmarks.faults.loading import Load, LoadSeen, load_on
from benchmarks.faults.shops import Shop
from benchmarks.faults.whole import Probe, probe_of, wait_serving, wait_until
from benchmarks.quiet import NO_JOBS
from shared.config import Settings
from shared.db.engine import Database
from tests.support.cluster import Cluster, cluster_settings
from tests.support.under_fire import wait_applied

LAST_LINES = 200
"""Of what the agents logged, shown when a scenario does not come to its end."""
CALM_SECONDS = 1.5
"""Of load before the first fault and after the last."""


class Recovery(NamedTuple):
    """Seconds from the end of a fault until all was whole again; `waited_for` is what was not whole until then."""

    broken: str = ""
    seconds: float = 0.0
    waited_for: str = ""


@dataclass
class Found:
    """What came of one scenario.

    Attributes
    ----------
    faults : int
        How often something was broken; `kills` of them by SIGKILL.
    recoveries : list
        How long it took until all was whole again after each fault.
    """

    scenario: str
    database: str
    faults: int = 0
    kills: int = 0
    error: str = ""
    recoveries: list[Recovery] = field(default_factory=list)
    restarts: list[float] = field(default_factory=list)
    """Seconds from a kill until the killed agent's own health is SERVING again."""
    audit: Audit = field(default_factory=Audit)
    seen: LoadSeen = field(default_factory=LoadSeen)
    expected: tuple[str, ...] = ()
    """Statuses that calls may end with beside those of `callers.EXPECTED`."""
    beside: dict[str, int] = field(default_factory=dict)
    """Rows that came into the tables otherwise, by the kind of event."""
    notes: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def recovered(self, broken: str, seconds: float, *, waited_for: str = "", kills: int = 0) -> None:
        """Note that all is whole again after something was broken, and what came last."""
        self.faults += max(1, kills)
        self.kills += kills
        self.recoveries.append(Recovery(broken, seconds, waited_for))

    @property
    def slowest(self) -> Recovery:
        """The fault after which it took longest until all was whole again."""
        return max(self.recoveries, key=lambda each: each.seconds, default=Recovery())

    @property
    def late(self) -> int:
        """Calls that were not answered by their deadline though the coordinator was there to answer."""
        there = [tally for tally in self.seen.tallies if tally.phase != NOBODY_ANSWERS]
        return self.seen.total("late") + sum(tally.unanswered for tally in there)


@dataclass(frozen=True)
class Stage:
    """What a fault is played on."""

    shop: Shop
    database: Database
    cluster: Cluster
    load: Load
    probe: Probe
    found: Found

    @contextmanager
    def fault(self, broken: str, phase: str = DURING) -> Iterator[None]:
        """Run the block while something is broken; measure how long all takes to be whole from its end."""
        self.load.say(phase)
        yield
        self.recover(broken, time.monotonic())

    def recover(self, broken: str, since: float, *, kills: int = 0) -> None:
        """Wait until all is whole, and note how long it took since a moment on the monotonic clock."""
        seconds = self.probe.seconds_until_whole(since)
        self.found.recovered(broken, seconds, waited_for=self.probe.missing, kills=kills)


def settings_for(shop: Shop, name: str, url: str, **overrides: Any) -> Settings:
    """Return the settings of agents on a copy of the shop."""
    cache = str(shop.folder / f"{name}-models")
    return cluster_settings(url, **({"model_cache_dir": cache, "fork_agents": True} | NO_JOBS | overrides))


@contextmanager
def staged(
    shop: Shop, name: str, *, url: str = "", settings: Settings | None = None, **overrides: Any
) -> Iterator[Stage]:
    """Give a stage with agents that are whole and under load; audit what was acknowledged when the block is done.

    `url` is a database that is there already, else a copy of the shop is made; `overrides` are settings of the agents,
    `settings` all of them.
    """
    began = time.monotonic()
    database = Database(url or shop.copy(name))
    cluster = Cluster(settings or settings_for(shop, name, database.url, **overrides))
    found = Found(name, shop.kind)
    try:
        cluster.start()
        with probe_of(cluster.address) as probe:
            wait_until(probe.is_whole, "whole at first")
            wait_serving(cluster)
            rows = row_counts(database)
            with load_on(cluster.address, f"{name}-") as load:
                time.sleep(CALM_SECONDS)
                yield Stage(shop, database, cluster, load, probe, found)
                load.say(AFTER)
                wait_serving(cluster)
                time.sleep(CALM_SECONDS)
        wait_applied(database)
        wait_joined(database)
        found.seen = load.seen
        expected = {kind: count + found.beside.get(kind, 0) for kind, count in rows.items()}
        found.audit = audit(database, f"{name}-", load.seen.acknowledged, load.seen.orders, expected)
    except BaseException:
        print("\n".join(line for line in cluster.log[-LAST_LINES:] if "call refused" not in line), file=sys.stderr)
        raise
    finally:
        cluster.stop()
        database.close()
        found.seconds = time.monotonic() - began
