"""What the jobs do that delete recorded events and make the tables of agents anew from the event log."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from time import monotonic
from typing import Any

from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb

from services.coordinator.agent_clients import AgentClients
from shared.config import Settings
from shared.db import response_pieces
from shared.db.connect import job_database
from shared.db.engine import Database
from shared.db.event_filter import EventFilter
from shared.db.event_log import CUSTOMER_CONSUMER, FEEDBACK_CONSUMER
from shared.db.purge import EventPurge
from shared.db.rebuild import rebuild_customers
from shared.job_messages import to_progress
from shared.jobs import Progress
from shared.rpc.generators import in_threads

FOUND, DELETED = 0.3, 0.6
"""Where in the progress of a purge all is found, and all is deleted."""


async def purge_events(
    settings: Settings, agents: AgentClients, wanted: EventFilter, *, dry_run: bool
) -> AsyncGenerator[Progress, None]:
    """Delete events and make anew what was made of them; with `dry_run` only say which they are."""
    database = await asyncio.to_thread(job_database, settings)
    try:
        purge = EventPurge(database, wanted)
        async for share in _steps(purge.find()):
            yield Progress("looking for the events", FOUND * share)
        rebuilt = False
        if not dry_run:
            await asyncio.to_thread(purge.require_possible)
            async for share in _steps(purge.delete()):
                yield Progress("deleting the events", FOUND + (DELETED - FOUND) * share)
            # An earlier purge may have ended in between.
            rebuilt = purge.found.responses or await asyncio.to_thread(_any_without_event, database)
        if rebuilt:
            async for progress in rebuild_outcomes(agents):
                yield Progress(f"outcomes: {progress.stage}", DELETED + (1 - DELETED) * progress.fraction)
        yield Progress("done", 1.0, _result(purge) | {"dry_run": dry_run, "outcomes_rebuilt": rebuilt})
    finally:
        await asyncio.to_thread(database.close)


async def rebuild_projection(settings: Settings, agents: AgentClients, agent: str) -> AsyncGenerator[Progress, None]:
    """Make the tables of one of the agents that apply events anew."""
    if agent == FEEDBACK_CONSUMER:
        async for progress in rebuild_outcomes(agents):
            yield progress
        return
    database = await asyncio.to_thread(job_database, settings)
    try:
        async for progress in _steps(_rebuild_customers(database)):
            yield progress
    finally:
        await asyncio.to_thread(database.close)


async def rebuild_outcomes(agents: AgentClients) -> AsyncGenerator[Progress, None]:
    """Have the feedback agent make outcomes anew."""
    async for answer in agents.stream(agents.feedback.RebuildOutcomes, feedback_pb.RebuildOutcomesRequest()):
        yield to_progress(answer.progress)


def _rebuild_customers(database: Database) -> Generator[Progress, None, None]:
    began, done = monotonic(), 0
    for done, of in rebuild_customers(database):
        yield Progress(f"{done} of {of} shoppers", done / of)
    seconds = round(monotonic() - began, 1)
    yield Progress("done", 1.0, {"agent": CUSTOMER_CONSUMER, "shoppers": done, "seconds": seconds})


async def _steps(values: Generator[Any, None, None]) -> AsyncGenerator[Any, None]:
    async with aclosing(in_threads(values)) as steps:
        async for each in steps:
            yield each


def _any_without_event(database: Database) -> bool:
    with database.read() as connection:
        return response_pieces.any_without_event(connection)


def _result(purge: EventPurge) -> dict[str, Any]:
    kinds = sorted(purge.found.kinds.items())
    return {
        "events": sum(count.events for _, count in kinds),
        "kinds": [{"kind": kind, "events": count.events, "example_event_ids": count.examples} for kind, count in kinds],
        "shoppers": len(purge.found.customers),
    }
