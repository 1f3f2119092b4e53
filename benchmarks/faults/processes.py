"""Faults of processes: killed at random moments, stopped for a while, short of memory."""

import os
import random
import resource
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.faults.callers import WRITE_DEADLINE_SECONDS
from benchmarks.faults.ledger import DURING, NOBODY_ANSWERS
from benchmarks.faults.shops import Shop
from benchmarks.faults.stage import Found, Stage, staged
from benchmarks.faults.whole import wait_serving
from shared.config import AGENTS, Agent

REPLICAS = 2
SEED = 20_260_301
LONGEST_PAUSE_SECONDS = 1.0
"""Between two kills; the moments are random within it."""
TOGETHER = 0.25
"""Share of the kills in which a second process dies at the same moment."""
STALL_SECONDS = 4.0
SHORT_SECONDS = 3.0

Process = tuple[Agent, int]
"""An agent and the number of its replica."""
KILLS = 110
FIRST: tuple[Sequence[Process], ...] = ([("recommendation", 0), ("recommendation", 1)], [("coordinator", 0)])
"""Victims that chance must not leave out: all of one agent, and the one that everybody calls."""


def kills(shop: Shop, count: int = KILLS, seed: int = SEED) -> Found:
    """Kill random agents with SIGKILL at random moments, `count` in all, now and then two at once."""
    rng = random.Random(seed)  # noqa: S311 - reproducible, no secret
    with staged(shop, "kills", recommendation_replicas=REPLICAS) as stage:
        stage.load.say(DURING)
        for victims in FIRST:
            kill(stage, victims)
        while stage.found.kills < count:
            time.sleep(rng.random() * LONGEST_PAUSE_SECONDS)
            kill(stage, _victims(rng, count - stage.found.kills))
    return stage.found


def stalls(shop: Shop, seconds: float = STALL_SECONDS) -> Found:
    """Stop each process with SIGSTOP for some seconds, and let it go on."""
    with staged(shop, "stalls", recommendation_replicas=REPLICAS) as stage:
        for agent, number in _processes():
            phase = NOBODY_ANSWERS if agent == "coordinator" else DURING
            with stage.fault(f"{agent} {number}", phase), _stopped(stage.cluster.pid(agent, number)):
                time.sleep(seconds)
            if agent == "coordinator":
                time.sleep(WRITE_DEADLINE_SECONDS)  # calls that began while it was stopped
                stage.load.say(DURING)
    return stage.found


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def short_of_memory(shop: Shop, seconds: float = SHORT_SECONDS) -> Found:
    """Give each process no more memory than it holds for some seconds; one that ends is started again."""
    with staged(shop, "short_of_memory", recommendation_replicas=REPLICAS) as stage:
        before = sum(stage.cluster.restarts(agent) for agent in AGENTS)
        for agent, number in _processes():
            with stage.fault(f"{agent} {number}"), _limited_memory(stage.cluster.pid(agent, number)):
                time.sleep(seconds)
        stage.found.notes["ended"] = sum(stage.cluster.restarts(agent) for agent in AGENTS) - before
    return stage.found


@contextmanager
def _limited_memory(pid: int) -> Iterator[None]:
    """Let a process have no more address space than it has; one that ended needs no more."""
    page = resource.getpagesize()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    before = resource.prlimit(pid, resource.RLIMIT_AS, (pages * page, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_AS, before)


def _processes() -> list[Process]:
    return [(agent, number) for agent in AGENTS for number in range(REPLICAS if agent == "recommendation" else 1)]


def _victims(rng: random.Random, most: int) -> Sequence[Process]:
    """Return who dies: one, or two at once, both replicas of an agent among the choices."""
    return rng.sample(_processes(), 2 if most > 1 and rng.random() < TOGETHER else 1)


def kill(stage: Stage, victims: Sequence[Process]) -> None:
    """Kill processes at the same moment, and measure how long all takes to be whole, and they to serve again."""
    before = {each: stage.cluster.pid(*each) for each in victims}
    killed_at = time.monotonic()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    stage.recover(" and ".join(f"{agent} {number}" for agent, number in victims), killed_at, kills=len(victims))
    wait_serving(stage.cluster)
    stage.found.restarts.append(time.monotonic() - killed_at)
