"""The start shop: a history without recommendations, imported and trained on under the simulated clock."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import ROOT
from benchmarks.movable_clock import MovableClock, movable_clock
from benchmarks.serving.shops import Say, Shop
from benchmarks.simulation.calendar import moment
from benchmarks.simulation.needs import Sessions
from benchmarks.simulation.source import Ints
from benchmarks.simulation.stored_world import parameters
from benchmarks.simulation.world import World

CURRENCY = "USD"
HISTORY_CHOICE = 0
"""Seed of what is chosen in the history; runs have seeds from 1 on."""
VIEW_SECONDS, BETWEEN_SECONDS = 25, 30
SOURCES = ("behaviour.py", "source.py", "preferences.py", "tastes.py", "rhythm.py", "prices.py", "complements.py",
           "needs.py", "world.py", "shop.py", "calendar.py")  # fmt: skip
"""Sources that decide what the history is."""


@dataclass(frozen=True)
class StartShop(Shop):
    """The shop at the end of its history, on which every run begins."""

    world: World | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """The world's parameters, and its code."""
        world = self._world
        return parameters(world.behaviour, world.sizes) | {"quick": self.quick, "sources": source_digest()}

    @property
    def _world(self) -> World:
        if self.world is None:
            raise ValueError("a start shop needs a world")
        return self.world

    def _write_files(self) -> int:
        """Write the interchange files; their times are those of the simulated clock."""
        world = self._world
        sessions = world.history()
        chosen = world.chosen(world.preferences, sessions, HISTORY_CHOICE)
        pq.write_table(customer_table(world), self.folder / "customers.parquet")
        pq.write_table(product_table(world), self.folder / "products.parquet")
        pq.write_table(event_table(world, sessions, chosen), self.folder / "events.parquet")
        return 0


@contextmanager
def start_shop(world: World, folder: Path, say: Say, *, quick: bool = False) -> Iterator[StartShop]:
    """Give the start shop, imported and trained unless the same was kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    shop = StartShop("simulated", folder, quick=quick, world=world)
    with movable_clock(folder) as clock:
        stand(clock, world.sizes.history_days)
        shop.prepare(say)
    yield shop


def stand(clock: MovableClock, day: int, second: int = 0) -> None:
    """Set a clock to a second of a simulated day."""
    clock.set(moment(day, second))


def source_digest() -> str:
    """Return a short name of the code that decides what the history is."""
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((ROOT / "benchmarks" / "simulation" / name).read_bytes())
    return digest.hexdigest()[:16]


def customer_id(household: int) -> str:
    """Return the platform's id of a household."""
    return f"household-{household}"


def customer_table(world: World) -> pa.Table:
    """Return the customers who are registered at the end of the history."""
    known = np.flatnonzero(world.registration_days < world.sizes.history_days).tolist()
    return pa.table(
        {"customer_id": [customer_id(each) for each in known], "registration_time": [moment(0)] * len(known)}
    )


def product_table(world: World) -> pa.Table:
    """Return the products that are in the assortment at the end of the history, with the prices of its last day."""
    observed, day = world.observed, world.sizes.history_days
    rows = np.flatnonzero(world.entry_days < day)
    categories = observed.categories[rows]
    prices = world.prices(day - 1)
    return pa.table(
        {
            "product_id": [observed.product_ids[row] for row in rows.tolist()],
            "name": [observed.names[row] for row in rows.tolist()],
            "category": [observed.category_names[each] for each in categories.tolist()],
            "brand": [observed.brands[row] for row in rows.tolist()],
            "attributes.department": [observed.department_names[observed.departments[each]] for each in categories],
            "price": [_money(prices[row]) for row in rows],
            "cost": [_money(world.costs[row]) for row in rows],
            "currency": [CURRENCY] * len(rows),
            "available_time": [moment(0)] * len(rows),
        }
    )


def event_table(world: World, sessions: Sessions, chosen: Ints) -> pa.Table:
    """Return what households did by themselves: each remembered need was looked at, put into the cart and bought."""
    rows = [row for session in _needing(sessions) for row in _session_rows(world, sessions, chosen, session)]
    names = ("event_type", "customer_id", "session_id", "product_id", "timestamp", "duration_seconds", "amount",
             "order_id", "event_id", "currency")  # fmt: skip
    return pa.table({name: [row[place] for row in rows] for place, name in enumerate(names)})


def _needing(sessions: Sessions) -> list[int]:
    return [int(each) for each in np.unique(sessions.need_sessions[sessions.remembered])]


def _session_rows(world: World, sessions: Sessions, chosen: Ints, session: int) -> list[tuple[Any, ...]]:
    first, last = np.searchsorted(sessions.need_sessions, (session, session + 1))
    products = chosen[first:last][sessions.remembered[first:last]].tolist()
    day, began = int(sessions.days[session]), int(sessions.seconds[session])
    prices = world.prices(day)
    who, visit = customer_id(int(sessions.households[session])), f"h{session}"
    rows: list[tuple[Any, ...]] = []
    for place, product in enumerate(products):
        at, name = moment(day, began + place * BETWEEN_SECONDS), world.observed.product_ids[product]
        rows.append(("view", who, visit, name, at, VIEW_SECONDS, None, None, f"{visit}-v{place}", None))
        rows.append(("cart", who, visit, name, at + VIEW_SECONDS, None, None, None, f"{visit}-c{place}", None))
    at = moment(day, began + len(products) * BETWEEN_SECONDS)
    for product in products:
        name, amount = world.observed.product_ids[product], _money(prices[product])
        rows.append(("purchase", who, visit, name, at, None, amount, visit, None, CURRENCY))
    return rows


def _money(cents: int) -> str:
    return f"{int(cents) // 100}.{int(cents) % 100:02}"
