"""Generate the Python stubs of the contract into `shared/stubs/`; `--check` only says whether they are up to date."""

import argparse
import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

import grpc_tools

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
STUBS = ROOT / "shared" / "stubs"


def generate(target: Path) -> None:
    """Write messages, services and their types for every contract file below `target`."""
    files = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"--proto_path={PROTOS}",
            f"--proto_path={well_known}",
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            f"--mypy_out=quiet:{target}",
            f"--mypy_grpc_out=quiet:{target}",
            f"--plugin=protoc-gen-mypy={Path(sys.executable).parent / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={Path(sys.executable).parent / 'protoc-gen-mypy_grpc'}",
            *files,
        ],
        check=True,
    )
    for folder in {(target / name).parent for name in files} | {target / "quintet"}:
        for package in (folder, *folder.parents):
            if package == target:
                break
            (package / "__init__.py").touch()
    for services in target.rglob("*_pb2_grpc.py*"):
        if "service" not in services.name:
            services.unlink()


def outdated(fresh: Path) -> list[str]:
    """Return the stub files that differ from `fresh`, are missing, or should not be there."""
    names = {str(p.relative_to(root)) for root in (fresh, STUBS) for p in root.rglob("*.py*") if p.suffix != ".pyc"}
    _, mismatch, errors = filecmp.cmpfiles(fresh, STUBS, sorted(names), shallow=False)
    return mismatch + errors


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the stubs are out of date")
    arguments = parser.parse_args()
    if not arguments.check:
        for old in STUBS.rglob("*_pb2*"):
            old.unlink()
        generate(STUBS)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        stale = outdated(Path(folder))
    for name in stale:
        print(f"out of date: shared/stubs/{name}; run `make protos`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
