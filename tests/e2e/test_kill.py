"""Each agent is killed with SIGKILL while events are sent: what was acknowledged is stored, once, and all heals."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from shared.config import AGENTS
from shared.db import event_log
from shared.db.engine import Database
from shared.db.schema import browsing_history, cart_items, purchases
from shared.db.schema import event_log as log_table
from tests.support.cluster import Cluster, running_cluster
from tests.support.shop import add_customers, add_products
from tests.support.under_fire import PATIENCE_SECONDS, Senders, Traffic, seconds_until_whole

EVENTS = 2_000
CUSTOMERS = [f"c{number}" for number in range(20)]
PRODUCTS = [f"p{number}" for number in range(30)]
TRAFFIC = Traffic(EVENTS, CUSTOMERS, PRODUCTS)


@pytest.fixture
def cluster(sqlite_database: Database) -> Iterator[Cluster]:
    add_customers(sqlite_database, *CUSTOMERS)
    add_products(sqlite_database, *PRODUCTS)
    with running_cluster(sqlite_database.url, apply_timeout_seconds=0.5) as cluster:
        yield cluster


def wait_applied(database: Database) -> None:
    """Wait until both followers have applied the whole log."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        with database.read() as connection:
            last = event_log.last_sequence(connection)
            behind = [name for name in ("customer", "feedback") if event_log.cursor(connection, name) < last]
        if not behind:
            return
        assert time.monotonic() < until, f"{behind} did not catch up"
        time.sleep(0.05)


def test_nothing_acknowledged_is_lost_or_doubled(
    cluster: Cluster, sqlite_database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    senders = Senders(cluster.address, TRAFFIC)
    started = time.monotonic()
    senders.start()
    healed: dict[str, float] = {}
    for place, agent in enumerate(AGENTS, 1):
        senders.wait_for(place * EVENTS // (len(AGENTS) + 1))
        before = cluster.restarts(agent)
        cluster.kill(agent)
        healed[agent] = seconds_until_whole(cluster.address, TRAFFIC, agent)
        assert cluster.restarts(agent) == before + 1
    senders.join()
    seconds = time.monotonic() - started
    assert senders.errors == []
    wait_applied(sqlite_database)

    expected = TRAFFIC.ids()
    assert set(senders.acknowledged) == expected
    with sqlite_database.read() as connection:
        stored = connection.execute(select(log_table.c.event_id).where(log_table.c.event_id.like("e%"))).scalars().all()
        counts = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (browsing_history, cart_items, purchases)
        }
    assert sorted(stored) == sorted(expected)
    assert counts == TRAFFIC.rows()
    with capsys.disabled():
        times = ", ".join(f"{agent} {took:.2f} s" for agent, took in healed.items())
        print(
            f"\n{EVENTS} events acknowledged = {len(stored)} stored in {seconds:.1f} s, {senders.again} sent again; "
            f"whole again after the kill of: {times}"
        )
