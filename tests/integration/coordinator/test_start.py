"""What a coordinator does by itself once it is started: nobody asks it for any of this."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from quintet.type.v1.event_pb2 import Event, ProductView

from services.coordinator import schedule
from services.coordinator.agent import Coordinator
from services.coordinator.agent_clients import AgentClients
from services.coordinator.event_validation import submit_event
from shared.config import AGENTS, Settings
from shared.db import event_log
from shared.db.engine import Database
from shared.monitoring.monitor import monitored
from shared.telemetry import DATABASE_ANSWERS
from tests.support.events import rows
from tests.support.shop import add_customers, add_products


@pytest.fixture
async def coordinator(sqlite_database: Database) -> AsyncIterator[Coordinator]:
    addresses = {f"{agent}_address": "127.0.0.1:1" for agent in AGENTS}
    settings = Settings(_env_file=None, database_url=sqlite_database.url, **addresses)  # type: ignore[arg-type]
    DATABASE_ANSWERS.set(-1)
    coordinator = Coordinator(settings, sqlite_database, AgentClients(settings))
    await coordinator.start()
    yield coordinator
    await coordinator.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def test_events_are_joined(coordinator: Coordinator, sqlite_database: Database) -> None:
    add_customers(sqlite_database, "ann")
    event = Event(event_id="e", customer_id="ann", product_view=ProductView(product_id="tea"))
    [outcome] = await coordinator.record([submit_event(event)])
    assert outcome.unjoined
    add_products(sqlite_database, "tea")

    def joined() -> bool:
        with sqlite_database.read() as connection:
            return event_log.last_sequence(connection) == 1

    await until(joined)


async def test_the_clock_is_looked_at(coordinator: Coordinator, sqlite_database: Database) -> None:
    await until(lambda: schedule.LEASE in {row["name"] for row in rows(sqlite_database, "leases") if row["holder"]})


async def test_the_state_is_looked_at(coordinator: Coordinator) -> None:
    await until(lambda: DATABASE_ANSWERS._value.get() == 1)


async def test_an_agent_samples_its_performance_while_it_serves(sqlite_database: Database) -> None:
    settings = Settings(_env_file=None, monitor_seconds=0.01)
    async with monitored(settings, "product", sqlite_database):
        await until(lambda: bool(rows(sqlite_database, "agent_samples")))
