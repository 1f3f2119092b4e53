"""Two processes of every agent on one PostgreSQL, some of which are killed: nothing is lost, doubled or late."""

import random
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from shared.config import AGENTS
from shared.db import event_log
from shared.db.engine import Connection, Database
from shared.db.outcomes import RULE
from shared.db.schema import (
    browsing_history,
    cart_items,
    customers,
    purchases,
    recommendation_outcomes,
    visitors,
)
from tests.support.replicas import Replicas, running_replicas
from tests.support.shop import add_customers, add_products
from tests.support.shoppers import PATIENCE_SECONDS, Done, Shoppers
from tests.support.under_fire import wait_applied

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
SEED = 5
ROUNDS_BETWEEN = 6
CUSTOMERS = [f"shopper-{number}" for number in range(40)]
PRODUCTS = [f"product-{number}" for number in range(60)]


@pytest.mark.parametrize("partitions", [1, 4])
def test_nothing_is_lost_doubled_or_late_while_replicas_are_killed(
    postgres_database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], partitions: int
) -> None:
    add_customers(postgres_database, *CUSTOMERS)
    add_products(postgres_database, *PRODUCTS)
    url = postgres_database.url
    with running_replicas(url, tmp_path, drain_seconds=2, projection_partitions=partitions) as replicas:
        done = kill_some(replicas)
        wait_applied(postgres_database)
        wait_credited(postgres_database, done)
    with capsys.disabled():
        print(f"\n{done.summary()}")
    check_stored(done, postgres_database)
    assert done.stale == []
    assert [call for call in done.failed if call.startswith("GetRecommendations")] == []


def kill_some(replicas: Replicas) -> Done:
    """Have shoppers act, kill one process of each agent meanwhile, and return what they did."""
    chance = random.Random(SEED)
    with Shoppers(replicas.target, CUSTOMERS) as shoppers:
        for agent in chance.sample(AGENTS, len(AGENTS)):
            shoppers.wait_for_rounds(ROUNDS_BETWEEN)
            victim = chance.choice(replicas.of(agent))
            victim.kill()
            shoppers.wait_for_rounds(ROUNDS_BETWEEN)
            victim.start()
        shoppers.wait_for_rounds(ROUNDS_BETWEEN)
    assert shoppers.errors == []
    return shoppers.done


def check_stored(done: Done, database: Database) -> None:
    """Compare what is stored with what was acknowledged."""
    with database.read() as connection:
        logged = [each.event_id for each in event_log.read_after(connection, 0, 1_000_000)]
        assert sorted(logged) == sorted(done.events), "acknowledged is stored, once"
        assert counts(connection) == (done.views, done.carts, len(done.bought)), "and projected once"
        assert refunded(connection) == done.refunded
        assert owners(connection) == done.merged
        credited = [(order, rule) for order, _, rule in credits_of(connection)]
        assert len(set(credited)) == len(credited), "credited once, by each rule"
        assert {order for order, kind, _ in credits_of(connection) if kind == "refunded"} <= done.refunded


def wait_credited(database: Database, done: Done) -> None:
    """Wait until each order is credited whose recommendation was logged."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        with database.read() as connection:
            missing = done.bought - done.unlogged - {order for order, _, _ in credits_of(connection)}
        if not missing:
            return
        assert time.monotonic() < until, f"not credited: {sorted(missing)}"
        time.sleep(0.1)


def credits_of(connection: Connection) -> list[tuple[str, str, str]]:
    """Return order, kind and rule of each credit."""
    columns = recommendation_outcomes.c
    query = select(columns.purchase_id, columns.kind, RULE).where(columns.purchase_id.is_not(None))
    return [(order, kind, rule) for order, kind, rule in connection.execute(query)]


def refunded(connection: Connection) -> set[str]:
    """Return the orders that were paid back once and in full."""
    back = select(purchases.c.external_id).where(purchases.c.refunded_amount == purchases.c.total_amount)
    return set(connection.execute(back).scalars())


def owners(connection: Connection) -> dict[str, str]:
    """Return the customer of each visitor."""
    query = select(visitors.c.visitor_id, customers.c.external_id).join_from(visitors, customers)
    return dict(connection.execute(query).all())


def counts(connection: Connection) -> tuple[int, ...]:
    """Return how many views, additions to carts and orders there are."""
    tables = (browsing_history, cart_items, purchases)
    return tuple(connection.scalar(select(func.count()).select_from(each)) or 0 for each in tables)
