"""Whatever PostgreSQL does, a call of the database ends within a bound, and the next works when the server is back."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast

import psycopg
import pytest
from sqlalchemy import Connection, make_url, text

from shared.config import Settings
from shared.db import postgres
from shared.db.connect import job_limits, require_durable, serving_limits
from shared.db.engine import Database
from shared.db.limits import Limits
from shared.errors import FailedPrecondition, Unavailable
from tests.support.postgres import find_binaries, restartable_server
from tests.support.proxy import Proxy, proxy_to

pytestmark = pytest.mark.postgres
IMPATIENT = Limits(connect_seconds=2, lock_seconds=0.2, statement_seconds=0.5, idle_seconds=0.2, pool_seconds=0.2)
BOUND_SECONDS = 4.0
"""The longest bound of `IMPATIENT` with the margin of these tests, and time for a busy machine."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "ANSWER_MARGIN_SECONDS", 0.5)
    monkeypatch.setattr(postgres, "PING_SECONDS", 0.5)


@pytest.fixture
def proxy(postgres_database: Database) -> Iterator[Proxy]:
    port = make_url(postgres_database.url).port
    assert port is not None
    with proxy_to(port) as silent:
        yield silent


@pytest.fixture
def behind_proxy(postgres_database: Database, proxy: Proxy) -> Iterator[Database]:
    url = make_url(postgres_database.url).set(port=proxy.port).render_as_string(hide_password=False)
    database = Database(url, IMPATIENT)
    yield database
    proxy.speak()
    database.close()


def ask(database: Database, statement: str = "SELECT 1") -> object:
    with database.read() as connection:
        return connection.execute(text(statement)).scalar_one()


def by_read(database: Database) -> None:
    ask(database)


def by_write(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("SELECT 1"))


def by_cursor(database: Database) -> None:
    with database.cursor() as cursor:
        cursor._cursor.execute("SELECT 1")


@pytest.mark.parametrize("call", [by_read, by_write, by_cursor])
@pytest.mark.parametrize("idle", [False, True])
def test_a_server_that_falls_silent_is_unavailable_within_a_bound(
    behind_proxy: Database,
    proxy: Proxy,
    call: Callable[[Database], None],
    idle: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgres, "FRESH_SECONDS", -1.0 if idle else 60.0)
    call(behind_proxy)
    proxy.silence()
    started = time.monotonic()
    with pytest.raises(Unavailable):
        call(behind_proxy)
    assert time.monotonic() - started < BOUND_SECONDS
    proxy.speak()
    call(behind_proxy)


def test_threads_beyond_the_pool_are_refused_and_none_hangs(behind_proxy: Database, proxy: Proxy) -> None:
    ask(behind_proxy)
    proxy.silence()
    with ThreadPoolExecutor(48) as threads:
        started = time.monotonic()
        errors = [one.exception(timeout=30) for one in [threads.submit(ask, behind_proxy) for _ in range(48)]]
    assert {type(error) for error in errors} == {Unavailable}
    assert time.monotonic() - started < 3 * BOUND_SECONDS


def hold(connection: Connection) -> None:
    connection.execute(text("LOCK TABLE customers"))


def test_each_wait_on_the_server_has_a_bound(postgres_database: Database) -> None:
    database = Database(postgres_database.url, IMPATIENT)
    with postgres_database.write() as holder:
        hold(holder)
        with pytest.raises(Unavailable):
            ask(database, "SELECT count(*) FROM customers")
    with pytest.raises(Unavailable):
        ask(database, "SELECT 1 FROM pg_sleep(10)")
    with pytest.raises(Unavailable), database.read() as connection:  # noqa: PT012
        connection.execute(text("SELECT 1"))
        until = time.monotonic() + BOUND_SECONDS
        while time.monotonic() < until:
            time.sleep(0.3)  # the transaction rests, which is what is tested
            connection.execute(text("SELECT 1"))
    assert ask(database) == 1
    database.close()


def test_a_machine_that_is_gone_is_noticed_by_tcp(postgres_database: Database) -> None:
    """No answer to two questions of the idle connection, each `connect_seconds` apart, or to what was sent, ends it."""
    database = Database(postgres_database.url, IMPATIENT)
    with database.read() as connection:
        driver = cast(psycopg.Connection, connection.connection.driver_connection)
        found = driver.info.get_parameters()
    database.close()
    assert found["keepalives"] == "1"
    assert (found["keepalives_idle"], found["keepalives_interval"], found["keepalives_count"]) == ("2", "2", "2")
    assert found["tcp_user_timeout"] == "6000"
    assert found["connect_timeout"] == "2"


def test_a_url_may_set_its_own_keepalive(postgres_database: Database) -> None:
    url = make_url(postgres_database.url).update_query_dict({"keepalives_idle": "30"})
    database = Database(url.render_as_string(hide_password=False), IMPATIENT)
    with database.read() as connection:
        driver = cast(psycopg.Connection, connection.connection.driver_connection)
        assert driver.info.get_parameters()["keepalives_idle"] == "30"
    database.close()


def test_agents_are_whole_within_five_seconds_of_a_restart() -> None:
    binaries = find_binaries()
    if binaries is None:
        pytest.fail("no PostgreSQL") if os.environ.get("CI") else pytest.skip("no PostgreSQL")
    with restartable_server(binaries) as server:
        database = Database(server.url, IMPATIENT)
        assert ask(database) == 1
        server.stop()
        with pytest.raises(Unavailable):
            ask(database)
        server.start()
        started = time.monotonic()
        while not answers(database):
            assert time.monotonic() - started < 5
        database.close()


def answers(database: Database) -> bool:
    try:
        return ask(database) == 1
    except Unavailable:
        return False


@pytest.mark.parametrize("default", ["ROLE quintet", "DATABASE {name}"])
def test_commits_are_durable_whatever_the_defaults_are(postgres_database: Database, default: str) -> None:
    name = make_url(postgres_database.url).database
    alter = f"ALTER {default.format(name=name)}"
    with postgres_database.write() as connection:
        connection.execute(text(f"{alter} SET synchronous_commit = off"))
    try:
        database = Database(postgres_database.url)
        require_durable(database)
        assert ask(database, "SHOW synchronous_commit") == "on"
        database.close()
    finally:
        with postgres_database.write() as connection:
            connection.execute(text(f"{alter} RESET synchronous_commit"))


def test_a_url_that_makes_commits_less_durable_is_refused(postgres_database: Database) -> None:
    url = make_url(postgres_database.url).update_query_dict({"options": "-c synchronous_commit=off"})
    database = Database(url.render_as_string(hide_password=False))
    with pytest.raises(FailedPrecondition, match="synchronous_commit is off"):
        require_durable(database)
    assert ask(database, "SHOW lock_timeout") == "15s", "the other bounds hold all the same"
    database.close()


def test_a_read_cannot_write(postgres_database: Database) -> None:
    with pytest.raises(Exception, match="read-only transaction"), postgres_database.read() as connection:
        connection.execute(text("CREATE TABLE other (id int)"))


def test_jobs_have_time_of_their_own() -> None:
    settings = Settings(database_statement_timeout_seconds=7, database_job_timeout_seconds=70)
    assert serving_limits(settings).statement_seconds == 7
    assert job_limits(settings) == replace(serving_limits(settings), statement_seconds=70, idle_seconds=70)
