"""Model files of this machine: each version is unpacked from the database once and then mapped by every process.

A file appears under its name only when it is whole, so a reader needs no lock. Writers on one machine take turns, and
the second finds the file of the first. The artefact's checksum is compared while it is read from the database.

Beside a model file is a snapshot of the catalogue, so that the next start reads only what changed since.
"""

import fcntl
import mmap
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import structlog

from services.recommendation.algorithms.arrays import AnyArray
from services.recommendation.models import storage
from services.recommendation.models.container import ArtifactError, Container, ContainerWriter, open_container
from shared.db.engine import Database
from shared.db.models import ModelVersion, read_model
from shared.telemetry import FALLBACKS

SUFFIX = ".model"
SNAPSHOT = ".catalogue"
PACKED = ".packed"
PARTIAL = ".partial"
LOCK = "lock"
SNAPSHOT_LOCK = "catalogue-lock"
UNCHANGED = 1_000_000_000 * 10**9
"""Modification time, in nanoseconds, that a complete file gets: a file written to since then has another."""
log = structlog.get_logger()


class ModelCache:
    """The model files in one folder.

    Parameters
    ----------
    folder : Path
        Made when it is first needed. Only the agents of one database should use it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, database: Database, model: ModelVersion) -> Container:
        """Return what the artefact of `model` holds: its file, mapped, shared with other processes of this machine.

        Where the folder cannot be used (read-only, full) the artefact is read into memory, which is logged and
        counted as the fallback `model_cache_unusable`.

        Raises
        ------
        DataLoss
            If what the database holds does not match its checksum.
        ArtifactError
            If it was written by another version of Quintet.
        """
        try:
            return self._opened(database, model)
        except OSError as error:
            log.warning("model cache: cannot be used", folder=str(self._folder), error=str(error))
            FALLBACKS.labels("recommendation", "model_cache_unusable").inc()
            return open_container(_in_memory(database, model))

    def prepare(self, database: Database, model: ModelVersion) -> None:
        """Make the file of `model`, so that agents map it at once; where the folder cannot be used there is none."""
        try:
            self._opened(database, model)
        except OSError as error:
            log.warning("model cache: cannot be used", folder=str(self._folder), error=str(error))

    def keep_only(self, models: Collection[ModelVersion]) -> int:
        """Delete the files of all other versions and return how many; processes that have them mapped keep them."""
        kept = {_name(model) for model in models} | {_snapshot_name(model.version) for model in models}
        files = (path for suffix in (SUFFIX, SNAPSHOT) for path in self._folder.glob(f"*{suffix}"))
        old = [path for path in files if path.name not in kept]
        try:
            for path in old:
                path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("model cache: an old file cannot be deleted", folder=str(self._folder), error=str(error))
            return 0
        return len(old)

    def open_snapshot(self, version: str) -> Container | None:
        """Return the snapshot of the catalogue that was kept with a model version, its arrays writable and private.

        None where there is none, or none that can be used.
        """
        try:
            return _mapped(self._folder / _snapshot_name(version), writable=True)
        except OSError as error:
            log.warning("model cache: a snapshot cannot be read", folder=str(self._folder), error=str(error))
            return None

    @contextmanager
    def making_snapshot(self) -> Iterator[None]:
        """Hold what one process of this machine at a time has, so that the next finds the snapshot of the first."""
        with ExitStack() as held:
            with suppress(OSError):  # then no snapshot can be written either, which is logged there
                held.enter_context(self._locked(SNAPSHOT_LOCK))
            yield

    def write_snapshot(self, version: str, arrays: Iterable[tuple[str, AnyArray]], facts: Mapping[str, Any]) -> None:
        """Keep a snapshot of the catalogue with a model version; where the folder cannot be used there is none."""
        try:
            with self._locked(LOCK):
                _write(self._folder / _snapshot_name(version), arrays, facts)
        except OSError as error:
            log.warning("model cache: no snapshot is kept", folder=str(self._folder), error=str(error))

    def _opened(self, database: Database, model: ModelVersion) -> Container:
        path = self._folder / _name(model)
        found = _mapped(path)
        if found is not None:
            return found
        with self._locked(LOCK):
            found = _mapped(path)
            if found is None:
                _extract(database, model, path)
                found = open_container(_map(path))
        return found

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Hold a lock of the folder, which is made if needed; it ends with the process too."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / name).open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _name(model: ModelVersion) -> str:
    return f"{model.kind}-{model.version}-{model.checksum[:16]}{SUFFIX}"


def _snapshot_name(version: str) -> str:
    return f"{version}{SNAPSHOT}"


def _mapped(path: Path, *, writable: bool = False) -> Container | None:
    """Return what the file holds; None where there is no such file, or not as it was when it was completed."""
    try:
        if path.stat().st_mtime_ns == UNCHANGED:
            return open_container(_map(path, mmap.ACCESS_COPY if writable else mmap.ACCESS_READ), writable=writable)
    except FileNotFoundError:
        return None
    except ArtifactError as error:
        log.warning("model cache: a damaged file is made anew", file=str(path), error=str(error))
    return None


def _extract(database: Database, model: ModelVersion, path: Path) -> None:
    """Write the file of `model`: the packed artefact first, verified, then its arrays as they are used."""
    packed = path.with_suffix(PACKED)
    try:
        with packed.open("wb") as file:
            for chunk in read_model(database, model):
                file.write(chunk)
        container = open_container(_map(packed))
        _write(path, storage.restored(container.arrays), container.facts)
    finally:
        packed.unlink(missing_ok=True)


def _write(path: Path, arrays: Iterable[tuple[str, AnyArray]], facts: Mapping[str, Any]) -> None:
    """Write a container that appears under its name when it is whole. One writer at a time."""
    partial = path.with_suffix(PARTIAL)
    try:
        with partial.open("wb") as file:
            writer = ContainerWriter(file)
            for name, array in arrays:
                writer.add(name, array)
            writer.finish(facts)
            file.flush()
            os.fsync(file.fileno())
        os.utime(partial, ns=(UNCHANGED, UNCHANGED))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _map(path: Path, access: int = mmap.ACCESS_READ) -> memoryview:
    """Return the content of a file, mapped. Raises ArtifactError for an empty one."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise ArtifactError("model artefact: empty")
        return memoryview(mmap.mmap(file.fileno(), 0, access=access))


def _in_memory(database: Database, model: ModelVersion) -> memoryview:
    content = mmap.mmap(-1, max(model.size_bytes, 1))
    for chunk in read_model(database, model):
        content.write(chunk)
    return memoryview(content).toreadonly()[: model.size_bytes]
