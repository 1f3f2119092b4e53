"""The command line of a benchmark whose parts run one after the other, each in a process of its own."""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import ROOT
from benchmarks.serving.results import Results


@dataclass(frozen=True)
class PartByPart:
    """A benchmark.

    Parameters
    ----------
    package : str
        Name of its package; part NAME is run as `python -m PACKAGE.NAME`.
    about : str
        What `--help` says of it.
    parts : collection of str
        Names, in the order of the page. Those of a mapping come with their titles, which `--help` shows.
    results, page : Path
    write_page : callable
        Writes the page from all results; takes the results and the path.
    run : callable
        Runs a part with further options of it, keeps its figures, and returns whether it succeeded.
    """

    package: str
    about: str
    parts: Collection[str]
    results: Path
    page: Path
    write_page: Callable[[Results, Path], object]
    run: Callable[[str, Sequence[str]], bool]

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Run the parts and write the page; return the exit code, 1 where a part failed."""
        given, others = self._parser().parse_known_args(arguments)
        failed = False
        if not given.report_only:
            for part in given.only or self.parts:
                print(f"{part} …", file=sys.stderr, flush=True)
                failed |= not self.run(part, others)
        results = Results.load(self.results)
        self.write_page(results, self.page)
        if given.json:
            print(json.dumps(results.rows, indent=1))
        return int(failed)

    def _parser(self) -> argparse.ArgumentParser:
        titles = self.parts.items() if isinstance(self.parts, Mapping) else ()
        parser = argparse.ArgumentParser(
            prog=f"python -m {self.package}",
            description=self.about,
            epilog="\n".join(["parts:", *(f"  {name:<12} {title}" for name, title in titles)]) if titles else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        say = parser.add_argument
        choices = list(self.parts)
        say(
            "--only",
            action="append",
            choices=choices,
            help="run this part alone, with further options of it; repeatable",
        )
        say("--report-only", action="store_true", help="write the page from the figures that are there")
        say("--json", action="store_true", help="print all figures as one JSON object")
        return parser


def run_module(
    package: str, part: str, options: Sequence[str], *, printed: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a part in a process of its own; what it prints is in the result if it prints its figures."""
    command = [sys.executable, "-m", f"{package}.{part}", *options]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE if printed else None, text=True, check=False)
