"""Generate the Python stubs of the contract into `shared/stubs/`, then the OpenAPI document of its HTTP calls and
the pages of the API in `docs/`.

`--check` only says whether they are up to date.
"""

import argparse
import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

import grpc_tools
from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
STUBS = ROOT / "shared" / "stubs"
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"
OPENAPI = ROOT / "scripts" / "generate_openapi.py"
API_PAGES = "scripts.api_reference"
GOOGLEAPIS = Path(annotations_pb2.__file__).parents[2]
"""Folder of an installed package that has `google/api/annotations.proto` and what it imports."""


def contract_files() -> list[str]:
    """Return the files of the contract, as they import each other."""
    return sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))


def protoc(*options: str) -> None:
    """Run protoc on every contract file."""
    paths = [f"--proto_path={path}" for path in (PROTOS, WELL_KNOWN, GOOGLEAPIS)]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *paths, *options, *contract_files()], check=True)


def contract() -> FileDescriptorSet:
    """Return the files of the contract with their comments."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "contract.binpb"
        protoc(f"--descriptor_set_out={image}", "--include_source_info")
        return FileDescriptorSet.FromString(image.read_bytes())


def generate(target: Path) -> None:
    """Write messages, services and their types for every contract file below `target`."""
    protoc(
        f"--python_out={target}",
        f"--grpc_python_out={target}",
        f"--mypy_out=quiet:{target}",
        f"--mypy_grpc_out=quiet:{target}",
        f"--plugin=protoc-gen-mypy={Path(sys.executable).parent / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={Path(sys.executable).parent / 'protoc-gen-mypy_grpc'}",
    )
    for folder in {(target / name).parent for name in contract_files()} | {target / "quintet"}:
        for package in (folder, *folder.parents):
            if package == target:
                break
            (package / "__init__.py").touch()
    for services in target.rglob("*_pb2_grpc.py*"):
        if "service" not in services.name:
            services.unlink()


def generate_openapi(*options: str) -> int:
    """Run the script that makes the document out of the stubs, in a process that has the new ones."""
    return subprocess.run([sys.executable, str(OPENAPI), *options], check=False).returncode


def generate_pages(*options: str) -> int:
    """Run the module that renews the pages of the API, in a process that has the new stubs."""
    return subprocess.run([sys.executable, "-m", API_PAGES, *options], check=False, cwd=ROOT).returncode


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
        return generate_openapi() or generate_pages()
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        stale = outdated(Path(folder))
    for name in stale:
        print(f"out of date: shared/stubs/{name}; run `make protos`", file=sys.stderr)
    return 1 if stale else generate_openapi("--check") or generate_pages("--check")


if __name__ == "__main__":
    raise SystemExit(main())
