"""`quintet keys`: API keys of the coordinator's callers."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cli.output import out, print_json, reported
from shared.api_keys import ApiKey, PresentedKey, Role, check_new_key, digest, generate
from shared.config import Settings
from shared.db import api_keys
from shared.db.engine import Connection, Database
from shared.errors import FailedPrecondition

keys = typer.Typer(help="Make, list, revoke and rotate API keys.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
KeyId = Annotated[str, typer.Argument(help="Id of the key, as `quintet keys list` shows it.")]
ToFile = Annotated[Path | None, typer.Option("--file", help="Write the key there, readable by its owner alone.")]


@keys.command()
def create(
    name: Annotated[str, typer.Option(help="What to call it, such as the system that uses it.")],
    role: Annotated[Role, typer.Option(help="What it may be used for.")],
    browser: Annotated[bool, typer.Option("--browser", help="For pages in browsers: it is public.")] = False,
    origin: Annotated[list[str] | None, typer.Option(help="Origin of those pages; may be repeated.")] = None,
    expires_days: Annotated[float, typer.Option(min=0, help="Days until it expires; 0 is never.")] = 0,
    rate_factor: Annotated[float, typer.Option(help="Multiplies how often it may call.")] = 1.0,
    file: ToFile = None,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Do nothing where the file is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a key and show it, once: only a digest of its secret is stored.

    Example: `quintet keys create --name checkout --role backend`
    """
    if if_missing and file is not None and file.exists():
        return
    origins = tuple(origin or ())
    expires = datetime.now(UTC) + timedelta(days=expires_days) if expires_days else None
    with reported():
        check_new_key(name, role, browser, origins, rate_factor)
        made = ApiKey("", role, name, b"", datetime.now(UTC), expires, None, None, browser, origins, rate_factor)
        with _transaction() as connection:
            presented = _store(connection, made)
        _show(presented, file, as_json)


@keys.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List all keys, revoked ones too. Nothing of a secret is shown.

    Example: `quintet keys list`
    """
    with reported(), _transaction() as connection:
        found = api_keys.all_keys(connection)
    if as_json:
        print_json({"keys": [_as_json(key) for key in found]})
    else:
        out.print(_table(found))


@keys.command()
def revoke(key_id: KeyId, as_json: AsJson = False) -> None:
    """Revoke a key: the coordinator refuses it within five seconds. Safe to repeat.

    Example: `quintet keys revoke 4be0643f1d98`
    """
    with reported(), _transaction() as connection:
        revoked = api_keys.revoke(connection, key_id, datetime.now(UTC))
    if as_json:
        print_json(_as_json(revoked))
    else:
        out.print(f"{revoked.key_id} ({revoked.name}) is revoked", highlight=False)


@keys.command()
def rotate(
    key_id: KeyId,
    overlap_hours: Annotated[float, typer.Option(min=0, help="Hours that the old key stays valid.")] = 24,
    file: ToFile = None,
    as_json: AsJson = False,
) -> None:
    """Make another key like an old one and show it, once; the old one stays valid for a day.

    Example: `quintet keys rotate 4be0643f1d98 --overlap-hours 1`
    """
    now = datetime.now(UTC)
    with reported():
        with _transaction() as connection:
            old = api_keys.get(connection, key_id)
            if not old.live(now):
                raise FailedPrecondition(f"{key_id} was revoked or has expired: make a new key")
            api_keys.expire(connection, key_id, now + timedelta(hours=overlap_hours))
            presented = _store(connection, replace(old, created_at=now, expires_at=None, last_used_at=None))
        _show(presented, file, as_json)


@contextlib.contextmanager
def _transaction() -> Iterator[Connection]:
    database = Database(Settings().database_url)
    try:
        with database.write() as connection:
            yield connection
    finally:
        database.close()


def _store(connection: Connection, like: ApiKey) -> PresentedKey:
    presented = generate(like.role)
    api_keys.insert(connection, replace(like, key_id=presented.key_id, digest=digest(presented.secret)))
    return presented


def _show(presented: PresentedKey, file: Path | None, as_json: bool) -> None:
    if file is not None:
        _write_private(file, f"{presented}\n")
    if as_json:
        told = {"file": str(file)} if file else {"key": str(presented)}
        print_json({"key_id": presented.key_id, "role": presented.role, **told})
    elif file is not None:
        out.print(f"{presented.key_id} is in {file}", highlight=False)
    else:
        out.print(str(presented), highlight=False, soft_wrap=True)
        out.print("This is shown once. Keep it where secrets are kept.", highlight=False)


def _write_private(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)


def _as_json(key: ApiKey) -> dict[str, Any]:
    state = {name: value for name, value in vars(key).items() if name != "digest"}
    return {**state, "origins": list(key.origins), "live": key.live(datetime.now(UTC))}


def _table(found: list[ApiKey]) -> Table:
    table = Table("id", "role", "name", "state", "made", "expires", "last used")
    now = datetime.now(UTC)
    for key in found:
        state = "[green]live[/]" if key.live(now) else "[red]revoked[/]" if key.revoked_at else "[red]expired[/]"
        role = f"{key.role.value}, browser" if key.browser else key.role.value
        table.add_row(key.key_id, role, key.name, state, *map(_day, (key.created_at, key.expires_at, key.last_used_at)))
    return table


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "–"
