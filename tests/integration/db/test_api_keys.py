"""API keys in the database: both kinds."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.api_keys import ApiKey, Role, digest, generate
from shared.db import api_keys
from shared.db.engine import Database
from shared.errors import FailedPrecondition, NotFound

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def new(name: str = "shop", **facts: object) -> ApiKey:
    presented = generate(Role.BACKEND)
    return ApiKey(presented.key_id, Role.BACKEND, name, digest(presented.secret), NOW, **facts)  # type: ignore[arg-type]


def store(database: Database, *keys: ApiKey) -> None:
    with database.write() as connection:
        for key in keys:
            api_keys.insert(connection, key)


def test_a_key_comes_back_as_it_was_stored(database: Database) -> None:
    key = new(expires_at=NOW + timedelta(days=1), browser=True, origins=("https://a.example",), rate_factor=2.5)
    store(database, key)
    with database.read() as connection:
        assert api_keys.get(connection, key.key_id) == key
        with pytest.raises(NotFound):
            api_keys.get(connection, "none")


def test_a_revoked_key_is_listed_but_not_read_by_the_coordinator(database: Database) -> None:
    kept, gone = new("kept"), new("gone")
    store(database, kept, gone)
    with database.write() as connection:
        assert api_keys.revoke(connection, gone.key_id, NOW).revoked_at == NOW
        assert api_keys.revoke(connection, gone.key_id, NOW + timedelta(days=1)).revoked_at == NOW
    assert api_keys.read_unrevoked(database) == [kept]
    with database.read() as connection:
        assert {key.name for key in api_keys.all_keys(connection)} == {"kept", "gone"}


def test_an_expiry_comes_no_later_than_it_was(database: Database) -> None:
    key, ending = new(), new(expires_at=NOW)
    store(database, key, ending)
    later = NOW + timedelta(days=1)
    with database.write() as connection:
        assert api_keys.expire(connection, key.key_id, later).expires_at == later
        assert api_keys.expire(connection, ending.key_id, later).expires_at == NOW


def test_use_is_noted(database: Database) -> None:
    used, idle = new(), new()
    store(database, used, idle)
    api_keys.note_keys_used(database, {used.key_id})
    found = {key.key_id: key.last_used_at for key in api_keys.read_unrevoked(database)}
    assert found[used.key_id]
    assert found[idle.key_id] is None


def test_keys_have_an_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "MOST_KEYS", 1)
    store(database, new())
    with pytest.raises(FailedPrecondition, match="revoke"):
        store(database, new())
