"""Versions of trained models: artefacts where every replica of an agent finds them (`shared/db/model_artifacts.py`).

Kinds are `recommender` (recommendation agent), `embedding_space` (product agent) and `segments` (customer agent). One
version of a kind is active; the older ones stay for the way back.
"""

import hashlib
import io
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

from sqlalchemy import ColumnElement, Connection, select

from shared.db.engine import Database
from shared.db.model_artifacts import delete_artifact, new_location, read_artifact, write_artifact
from shared.db.request_ids import once
from shared.db.schema import model_versions
from shared.errors import DataLoss, NotFound
from shared.request_ids import RequestKey

REWRITTEN = "+"
"""Separates the version of a model from the number of what was removed from it; see `replace_model_file`."""
LEAVING = ".leaving"
"""Added to the kind of a version whose chunks are being deleted."""


@dataclass(frozen=True)
class ModelVersion:
    """A version of a model and what is known of it; `checksum` is the artefact's SHA-256."""

    kind: str
    version: str
    checksum: str
    size_bytes: int
    metadata: dict[str, Any]
    created_at: datetime
    active: bool


def save_model(database: Database, kind: str, version: str, payload: bytes, metadata: dict[str, Any]) -> ModelVersion:
    """Store an artefact that is in memory and make it the active version of its kind; see `save_model_file`."""
    return save_model_file(database, kind, version, io.BytesIO(payload), metadata)


def save_model_file(
    database: Database, kind: str, version: str, file: IO[bytes], metadata: dict[str, Any]
) -> ModelVersion:
    """Store the whole of a seekable file piece by piece and make it the active version. Raises Unavailable.

    Until the last transaction the version before stays active, so a crash leaves nothing half-active. No more than
    one piece is in memory.
    """
    add_model_file(database, kind, version, file, metadata)
    return activate(database, kind, version)


def add_model_file(
    database: Database, kind: str, version: str, file: IO[bytes], metadata: dict[str, Any]
) -> ModelVersion:
    """Store the whole of a seekable file as a version that is not in use. Raises Unavailable."""
    _store(database, kind, version, file, metadata, datetime.now(UTC))
    with database.read() as connection:
        return next(_versions(connection, kind, model_versions.c.version == version))


def replace_model_file(
    database: Database, model: ModelVersion, version: str, file: IO[bytes], metadata: dict[str, Any]
) -> ModelVersion:
    """Store a file as a version in the place of another: as old, and active if that is; then delete that one.

    A version of that name, which a crash may have left, is deleted before.
    """
    columns = model_versions.c
    _delete_versions(database, columns.kind == model.kind, columns.version == version)
    _store(database, model.kind, version, file, metadata, model.created_at)
    with database.write() as connection:
        old, new = ((columns.kind == model.kind, columns.version == name) for name in (model.version, version))
        active = connection.execute(select(columns.active).where(*old)).scalar_one_or_none()
        connection.execute(model_versions.update().where(*old).values(active=False, kind=model.kind + LEAVING))
        connection.execute(model_versions.update().where(*new).values(active=bool(active)))
        stored = next(_versions(connection, model.kind, columns.version == version))
    _delete_versions(database, columns.kind == model.kind + LEAVING)
    return stored


def set_metadata(database: Database, model: ModelVersion, metadata: dict[str, Any]) -> None:
    """Change what is known of a version."""
    columns = model_versions.c
    row = model_versions.update().where(columns.kind == model.kind, columns.version == model.version)
    with database.write() as connection:
        connection.execute(row.values({"metadata": metadata}))


def activate(database: Database, kind: str, version: str) -> ModelVersion:
    """Make `version` the active one of its kind. Raises NotFound for an unknown version."""
    with database.write() as connection:
        return activate_in(connection, kind, version)


def roll_back(
    database: Database, kind: str, choose: Callable[[list[ModelVersion]], ModelVersion], key: RequestKey | None
) -> ModelVersion:
    """Make the version that `choose` picks from those of a kind, newest first, the active one; once for each request.

    A repeated request is answered with the version that it chose, which may no longer be active. Raises NotFound when
    that is no longer stored, and what `choose` raises.
    """
    with database.write() as connection:

        def work() -> str:
            return activate_in(connection, kind, choose(list_versions(connection, kind)).version).version

        version, _ = once(connection, key, work)
        found = next(_versions(connection, kind, model_versions.c.version == version), None)
    if found is None:
        raise NotFound.of(f"{kind} model version", version, "version")
    return found


def activate_in(connection: Connection, kind: str, version: str) -> ModelVersion:
    """Make `version` the active one of its kind within a transaction. Raises NotFound for an unknown version."""
    columns = model_versions.c
    known = connection.execute(
        select(columns.id).where(columns.kind == kind, columns.version == version)
    ).scalar_one_or_none()
    if known is None:
        raise NotFound.of(f"{kind} model version", version, "version")
    connection.execute(model_versions.update().where(columns.kind == kind, columns.active).values(active=False))
    connection.execute(model_versions.update().where(columns.id == known).values(active=True))
    return next(_versions(connection, kind, columns.id == known))


