"""The example clients as commands, built where they need it."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "examples" / "clients"
PROTOS = ROOT / "protos"


def play(
    client: list[str], address: str, *options: str, environment: dict[str, str] | None = None
) -> tuple[subprocess.CompletedProcess[str], list[Any]]:
    """Run the journey against `address` and return the process and its JSON lines."""
    done = run([*client, "--address", address, "--json", *options], environment)
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
    with only_builder(folder):
        if older(folder / "node_modules" / ".package-lock.json", [folder / "package-lock.json"]):
            build(["npm", "ci", "--ignore-scripts"], folder)
    return ["node", str(folder / "journey.js")]


def go_client() -> list[str]:
    require("go")
    folder = CLIENTS / "go"
    binary = folder / ".build" / "journey"
    sources = [*folder.glob("*.*"), *PROTOS.rglob("*.proto")]
    with only_builder(folder):
        if older(binary, sources):
            build(["go", "generate"], folder)
            build(["go", "build", "-o", str(binary), "."], folder)
    return [str(binary)]


def java_client() -> list[str]:
    require("java", "mvn")
    folder = CLIENTS / "java"
    program = folder / "target" / "journey.jar"
    sources = [folder / "pom.xml", *folder.rglob("src/**/*.java"), *PROTOS.rglob("*.proto")]
    with only_builder(folder):
        if older(program, sources):
            build(["mvn", "--batch-mode", "--quiet", "package"], folder)
    return ["java", "-XX:TieredStopAtLevel=1", "-jar", str(program)]


def curl_client() -> list[str]:
    """Return the command of the client that calls by HTTP; it takes the coordinator's URL."""
    require("curl")
    return [str(CLIENTS / "curl" / "journey.sh")]


@contextmanager
def only_builder(folder: Path) -> Iterator[None]:
    """Let one test process at a time build in `folder`; the next one finds it built."""
    (folder / ".build").mkdir(exist_ok=True)
    with (folder / ".build" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def older(result: Path, sources: list[Path]) -> bool:
    """Whether `result` is missing or was made before one of its sources changed."""
    return not result.exists() or result.stat().st_mtime < max(source.stat().st_mtime for source in sources)


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


BUILDERS = {"python": python_client, "node": node_client, "go": go_client, "java": java_client}
"""By language, the function that returns the command; it skips where the toolchain is missing, in CI it fails."""
