"""Requests at the bounds and by chance, made by schemathesis from the OpenAPI document, and whether answers keep it."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STARTS_WORK = ("TrainModels", "OptimizeAlgorithms", "RefreshCatalog")
"""Operations that are left out: their jobs would run for the rest of the check."""
PLAIN = ("recommendations", "event", "feedback")
NOT_IN_A_SCHEMA = "positive_data_acceptance"
"""Rules between fields, ids that must be known, and control characters are refused, which a schema does not say."""
LENIENT = "negative_data_rejection"
"""Left out for the contract's RPCs: protobuf's JSON takes more than the document promises, such as numbers for enums
and texts for numbers, and batches answer what is wrong with each of their items."""


@dataclass(frozen=True)
class Found:
    """What a run found: cases, failures with errors among them, and a line for each."""

    cases: int
    failures: int
    lines: list[str]

    def __add__(self, other: "Found") -> "Found":
        return Found(self.cases + other.cases, self.failures + other.failures, self.lines + other.lines)


def check_document(url: str, report: Path, *, examples: int, seed: int, phases: str, minutes: float) -> Found:
    """Check every operation of the document at `url`, then the plain calls once more for what they must refuse.

    Parameters
    ----------
    url : str
        Where the server answers, such as `http://127.0.0.1:8080`.
    report : Path
        File that schemathesis writes.
    examples : int
        Cases by chance of an operation.
    seed : int
        Seed of all chance.
    phases : str
        Phases of schemathesis, separated by commas.
    minutes : float
        Longest time of each of the two runs.
    """
    usual = ["--max-examples", str(examples), "--seed", str(seed), "--phases", phases]
    every = [*usual, "--exclude-checks", f"{NOT_IN_A_SCHEMA},{LENIENT}", *_options("exclude", STARTS_WORK)]
    plain = [*usual, "--exclude-checks", NOT_IN_A_SCHEMA, *_options("include", PLAIN)]
    return _run(url, report, every, minutes) + _run(url, report, plain, minutes)


def _options(kind: str, names: Sequence[str]) -> list[str]:
    return [part for name in names for part in (f"--{kind}-operation-id", name)]


def _run(url: str, report: Path, options: Sequence[str], minutes: float) -> Found:
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{url}/openapi.json", "--checks", "all"]
    quiet = ["--continue-on-failure", "--warnings", "off", "--no-color"]
    written = ["--report", "json", "--report-json-path", str(report.resolve())]
    report.unlink(missing_ok=True)
    with report.with_suffix(".log").open("w") as log:
        whole = [*command, *options, *quiet, *written]
        try:  # its cache of failures goes beside the report
            subprocess.run(whole, stdout=log, stderr=log, check=False, timeout=60 * minutes, cwd=report.parent)
        except subprocess.TimeoutExpired:
            return Found(0, 1, [f"did not end within {minutes:g} minutes"])
    return found_in(json.loads(report.read_text()))


def found_in(report: dict[str, Any]) -> Found:
    """Return what a report of schemathesis says. A run that did not come to its end is a failure."""
    failures, errors = report["failures"], report["errors"]
    lines = [f"{each['code']} {each['title']}: {', '.join(map(str, each['operations']))}" for each in failures]
    lines += [str(each) for each in errors]
    lines += [] if report["complete"] else [f"ended early: {report['stop_reason']}"]
    return Found(report["test_cases"]["generated"], len(lines), lines)
