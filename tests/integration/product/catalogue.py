"""A small catalogue of two kinds of products, for tests of the product agent."""

from collections.abc import Sequence
from typing import Any

from services.product.agent import ProductAgent
from services.product.refresh import refresh
from shared.config import Settings
from shared.db.engine import Database
from shared.db.product_patch import ProductPatch
from shared.db.products import NewProduct, Upserted
from shared.jobs import ProgressReporter

KINDS = {"tea": ("green", "black", "white", "herbal", "mint"), "cup": ("small", "large", "glass", "steel", "paper")}


def product(external_id: str, **facts: Any) -> NewProduct:
    """Return a product of the kind its id starts with, such as `tea-green`."""
    kind, variety = external_id.split("-")
    given = {
        "name": f"{variety} {kind}",
        "category": kind,
        "subcategory": kind,
        "price": 500,
        "currency": "EUR",
        **facts,
    }
    return NewProduct(external_id=external_id, **given)


def small_catalogue() -> list[NewProduct]:
    """Return five teas and five cups."""
    return [product(f"{kind}-{variety}") for kind, varieties in KINDS.items() for variety in varieties]


def upsert(agent: ProductAgent, new: Sequence[NewProduct]) -> Upserted:
    """Make the products what is said here."""
    return agent.upsert([ProductPatch.replacing(each) for each in new])


def refreshed(database: Database, *, full: bool = False, said: list[str] | None = None) -> dict[str, Any]:
    """Refresh the catalogue in this process and return the result; the lines go to `said`."""
    reporter = ProgressReporter((said if said is not None else []).append)
    return refresh(Settings(database_url=database.url, train_threads=1), reporter, full=full)
