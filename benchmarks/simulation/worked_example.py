"""`python -m benchmarks.simulation.worked_example`: the experiment of docs/experiments.md, run in the simulated shop.

The start page shows what is trending. A merchandiser asks whether products from the categories that each shopper buys
of would be clicked more, measures it, and concludes. What the commands printed is printed as Markdown; the picture
shows the intervals day by day. The start shop is that of `python -m benchmarks.simulation`.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.experiment_pb2 import VERDICT_BETTER, VERDICT_WORSE, ExperimentResults
from quintet.type.v1.metric_pb2 import MetricQuery
from quintet.type.v1.placement_pb2 import Placement
from typer.testing import CliRunner

from benchmarks.drawing import GUIDE, INK, OWN_COLOUR, clean, figure_of, save
from benchmarks.machine import ROOT
from benchmarks.simulation.campaign import FOLDER, Campaign
from benchmarks.simulation.policies import PLACEMENTS, Stub
from benchmarks.simulation.run import simulate
from cli.main import app
from tests.e2e.small_shop import whole_metrics
from tests.support.cluster import free_ports

PICTURE = ROOT / "docs" / "experiments-by-day.png"
NAME, CHOSEN = "own_categories", "own_categories"
DEFINITION = """\
experiments:
  - experiment_id: own_categories
    description: Are products of the categories that a shopper buys of clicked more than what is trending?
    placement_ids: [home]
    arms:
      - variant: {variant_id: as_now}
      - variant: {variant_id: own_categories, strategy: category_affinity}
    primary_metric: EXPERIMENT_METRIC_CLICK_THROUGH_RATE
    minimum_effect: 0.2
    guardrails:
      - {metric: EXPERIMENT_METRIC_REVENUE_PER_SESSION, tolerance: 0.1}
"""
CALL_SECONDS = 60.0
DAYS_BEFORE = 7
"""Days before the experiment, which say how often lists are clicked."""
MEASURED_SECONDS = 900.0
COLUMNS = "160"


class Look(NamedTuple):
    """What was known after a day: the relative difference and its interval, as shares."""

    day: int
    difference: float
    low: float
    high: float


@dataclass
class Merchandiser:
    """A policy that runs the experiment: looks every evening and concludes when an arm is better or worse."""

    file: Path
    name: str = "worked_example"
    title: str = "worked example"
    port: int = field(default_factory=lambda: free_ports(1)[0])
    said: list[str] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    concluded: bool = False
    settings: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        # Commands have to find the coordinator.
        self.settings = {"coordinator_port": self.port, "coordinator_address": f"127.0.0.1:{self.port}"}

    def begin(self, stub: Stub) -> None:
        """Have the start page show what is trending."""
        home = Placement(placement_id="home", page_type=PLACEMENTS["home"], strategy="trending")
        stub.UpdatePlacement(pb.UpdatePlacementRequest(placement=home), timeout=CALL_SECONDS)

    def after_day(self, stub: Stub, day: int) -> None:
        """Start after the first days; then look, and decide when it is beyond doubt."""
        if day == DAYS_BEFORE - 1:
            whole_metrics(stub, MetricQuery(), MEASURED_SECONDS)
            self._run("size", "--metric", "click_through_rate", "--effect", "0.2")
            self.file.write_text(DEFINITION)
            self._run("create", str(self.file))
        if self.concluded or day < DAYS_BEFORE:
            return
        request = pb.GetExperimentResultsRequest(experiment_id=NAME)
        found = stub.GetExperimentResults(request, timeout=CALL_SECONDS).results
        self._look(day - DAYS_BEFORE, found)
        if found.comparisons and found.comparisons[0].verdict in (VERDICT_BETTER, VERDICT_WORSE):
            better = found.comparisons[0].verdict == VERDICT_BETTER
            self._run("show", NAME)
            arm = CHOSEN if better else "as_now"
            self._run("conclude", NAME, arm, "--reason", "Clicked more" if better else "Clicked less", "--apply")
            self._run("list")
            self.concluded = True

    def _look(self, day: int, found: ExperimentResults) -> None:
        for each in found.comparisons:
            if not each.guardrail and each.HasField("low") and each.HasField("high"):
                self.looks.append(Look(day, each.difference, each.low, each.high))
                print(self.looks[-1], file=sys.stderr, flush=True)

    def _run(self, *arguments: str) -> None:
        given = ["experiment", *arguments]
        done = CliRunner().invoke(app, [*given, "--address", f"127.0.0.1:{self.port}"], env={"COLUMNS": COLUMNS})
        if done.exit_code:
            raise RuntimeError(f"quintet {' '.join(given)}: {done.output}")
        shown = " ".join(f'"{each}"' if " " in each else each for each in given).replace(str(self.file), self.file.name)
        self.said.append(f"```\n$ quintet {shown}\n{done.output.rstrip()}\n```\n")


def draw(looks: Sequence[Look], file: Path) -> None:
    """Draw the difference with its interval at all looks together, day by day."""
    figure = figure_of(8, 3.2)
    panel = figure.subplots()
    days = [each.day + 1 for each in looks]
    panel.fill_between(
        days, [100 * each.low for each in looks], [100 * each.high for each in looks], color=OWN_COLOUR, alpha=0.18
    )
    panel.plot(days, [100 * each.difference for each in looks], color=OWN_COLOUR, linewidth=1.8)
    panel.axhline(0.0, color=GUIDE, linewidth=1, linestyle=":")
    panel.set_title(
        "clicks on the start page: own categories against trending, percent", loc="left", color=INK, fontsize=10
    )
    panel.set_xlabel("day of the experiment", color=INK, fontsize=9)
    clean(panel)
    save(figure, file)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment, print what the commands said and draw the picture; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation.worked_example", description=__doc__)
    parser.add_argument("--days", type=int, default=45, help="days at most (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the shoppers (default %(default)s)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the shop is kept (default %(default)s)")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="where to draw (default %(default)s)")
    given = parser.parse_args(arguments)
    campaign = Campaign(folder=given.folder)
    world = campaign.prepare(lambda words: print(words, file=sys.stderr))
    with tempfile.TemporaryDirectory(prefix="quintet-example-") as name:
        merchandiser = Merchandiser(Path(name) / "experiment.yaml")
        simulate(world, campaign.database, merchandiser, given.seed, given.days, Path(name), lambda _: None)
    print("\n".join(merchandiser.said))
    draw(merchandiser.looks, given.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
