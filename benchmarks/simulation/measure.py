"""The whole measurement: runs, figures of the parts, the page."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import commit, machine
from benchmarks.simulation.campaign import Campaign, Run
from benchmarks.simulation.parts import PARTS
from benchmarks.simulation.report import write_page
from benchmarks.simulation.run import WORLD
from benchmarks.simulation.stored_world import load, parameters


def simulation(campaign: Campaign, only: Sequence[str] = (), page: Path | None = None) -> dict[str, Any]:
    """Make the runs that are missing and return the figures of the parts, with how they were measured beside.

    Names with a dot are figures. Writes the page where one is named.
    """
    runs = campaign.runs(_say)
    figures: dict[str, Any] = {}
    for name in only or PARTS:
        figures |= PARTS[name](runs, campaign.sizes)
    facts = _facts(campaign, runs)
    if page is not None:
        write_page(figures, runs, facts, page)
    return figures | facts


def _facts(campaign: Campaign, runs: Sequence[Run]) -> dict[str, Any]:
    """Return how the figures were measured."""
    seconds = {policy: [run["seconds"] for run in runs if run["policy"] == policy] for policy in campaign.policies}
    return {
        "seeds": campaign.seeds,
        "days": campaign.length,
        "quick": campaign.quick,
        "fallbacks": sum(sum(run["fallbacks"].values()) for run in runs),
        "seconds_a_run": {policy: round(sum(each) / len(each), 1) for policy, each in seconds.items()},
        "products": load(campaign.home / WORLD).products,
        "parameters": parameters(campaign.behaviour, campaign.sizes),
        "machine": machine(),
        "commit": commit(),
    }


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
