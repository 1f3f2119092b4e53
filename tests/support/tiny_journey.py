"""Tables like those of The Complete Journey, small and with a known truth: two kinds of households."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulation.behaviour import Behaviour, Sizes
from benchmarks.simulation.world import World, make_world

HOUSEHOLDS = 120
CATEGORIES = ("APPLES", "BREAD", "CHEESE", "DIPS", "EGGS", "FISH")
PER_CATEGORY = 6
PROMOTED_SHARE = 0.3
DISCOUNT = 0.3
PROMOTED_TIMES = 2.0
"""How much more often a promoted product is chosen."""
DEAR, CHEAP = 4.0, 2.0
SIZES = Sizes(
    households=80,
    categories=len(CATEGORIES),
    products_per_category=PER_CATEGORY,
    factors=3,
    history_days=56,
    days=6,
    warm_up_days=1,
    drift_day=4,
    visit_share=0.5,
    home_count=5,
    product_count=3,
    cart_count=3,
)


def tables(seed: int = 0) -> dict[str, Any]:
    """Return `transactions` and `products` of a year: even households like even products, odd ones odd products.

    Dips are bought where apples are, beyond the habits of a household; the needs of a household differ by category.
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    promoted = rng.random((53, len(CATEGORIES), PER_CATEGORY)) < PROMOTED_SHARE
    rows = [row for household in range(HOUSEHOLDS) for row in _year(household, promoted, rng)]
    names = ("household_id", "basket_id", "product_id", "quantity", "sales_value", "retail_disc", "day")
    lines = pd.DataFrame(rows, columns=list(names))
    start = pd.Timestamp("2017-01-01 12:00")
    lines["transaction_timestamp"] = start + pd.to_timedelta(lines.pop("day"), unit="D")
    lines["store_id"] = 1
    return {"transactions": lines, "products": _products(pd)}


def tiny_world(behaviour: Behaviour | None = None) -> World:
    """Return the world that is learned from the tables."""
    return make_world(tables(), behaviour, SIZES)


def _year(household: int, promoted: NDArray[np.bool_], rng: np.random.Generator) -> list[tuple[Any, ...]]:
    rates = rng.gamma(2.0, 0.15, len(CATEGORIES))
    rows: list[tuple[Any, ...]] = []
    for day in np.flatnonzero(rng.random(365) < 0.2).tolist():
        basket = [number for number, rate in enumerate(rates) if rng.random() < rate]
        if 0 in basket and 3 not in basket and rng.random() < 0.5:
            basket.append(3)
        rows += [_line(household, day, category, promoted[day // 7, category], rng) for category in basket]
    return rows


def _line(
    household: int, day: int, category: int, promoted: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Any, ...]:
    liked = np.where(np.arange(PER_CATEGORY) % 2 == household % 2, 5.0, 1.0) * np.where(promoted, PROMOTED_TIMES, 1.0)
    number = int(rng.choice(PER_CATEGORY, p=liked / liked.sum()))
    price = DEAR if number < PER_CATEGORY // 2 else CHEAP
    discount = DISCOUNT * price if promoted[number] else 0.0
    product = 100 * (category + 1) + number
    return (household, 1000 * household + day, product, 1, price - discount, discount, day)


def _products(pd: Any) -> Any:
    ids = [100 * (category + 1) + number for category in range(len(CATEGORIES)) for number in range(PER_CATEGORY)]
    return pd.DataFrame(
        {
            "product_id": ids,
            "manufacturer_id": [each % 100 for each in ids],
            "department": ["PRODUCE" if each < 300 else "GROCERY" for each in ids],
            "brand": "National",
            "product_category": [CATEGORIES[each // 100 - 1] for each in ids],
            "product_type": [f"{CATEGORIES[each // 100 - 1]} SORT {each % 100}" for each in ids],
            "package_size": "1 LB",
        }
    )
