"""API keys: made, listed and revoked by the operator; read by the coordinator."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, select

from shared.api_keys import ApiKey, Role
from shared.db.engine import Database
from shared.db.schema import api_keys
from shared.errors import FailedPrecondition, NotFound

MOST_KEYS = 1_000
"""Keys that are not revoked, at most: the coordinator has all of them in memory."""


def insert(connection: Connection, key: ApiKey) -> None:
    """Store a new key. Raises FailedPrecondition when there are too many."""
    unrevoked = select(func.count()).where(api_keys.c.revoked_at.is_(None))
    if connection.execute(unrevoked).scalar_one() >= MOST_KEYS:
        raise FailedPrecondition(f"there are {MOST_KEYS} API keys: revoke some first")
    connection.execute(api_keys.insert().values(_row(key)))


def get(connection: Connection, key_id: str) -> ApiKey:
    """Return the key with this id, revoked or not. Raises NotFound."""
    found = connection.execute(select(api_keys).where(api_keys.c.key_id == key_id)).one_or_none()
    if found is None:
        raise NotFound.of("API key", key_id, "key_id")
    return _key(found)


def all_keys(connection: Connection) -> list[ApiKey]:
    """Return all keys, revoked ones too, oldest first."""
    rows = connection.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id))
    return [_key(row) for row in rows]


def read_unrevoked(database: Database) -> list[ApiKey]:
    """Return the keys that were not revoked, at most as many as there may be. Raises Unavailable."""
    query = select(api_keys).where(api_keys.c.revoked_at.is_(None)).order_by(api_keys.c.key_id).limit(MOST_KEYS)
    with database.read() as connection:
        return [_key(row) for row in connection.execute(query)]


def revoke(connection: Connection, key_id: str, now: datetime) -> ApiKey:
    """Revoke a key and return it; a revoked one keeps its time. Raises NotFound."""
    mine = api_keys.c.key_id == key_id
    connection.execute(api_keys.update().where(mine, api_keys.c.revoked_at.is_(None)).values(revoked_at=now))
    return get(connection, key_id)


def expire(connection: Connection, key_id: str, moment: datetime) -> ApiKey:
    """Have a key expire at `moment`, unless it does so earlier, and return it. Raises NotFound."""
    later = api_keys.c.expires_at.is_(None) | (api_keys.c.expires_at > moment)
    connection.execute(api_keys.update().where(api_keys.c.key_id == key_id, later).values(expires_at=moment))
    return get(connection, key_id)


def note_keys_used(database: Database, key_ids: Collection[str]) -> None:
    """Note that keys were used just now. Raises Unavailable."""
    used = api_keys.update().where(api_keys.c.key_id.in_(sorted(key_ids)))
    with database.write() as connection:
        connection.execute(used.values(last_used_at=datetime.now(UTC)))


def _row(key: ApiKey) -> dict[str, Any]:
    return {**vars(key), "role": key.role.value, "origins": list(key.origins)}


def _key(row: Any) -> ApiKey:
    values = row._asdict()
    return ApiKey(**{**values, "role": Role(values["role"]), "origins": tuple(values["origins"])})
