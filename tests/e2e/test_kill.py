"""Each agent is killed with SIGKILL while events are sent: what was acknowledged is stored, once, and all heals."""

from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from shared.db.engine import Database
from shared.db.schema import browsing_history, cart_items, purchases
from tests.support.cluster import Cluster, running_cluster
from tests.support.shop import add_customers, add_products
from tests.support.under_fire import Traffic, kill_each_agent

EVENTS = 2_000
CUSTOMERS = [f"c{number}" for number in range(20)]
PRODUCTS = [f"p{number}" for number in range(30)]
WHOLE_SECONDS = 30.0
"""From a kill until all is served again, however busy the machine; 5 s are enough for a quiet one."""
TRAFFIC = Traffic(EVENTS, CUSTOMERS, PRODUCTS)


@pytest.fixture
def cluster(sqlite_database: Database) -> Iterator[Cluster]:
    add_customers(sqlite_database, *CUSTOMERS)
    add_products(sqlite_database, *PRODUCTS)
    with running_cluster(sqlite_database.url, apply_timeout_seconds=0.5) as cluster:
        yield cluster


def test_nothing_acknowledged_is_lost_or_doubled(
    cluster: Cluster, sqlite_database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    survived = kill_each_agent(cluster, sqlite_database, TRAFFIC)

    expected = TRAFFIC.ids()
    assert set(survived.acknowledged) == expected
    with sqlite_database.read() as connection:
        counts = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (browsing_history, cart_items, purchases)
        }
    assert sorted(survived.stored) == sorted(expected)
    assert counts == TRAFFIC.rows()
    assert max(survived.healed.values()) < WHOLE_SECONDS, survived.healed
    with capsys.disabled():
        times = ", ".join(f"{agent} {took:.2f} s" for agent, took in survived.healed.items())
        print(
            f"\n{EVENTS} events acknowledged = {len(survived.stored)} stored in {survived.seconds:.1f} s, "
            f"{survived.again} sent again; whole again after the kill of: {times}"
        )
