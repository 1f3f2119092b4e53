"""What studies beside the quality benchmark share: options, progress, and how figures are kept."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.machine import DEFAULT_DATA, commit


def study_parser(name: str, text: str | None, questions: int, out: Path, document: Path) -> argparse.ArgumentParser:
    """Return a parser of the options that all studies have.

    Parameters
    ----------
    name : str
        The module in `benchmarks.quality`.
    text : str
        Its docstring: the first paragraph describes it, the others follow the options.
    questions : int
        Default of the most questions of each kind.
    out, document : Path
        Defaults of the files for the figures and for the tables.
    """
    about, _, details = (text or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.quality.{name}",
        description=about,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, default=DEFAULT_DATA, help="folder of the data sets (default: ../shared/data)")
    add("--questions", type=int, default=questions, help=f"of each kind and set, at most (default: {questions})")
    add("--seed", type=int, default=0, help="seed of everything by chance (default: 0)")
    add("--threads", type=int, default=2, help="threads (default: 2)")
    add("--out", type=Path, default=out, help="file for the figures")
    add("--document", type=Path, default=document, help="file for the tables")
    return parser


def write_figures(given: argparse.Namespace, rows: Sequence[Any], started: float) -> None:
    """Write rows (dataclasses) as JSON to `given.out`, with how they were measured since `started` (perf_counter)."""
    settings = {
        "commit": commit(),
        "questions": given.questions,
        "seed": given.seed,
        "seconds": round(time.perf_counter() - started),
    }
    found = {"rows": [asdict(each) for each in rows], "settings": settings}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(found, indent=1) + "\n")


def say(text: str) -> None:
    """Tell a person how far a command is."""
    print(text, file=sys.stderr, flush=True)
