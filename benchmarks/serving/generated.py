"""A generated shop as files for `quintet import`: Zipf popularity, latent tastes, sessions, unequal customers."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.quality.scaling.synthetic_data import NOW, synthetic_data
from services.recommendation.algorithms.interactions import DAY, Interactions, Kind

ACTIVITY_SPREAD = 1.0
"""Standard deviation of the logarithm of a customer's activity: the busiest tenth makes about 40 % of the sessions."""
BRANDS = 2_000
REGIONS = 20
DEPARTMENTS = 40
WORDS = 3
"""Words of a product's name that come from its category; one more is its own."""
VOCABULARY = 5_000
EVENT_TYPES = {Kind.VIEW: "product_view", Kind.CART: "add_to_cart", Kind.PURCHASE: "purchase"}
CHEAPEST, PRICE_SPREAD = 9.0, 0.8
"""Prices are log-normal: their median in the currency, and the standard deviation of their logarithm."""
MICROSECONDS = 1_000_000
CHUNK = 1_000_000
EVENT_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("event_type", "customer_id", "product_id", "session_id", "order_id")),
        ("timestamp", pa.timestamp("us", "UTC")),
    ]
)


@dataclass(frozen=True)
class Size:
    """How large a generated shop is, and the seed of everything by chance."""

    products: int
    customers: int
    events: int
    seed: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return the size by field."""
        return asdict(self)


def write_files(size: Size, folder: Path) -> None:
    """Write `customers.parquet`, `products.parquet` and `events.parquet`. The same size gives the same rows."""
    folder.mkdir(parents=True, exist_ok=True)
    data = synthetic_data(
        size.products,
        size.seed,
        n_customers=size.customers,
        n_events=size.events,
        activity_spread=ACTIVITY_SPREAD,
    )
    rng = np.random.default_rng(size.seed + 1)
    pq.write_table(customer_table(size.customers, rng), folder / "customers.parquet")
    pq.write_table(product_table(data, rng), folder / "products.parquet")
    _write_events(data, folder / "events.parquet")


def customer_table(count: int, rng: np.random.Generator) -> pa.Table:
    """Return the customers, with region, age and gender; all registered before the first event."""
    return pa.table(
        {
            "customer_id": _ids("c", np.arange(count)),
            "registration_time": _times(np.full(count, NOW - 400 * DAY)),
            "demographics.region": _ids("region ", rng.integers(0, REGIONS, count)),
            "demographics.age": rng.integers(18, 90, count),
            "demographics.gender": np.array(["female", "male"])[rng.integers(0, 2, count)],
        }
    )


def product_table(data: Interactions, rng: np.random.Generator) -> pa.Table:
    """Return the products. Products of a category share words of their names, as in a real catalogue."""
    count = data.n_products
    category = data.category
    shared = rng.integers(0, VOCABULARY, (int(category.max()) + 1, WORDS))[category]
    own = rng.integers(0, VOCABULARY, count)
    prices = CHEAPEST * rng.lognormal(0.0, PRICE_SPREAD, count)
    names = [
        f"{' '.join(f'w{word}' for word in words)} w{single} {number}"
        for number, (words, single) in enumerate(zip(shared.tolist(), own.tolist(), strict=True))
    ]
    return pa.table(
        {
            "product_id": _ids("p", np.arange(count)),
            "name": names,
            "category": _ids("department ", category % DEPARTMENTS),
            "subcategory": _ids("category ", category),
            "brand": _ids("brand ", rng.integers(0, BRANDS, count)),
            "price": [f"{price:.2f}" for price in np.maximum(prices, 0.05).tolist()],
            "currency": pa.array(["USD"] * count).dictionary_encode(),
            "available_time": _times(data.added),
        }
    )


def event_table(data: Interactions, rows: slice) -> pa.Table:
    """Return events; the purchases of a session follow each other and are one order."""
    kinds = data.kinds[rows]
    baskets = _ids("s", data.baskets[rows])
    bought = kinds == Kind.PURCHASE
    orders = [f"o-{basket}" if each else None for basket, each in zip(baskets, bought.tolist(), strict=True)]
    names = np.array([EVENT_TYPES[kind] for kind in Kind])
    return pa.table(
        {
            "event_type": names[kinds],
            "customer_id": _ids("c", data.customers[rows]),
            "product_id": _ids("p", data.products[rows]),
            "session_id": baskets,
            "order_id": orders,
            "timestamp": _times(data.times[rows]),
        },
        schema=EVENT_SCHEMA,
    )


def _write_events(data: Interactions, path: Path) -> None:
    ordered = _ordered(data)
    count = len(ordered.customers)
    with pq.ParquetWriter(path, EVENT_SCHEMA) as writer:
        for start in range(0, count, CHUNK):
            writer.write_table(event_table(ordered, slice(start, start + CHUNK)))


def _ordered(data: Interactions) -> Interactions:
    """Return the events by session, the purchases last, which all happen at the session's last moment."""
    last = np.zeros(int(data.baskets.max()) + 1, np.int64)
    np.maximum.at(last, data.baskets, data.times)
    bought = data.kinds == Kind.PURCHASE
    times = np.where(bought, last[data.baskets], data.times)
    order = np.lexsort((data.kinds == Kind.PURCHASE, data.baskets))
    columns: dict[str, Any] = {name: getattr(data, name)[order] for name in ("customers", "products", "kinds")}
    return Interactions.of(
        columns["customers"],
        columns["products"],
        n_customers=data.n_customers,
        n_products=data.n_products,
        now=data.now,
        kinds=columns["kinds"],
        times=times[order],
        baskets=data.baskets[order],
    )


def _ids(prefix: str, numbers: Any) -> list[str]:
    return [f"{prefix}{number}" for number in np.asarray(numbers).tolist()]


def _times(seconds: Any) -> pa.Array:
    return pa.array(np.asarray(seconds, np.int64) * MICROSECONDS, pa.timestamp("us", "UTC"))
