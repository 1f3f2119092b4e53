"""Where it was measured."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from shared.config import usable_cores

ROOT = Path(__file__).resolve().parents[1]
"""The checkout."""

DATA = "QUINTET_BENCH_DATA"
"""Environment variable that names the folder of the data sets."""
DEFAULT_DATA = ROOT.parent / "shared" / "data"

LIBRARIES = ("numpy", "scipy", "lightgbm", "implicit")


def machine() -> dict[str, Any]:
    """Return the hardware and the versions that matter for the figures."""
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_gb": round(_memory_bytes() / 1e9),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{library: _version(library) for library in LIBRARIES},
    }


def commit() -> str:
    """Return the commit of the checkout, with `+` where the product or the benchmark has changes; "" without git."""
    measured = ("services", "shared", "cli", "benchmarks", ":(exclude)benchmarks/results")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", *measured)
    return _git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _version(library: str) -> str:
    try:
        return version(library)
    except ModuleNotFoundError:
        return "not installed"
