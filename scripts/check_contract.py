"""Lint the contract and look for breaking changes, without a schema registry: `--release FILE` writes a new image.

buf finds imports only in modules of its workspace. The protos of googleapis come with an installed package, so a
workspace is made of both folders in a temporary place.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from generate_stubs import GOOGLEAPIS, PROTOS, ROOT

BUF = Path(sys.executable).parent / "buf"
RELEASED = PROTOS / "released.binpb"
IMPORTED = ("google/api/annotations.proto", "google/api/field_behavior.proto", "google/api/http.proto")
MODULES = """\
version: v2
modules:
  - path: protos
  - path: googleapis
    lint:
      ignore: [googleapis]
    breaking:
      ignore: [googleapis]
"""


def make_workspace(folder: Path) -> None:
    """Copy the contract, what it imports and the rules into a folder."""
    shutil.copytree(PROTOS, folder / "protos", ignore=shutil.ignore_patterns("*.binpb"))
    for name in IMPORTED:
        target = folder / "googleapis" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(GOOGLEAPIS / name, target)
    rules = (ROOT / "buf.yaml").read_text()
    (folder / "buf.yaml").write_text(MODULES + rules[rules.index("lint:") :])


def buf(folder: Path, *arguments: str) -> int:
    """Run buf in a folder and return its exit code."""
    return subprocess.run([str(BUF), *arguments], cwd=folder, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", metavar="FILE", type=Path, help="write the contract's image to FILE instead")
    release = parser.parse_args().release
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_workspace(folder)
        if release is not None:
            return buf(folder, "build", "protos", "-o", str(release.resolve()))
        breaking = ("breaking", "protos", "--against", str(RELEASED), "--exclude-imports")
        return buf(folder, "lint", "protos") or buf(folder, *breaking)


if __name__ == "__main__":
    raise SystemExit(main())
