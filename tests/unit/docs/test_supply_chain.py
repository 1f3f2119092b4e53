"""Every dependency is installed by its hash, and the list of what the image is made of names each of them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.docs.test_operations import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def locked(path: Path) -> dict[str, tuple[str, list[str]]]:
    """Return version and hashes by the name of each dependency of a lock file."""
    entries = re.split(r"\n(?=\S)", path.read_text().replace("\\\n", " ").strip())
    found = [re.match(r"([\w.-]+)==([\w.+!-]+)", each) for each in entries if not each.startswith("#")]
    assert all(found), "a dependency without an exact version"
    names = [each for each in entries if not each.startswith("#")]
    return {
        match[1]: (match[2], re.findall(r"--hash=sha256:([0-9a-f]{64})", text))
        for match, text in zip(found, names, strict=True)
        if match
    }


@pytest.mark.parametrize("lock", LOCKS, ids=lambda each: each.stem)
def test_every_dependency_has_a_version_and_hashes(lock: Path) -> None:
    dependencies = locked(lock)
    assert dependencies
    assert [name for name, (_, hashes) in dependencies.items() if not hashes] == []


@pytest.mark.slow
def test_the_list_of_the_image_names_each_dependency(tmp_path: Path) -> None:
    """The command is that of `make sbom`, read from there."""
    [line] = [each for each in (ROOT / "Makefile").read_text().splitlines() if "cyclonedx-py" in each]
    command = line.strip().replace("$(BIN)", str(Path(sys.executable).parent)).replace("dist/", f"{tmp_path}/").split()
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    listed = json.loads((tmp_path / "sbom.json").read_text())["components"]
    expected = {name: version for name, (version, _) in locked(ROOT / "requirements" / "runtime.lock").items()}
    assert {each["name"]: each["version"] for each in listed} == expected
