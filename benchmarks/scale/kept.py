"""The file of the figures: several measurements write into it, each its own."""

import json
from collections.abc import Mapping
from typing import Any

from benchmarks.machine import ROOT

RESULTS = ROOT / "benchmarks" / "results" / "scale.json"


def kept() -> dict[str, Any]:
    """Return what was written so far; {} before the first measurement."""
    return dict(json.loads(RESULTS.read_text())) if RESULTS.exists() else {}


def keep(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Add figures to those that other measurements have written, and return all."""
    every = kept() | dict(figures)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(every, indent=1, sort_keys=True) + "\n")
    return every
