"""Versions of trained models: artefacts in the database, so that every replica of an agent finds them.

Kinds are `recommender` (recommendation agent), `embedding_space` (product agent) and `segments` (customer agent). One
version of a kind is active; the older ones stay for the way back.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from shared.db.engine import Database
from shared.db.schema import model_chunks, model_versions
from shared.errors import DataLoss, NotFound

CHUNK_BYTES = 4 * 1024 * 1024


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
    """Store an artefact in chunks, one short transaction each, and make it the active version of its kind.

    Until the last transaction the version before stays active, so a crash leaves nothing half-active.
    """
    with database.write() as connection:
        row = {
            "kind": kind,
            "version": version,
            "checksum": hashlib.sha256(payload).hexdigest(),
            "size_bytes": len(payload),
            "metadata": metadata,
            "created_at": datetime.now(UTC),
            "active": False,
        }
        key = connection.execute(model_versions.insert().values(row).returning(model_versions.c.id)).scalar_one()
    for number, start in enumerate(range(0, len(payload), CHUNK_BYTES)):
        with database.write() as connection:
            chunk = {"model_version_id": key, "chunk": number, "data": payload[start : start + CHUNK_BYTES]}
            connection.execute(model_chunks.insert().values(chunk))
    return activate(database, kind, version)


def activate(database: Database, kind: str, version: str) -> ModelVersion:
    """Make `version` the active one of its kind. Raises NotFound for an unknown version."""
    columns = model_versions.c
    with database.write() as connection:
        known = connection.execute(
            select(columns.id).where(columns.kind == kind, columns.version == version)
        ).scalar_one_or_none()
        if known is None:
            raise NotFound.of(f"{kind} model version", version, "version")
        connection.execute(model_versions.update().where(columns.kind == kind, columns.active).values(active=False))
        connection.execute(model_versions.update().where(columns.id == known).values(active=True))
        return next(_versions(connection, kind, columns.id == known))


def list_versions(connection: Connection, kind: str) -> list[ModelVersion]:
    """Return the versions of a kind, newest first; `[]` before the first training."""
    return list(_versions(connection, kind))


def active_version(connection: Connection, kind: str) -> str | None:
    """Return the active version of a kind; None before the first training. Cheap enough to ask on every request."""
    columns = model_versions.c
    return connection.execute(select(columns.version).where(columns.kind == kind, columns.active)).scalar_one_or_none()


def load_active(database: Database, kind: str) -> tuple[str, bytes] | None:
    """Return the active version of a kind and its artefact; None before the first training.

    Raises DataLoss when the artefact does not match its checksum.
    """
    columns = model_versions.c
    with database.read() as connection:
        found = connection.execute(
            select(columns.id, columns.version, columns.checksum).where(columns.kind == kind, columns.active)
        ).one_or_none()
        if found is None:
            return None
        chunks = connection.execute(
            select(model_chunks.c.data)
            .where(model_chunks.c.model_version_id == found.id)
            .order_by(model_chunks.c.chunk)
        ).scalars()
        payload = b"".join(chunks)
    if hashlib.sha256(payload).hexdigest() != found.checksum:
        raise DataLoss(f"{kind} model {found.version}: its artefact does not match its checksum")
    return found.version, payload


def prune(database: Database, kind: str, keep: int) -> int:
    """Delete all but the newest `keep` versions of a kind and the active one; return how many were deleted."""
    columns = model_versions.c
    with database.read() as connection:
        keys = select(columns.id).where(columns.kind == kind).order_by(columns.created_at.desc(), columns.id.desc())
        old = connection.execute(keys.offset(keep)).scalars().all()
    with database.write() as connection:
        removable = select(columns.id).where(columns.id.in_(old), ~columns.active)
        doomed = connection.execute(removable).scalars().all()
        connection.execute(model_chunks.delete().where(model_chunks.c.model_version_id.in_(doomed)))
        connection.execute(model_versions.delete().where(columns.id.in_(doomed)))
    return len(doomed)


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
