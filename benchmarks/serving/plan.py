"""What is asked of the agents: lists of calls, drawn from a shop's own customers, products and popularity."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

Call = dict[str, Any]
"""`method`, `group` and `request`, the request in protobuf's JSON, as the load generator reads it."""

PAGES = ("HOME", "PRODUCT", "CATEGORY", "CART", "SEARCH", "POST_PURCHASE", "BUY_AGAIN")
LIMIT = 10
COLD_SHARE = 0.2
"""Share of the calls of mixed pages that come from a visitor of whom nothing is known."""
EVENTS_AN_ANSWER = 3
MOST_CART = 4
EVENTS = {"product_view": 0.72, "add_to_cart": 0.12, "search": 0.08, "home_view": 0.05, "purchase": 0.03}
"""Kinds of events and their shares."""
SAMPLE = 50_000
WORDS_A_SEARCH = 2
EVENTS_AHEAD = 25
"""How many shoppers' events are recorded before the answer that follows the first of them: more than wait at a time."""


@dataclass(frozen=True)
class Material:
    """What plans are drawn from. Customers and products appear as often as they do in the shop's events.

    Parameters
    ----------
    customers, products : sequence of str
        Ids, one of each an event.
    categories, searches : mapping of str to str
        Category and search text by product.
    """

    customers: Sequence[str]
    products: Sequence[str]
    categories: dict[str, str]
    searches: dict[str, str]

    @classmethod
    def read(cls, folder: Path, seed: int) -> "Material":
        """Return what the interchange files in `folder` have."""
        events = pq.read_table(folder / "events.parquet", columns=["customer_id", "product_id"])
        rows = np.sort(np.random.default_rng(seed).choice(len(events), min(SAMPLE, len(events)), replace=False))
        chosen = events.take(rows)
        products = pq.read_table(folder / "products.parquet", columns=["product_id", "name", "category"]).to_pylist()
        met = set(chosen["product_id"].to_pylist())
        known = [row for row in products if row["product_id"] in met]
        return cls(
            chosen["customer_id"].to_pylist(),
            chosen["product_id"].to_pylist(),
            {row["product_id"]: row["category"] for row in known},
            {row["product_id"]: search_text(row["name"]) for row in known},
        )


def search_text(name: str) -> str:
    """Return what a shopper would type to find a product: its first words."""
    return " ".join(name.replace(",", " ").lower().split()[:WORDS_A_SEARCH])


class Planner:
    """Draws calls. The same seed gives the same calls."""

    def __init__(self, material: Material, seed: int) -> None:
        self._material = material
        self._rng = np.random.default_rng(seed)
        self._visitors = 0
        self._prefix = f"bench-{seed}"

    def page(self, page: str, count: int) -> list[Call]:
        """Return calls of known customers for one kind of page."""
        return [self._recommend(page, page, self._known()) for _ in range(count)]

    def everybody(self, page: str) -> list[Call]:
        """Return a call of each customer for one kind of page, in an order by chance."""
        ids = sorted(set(self._material.customers))
        return [self._recommend(page, page, {"customerId": ids[place]}) for place in self._rng.permutation(len(ids))]

    def cold(self, page: str, count: int) -> list[Call]:
        """Return calls of visitors whom nobody has met, each once."""
        return [self._recommend(page, f"cold {page}", self._stranger()) for _ in range(count)]

    def mixed(self, count: int) -> list[Call]:
        """Return calls for all kinds of pages alike, `COLD_SHARE` of them by strangers."""
        calls = []
        for page in self._rng.choice(PAGES, count).tolist():
            cold = self._rng.random() < COLD_SHARE and page != "BUY_AGAIN"
            calls.append(self._recommend(page, page, self._stranger() if cold else self._known()))
        return calls

    def events(self, count: int) -> list[Call]:
        """Return single events of known customers."""
        return [self._call("RecordEvent", "event", {"event": self._event()}) for _ in range(count)]

    def batches(self, count: int, size: int) -> list[Call]:
        """Return batches of events."""
        return [
            self._call("BatchRecordEvents", "batch", {"events": [self._event() for _ in range(size)]})
            for _ in range(count)
        ]

    def with_events(self, count: int) -> list[Call]:
        """Return calls of which one in four asks for recommendations and three record events."""
        calls = []
        for call in self.mixed(count):
            calls += [call, *self.events(EVENTS_AN_ANSWER)]
        return calls

    def after_events(self, page: str, count: int) -> list[Call]:
        """Return calls of known customers for one kind of page, each some calls after a view by the same customer."""
        answers = self.page(page, count)
        views = [self._call("RecordEvent", "event", {"event": self._view(call["request"])}) for call in answers]
        calls = views[:EVENTS_AHEAD]
        for place, answer in enumerate(answers):
            calls += [answer, views[(place + EVENTS_AHEAD) % count]]
        return calls

    def _recommend(self, page: str, group: str, who: dict[str, str]) -> Call:
        context = {"pageType": f"PAGE_TYPE_{page}"} | self._context(page)
        return self._call("GetRecommendations", group, {**who, "context": context, "limit": LIMIT})

    def _context(self, page: str) -> dict[str, Any]:
        product = self._product()
        if page == "PRODUCT":
            return {"productId": product}
        if page == "CATEGORY":
            return {"category": self._material.categories[product]}
        if page == "SEARCH":
            return {"searchQuery": self._material.searches[product]}
        if page == "CART":
            return {"cartProductIds": self._several()}
        return {"purchasedProductIds": self._several()} if page == "POST_PURCHASE" else {}

    def _event(self) -> dict[str, Any]:
        kind = str(self._rng.choice(list(EVENTS), p=list(EVENTS.values())))
        details: dict[str, dict[str, Any]] = {
            "product_view": {"productId": self._product(), "durationSeconds": float(self._rng.integers(1, 60))},
            "add_to_cart": {"items": [{"productId": self._product()}]},
            "search": {"query": self._material.searches[self._product()]},
            "home_view": {},
            "purchase": {"purchaseId": "given when it is sent", "items": [{"productId": self._product()}]},
        }
        return {**self._known(), _camel(kind): details[kind]}

    def _view(self, who: dict[str, Any]) -> dict[str, Any]:
        return {"customerId": who["customerId"], "productView": {"productId": self._product()}}

    def _several(self) -> list[str]:
        return sorted({self._product() for _ in range(int(self._rng.integers(1, MOST_CART + 1)))})

    def _known(self) -> dict[str, str]:
        return {"customerId": self._one_of(self._material.customers)}

    def _stranger(self) -> dict[str, str]:
        self._visitors += 1
        return {"visitorId": f"{self._prefix}-{self._visitors}"}

    def _product(self) -> str:
        return self._one_of(self._material.products)

    def _one_of(self, ids: Sequence[str]) -> str:
        return ids[int(self._rng.integers(len(ids)))]

    @staticmethod
    def _call(method: str, group: str, request: dict[str, Any]) -> Call:
        return {"method": method, "group": group, "request": request}


def write_plan(calls: Iterable[Call], path: Path) -> Path:
    """Write a plan for the load generator and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(call)}\n" for call in calls))
    return path


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)