def family(version: str) -> str:
    """Return what a version and those that were stored in its place, without histories, have in common."""
    return version.partition(REWRITTEN)[0]


def same_model(connection: Connection, kind: str, version: str) -> ModelVersion | None:
    """Return the stored version of a name, or what was stored in its place without histories; None for neither."""
    return next((each for each in list_versions(connection, kind) if family(each.version) == family(version)), None)


def list_versions(connection: Connection, kind: str) -> list[ModelVersion]:
    """Return the versions of a kind, newest first; `[]` before the first training."""
    return list(_versions(connection, kind))


def active_version(connection: Connection, kind: str) -> str | None:
    """Return the active version of a kind; None before the first training. Cheap enough to ask on every request."""
    columns = model_versions.c
    return connection.execute(select(columns.version).where(columns.kind == kind, columns.active)).scalar_one_or_none()


def active_model(connection: Connection, kind: str) -> ModelVersion | None:
    """Return the active version of a kind and what is known of it; None before the first training."""
    return next(_versions(connection, kind, model_versions.c.active), None)


def load_active(database: Database, kind: str) -> tuple[str, bytes] | None:
    """Return the active version of a kind and its artefact; None before the first training.

    For small artefacts: the whole is in memory. Raises DataLoss when it does not match its checksum.
    """
    with database.read() as connection:
        found = active_model(connection, kind)
    return None if found is None else (found.version, b"".join(read_model(database, found)))


def read_model(database: Database, model: ModelVersion) -> Iterator[bytes]:
    """Yield the artefact of a version piece by piece; no more than one is in memory.

    The checksum is known to match only when the last piece has been taken without an error.

    Raises
    ------
    DataLoss
        After the last piece, when the artefact does not match its checksum: pieces are damaged or missing.
    FailedPrecondition
        When the artefact is in an object store and the settings name none.
    Unavailable
        When the database or the object store cannot be reached.
    """
    digest = hashlib.sha256()
    for data in read_artifact(database, model.kind, model.version):
        digest.update(data)
        yield data
    if digest.hexdigest() != model.checksum:
        raise DataLoss(f"{model.kind} model {model.version}: its artefact does not match its checksum")


def prune(database: Database, kind: str, keep: int, spare: Collection[str] = ()) -> int:
    """Delete all but the newest `keep` versions of a kind, the active one and those to `spare`; return their number.

    A version leaves the list first and then its artefact is deleted, piece by piece so that other writers wait only
    for one. What a crash left is deleted by the next call. The space is used again by the next version.
    """
    columns, leaving = model_versions.c, kind + LEAVING
    with database.write() as connection:
        newest = (columns.created_at.desc(), columns.id.desc())
        keys = select(columns.id, columns.version).where(columns.kind == kind).order_by(*newest)
        spared = {family(each) for each in spare}
        old = [key for key, version in connection.execute(keys.offset(keep)) if family(version) not in spared]
        retired = connection.execute(
            model_versions.update().where(columns.id.in_(old), ~columns.active).values(kind=leaving)
        ).rowcount
    _delete_versions(database, columns.kind == leaving)
    return retired


def _store(
    database: Database, kind: str, version: str, file: IO[bytes], metadata: dict[str, Any], created_at: datetime
) -> None:
    """Store a version that is not active."""
    file.seek(0)
    checksum = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # wants the looser protocol
    location = new_location(database, kind, version, checksum)
    row = {
        "kind": kind,
        "version": version,
        "checksum": checksum,
        "size_bytes": file.seek(0, io.SEEK_END),
        "metadata": metadata,
        "created_at": created_at,
        "active": False,
        "location": location,
    }
    with database.write() as connection:
        key = connection.execute(model_versions.insert().values(row).returning(model_versions.c.id)).scalar_one()
    write_artifact(database, key, location, file)


def _delete_versions(database: Database, *conditions: ColumnElement[bool]) -> None:
    with database.read() as connection:
        doomed = connection.execute(select(model_versions.c.id).where(*conditions)).scalars().all()
    for key in doomed:
        _delete(database, key)


def _delete(database: Database, key: int) -> None:
    delete_artifact(database, key)
    with database.write() as connection:
        connection.execute(model_versions.delete().where(model_versions.c.id == key))


def _versions(connection: Connection, kind: str, *conditions: Any) -> Iterator[ModelVersion]:
    columns = model_versions.c
    rows = connection.execute(
        select(
            columns.kind,
            columns.version,
            columns.checksum,
            columns.size_bytes,
            columns.metadata,
            columns.created_at,
            columns.active,
        )
        .where(columns.kind == kind, *conditions)
        .order_by(columns.created_at.desc(), columns.id.desc())
    )
    return (ModelVersion(*row) for row in rows)
