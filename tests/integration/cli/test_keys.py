"""`quintet keys` on a database."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from shared.api_keys import PresentedKey
from shared.db import api_keys
from shared.db.engine import Database


@pytest.fixture(autouse=True)
def settings(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUINTET_DATABASE_URL", sqlite_database.url)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments], env={"COLUMNS": "200"})


def told(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def parsed(text: str) -> PresentedKey:
    key = PresentedKey.parse(text.strip())
    assert key is not None
    return key


def test_a_secret_is_shown_once_and_not_kept(sqlite_database: Database) -> None:
    made = told("create", "--name", "checkout", "--role", "backend")
    key = parsed(made["key"])
    [stored] = api_keys.read_unrevoked(sqlite_database)
    assert stored.matches(key.secret)
    assert stored.key_id == made["key_id"] == key.key_id
    for output in (run("list").output, json.dumps(told("list"))):
        assert key.key_id in output
        assert key.secret not in output
        assert stored.digest.hex() not in output
    assert sqlite_database.file is not None
    assert key.secret.encode() not in sqlite_database.file.read_bytes()


def test_a_key_in_a_file_is_its_owners_and_is_made_once(tmp_path: Path) -> None:
    file = tmp_path / "key"
    create = ("create", "--name", "n", "--role", "admin", "--file", str(file), "--if-missing")
    assert file.name in run(*create).output
    before = file.read_text()
    assert parsed(before).role == "admin"
    assert file.stat().st_mode & 0o777 == 0o600
    assert run(*create).output == ""
    assert file.read_text() == before
    assert len(told("list")["keys"]) == 1


def test_revoking_ends_a_key(sqlite_database: Database) -> None:
    made = told("create", "--name", "n", "--role", "admin")
    assert not told("revoke", made["key_id"])["live"]
    assert api_keys.read_unrevoked(sqlite_database) == []
    assert "revoked" in run("list").output
    assert run("revoke", "unknown").exit_code == 1
    assert run("rotate", made["key_id"]).exit_code == 1


def test_rotating_makes_a_like_key_and_lets_the_old_one_expire(sqlite_database: Database) -> None:
    origin = ("--browser", "--origin", "https://shop.example")
    old = told("create", "--name", "pages", "--role", "storefront", "--rate-factor", "2", *origin)
    new = told("rotate", old["key_id"], "--overlap-hours", "1")
    keys = {key.key_id: key for key in api_keys.read_unrevoked(sqlite_database)}
    first, second = keys[old["key_id"]], keys[new["key_id"]]
    assert second.matches(parsed(new["key"]).secret)
    for fact in ("role", "name", "browser", "origins", "rate_factor"):
        assert getattr(first, fact) == getattr(second, fact)
    assert first.expires_at is not None
    assert second.expires_at is None
    assert all(key["live"] for key in told("list")["keys"])


def test_without_overlap_the_old_key_ends_at_once() -> None:
    old = told("create", "--name", "n", "--role", "admin", "--expires-days", "3")
    told("rotate", old["key_id"], "--overlap-hours", "0")
    live = {key["key_id"]: key["live"] for key in told("list")["keys"]}
    assert not live.pop(old["key_id"])
    assert list(live.values()) == [True]


def test_what_makes_no_sense_is_refused() -> None:
    result = run("create", "--name", "n", "--role", "admin", "--browser")
    assert result.exit_code == 1
    assert "origins" in result.output
