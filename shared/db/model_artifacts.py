"""Bytes of a stored model: rows of the database, or an object of the store that the settings name.

A row of `model_versions` says where the bytes of its version are, so both are read side by side and a change of the
setting counts for what is stored from then on.
"""

from collections.abc import Iterator
from typing import IO

from sqlalchemy import Connection, select

from shared.db.engine import Database
from shared.db.schema import model_chunks, model_versions
from shared.errors import FailedPrecondition
from shared.object_store import ObjectStore

CHUNK_BYTES = 1024 * 1024
"""Bytes of a row: what a transaction writes, and what a reader has in memory besides the artefact."""


def new_location(database: Database, kind: str, version: str, checksum: str) -> str | None:
    """Return where a new artefact goes: the address of an object, or None for the database."""
    store = database.model_store
    return None if store is None else store.address_of(f"{kind}/{version}-{checksum[:16]}")


def write_artifact(database: Database, key: int, location: str | None, file: IO[bytes]) -> None:
    """Store a seekable file as the artefact of the version `key`: an object, or chunks of one short transaction each.

    Raises Unavailable.
    """
    file.seek(0)
    if location is not None:
        _store_of(database).write(location, file)
        return
    for number, data in enumerate(iter(lambda: file.read(CHUNK_BYTES), b"")):
        with database.write() as connection:
            connection.execute(model_chunks.insert().values(model_version_id=key, chunk=number, data=data))


def read_artifact(database: Database, kind: str, version: str) -> Iterator[bytes]:
    """Yield the artefact of a version piece by piece; nothing for an unknown one.

    Raises DataLoss when its object is gone, FailedPrecondition when it needs an object store and there is none in the
    settings, Unavailable.
    """
    columns = model_versions.c
    wanted = select(columns.id, columns.location).where(columns.kind == kind, columns.version == version)
    with database.read() as connection:
        found = connection.execute(wanted).one_or_none()
        if found is None:
            return
        if found.location is None:
            yield from _chunks(connection, found.id)
            return
    yield from _store_of(database).read(found.location)


def delete_artifact(database: Database, key: int) -> None:
    """Delete the bytes of the version `key`, one transaction a chunk. Safe to repeat. Raises as `read_artifact`."""
    columns, chunks = model_versions.c, model_chunks.c
    with database.read() as connection:
        location = connection.execute(select(columns.location).where(columns.id == key)).scalar_one_or_none()
        numbers = connection.execute(select(chunks.chunk).where(chunks.model_version_id == key)).scalars().all()
    if location is not None:
        _store_of(database).delete(location)
    for number in numbers:
        with database.write() as connection:
            connection.execute(model_chunks.delete().where(chunks.model_version_id == key, chunks.chunk == number))


def _store_of(database: Database) -> ObjectStore:
    if database.model_store is None:
        raise FailedPrecondition("a stored model is in an object store: set QUINTET_MODEL_STORE")
    return database.model_store


def _chunks(connection: Connection, key: int) -> Iterator[bytes]:
    """Yield the chunks of a version, each read by a statement of its own: drivers read whole results into memory."""
    columns = model_chunks.c
    statement = select(columns.data).where(columns.model_version_id == key)
    number = 0
    while (data := connection.execute(statement.where(columns.chunk == number)).scalar_one_or_none()) is not None:
        yield data
        number += 1
