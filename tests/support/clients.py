"""The example clients as commands, built where they need it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CLIENTS = Path(__file__).resolve().parents[2] / "examples" / "clients"


def play(client: list[str], address: str, *options: str) -> tuple[subprocess.CompletedProcess[str], list[Any]]:
    """Run the journey against `address` and return the process and its JSON lines."""
    done = run([*client, "--address", address, "--json", *options])
    return done, [json.loads(line) for line in done.stdout.splitlines()]


def run(command: list[str], environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("QUINTET_")}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=own | (environment or {})
    )


def python_client() -> list[str]:
    return [sys.executable, str(CLIENTS / "python" / "journey.py")]


def node_client() -> list[str]:
    require("node", "npm")
    folder = CLIENTS / "node"
    installed = folder / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (folder / "package-lock.json").stat().st_mtime:
        build(["npm", "ci", "--ignore-scripts"], folder)
    return ["node", str(folder / "journey.js")]


def go_client() -> list[str]:
    require("go")
    folder = CLIENTS / "go"
    build(["go", "generate"], folder)
    build(["go", "build", "-o", ".build/journey", "."], folder)
    return [str(folder / ".build" / "journey")]


def require(*tools: str) -> None:
    """Skip where a tool is missing; in CI, fail."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        message = f"not installed: {', '.join(missing)}"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)


def build(command: list[str], folder: Path) -> None:
    environment = os.environ | {"PYTHON": sys.executable}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"


BUILDERS = {"python": python_client, "node": node_client, "go": go_client}
"""By language, the function that returns the command; it skips where the toolchain is missing, in CI it fails."""
