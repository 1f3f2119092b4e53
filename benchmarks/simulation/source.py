"""What of The Complete Journey the world is learned from: counts by household, product, category, day and week."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.simulation.behaviour import Sizes
from cli.datasets.complete_journey import NOT_RECOMMENDABLE_CATEGORIES, NOT_RECOMMENDABLE_DEPARTMENTS
from cli.datasets.wording import measure, readable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAYS = 365
WEEKS = 52
WEEKDAYS = 7
MONDAY = 6
"""Weekday of the first day of the data, a Sunday, where Monday is 0."""
PROMOTED_DISCOUNT = 0.05
"""A line is of a promotion where the shop's discount is at least this share of the regular price."""
LEAST_VISITS = 12
"""Households with fewer trips in the year say too little to be simulated."""


@dataclass(frozen=True)
class Observed:
    """The year, by number of household, product and category.

    Attributes
    ----------
    visits : ndarray of shape (households, 365), bool
        Whether there was a trip to the shop on a day.
    bought : ndarray of shape (n_purchases, 3), int
        Household, product, day; one row for each product that a household bought on a day.
    categories : ndarray of shape (products,), int
    departments : ndarray of shape (categories,), int
    prices : ndarray of shape (products,)
        Regular price of a unit: median over the weeks.
    relative_prices, promoted : ndarray of shape (products, weeks)
        Price of a week over the regular one; share of the lines with a discount.
    """

    visits: NDArray[np.bool_]
    bought: Ints
    categories: Ints
    departments: Ints
    prices: Floats
    relative_prices: Floats
    promoted: Floats
    product_ids: list[str]
    names: list[str]
    brands: list[str]
    category_names: list[str]
    department_names: list[str]

    @property
    def households(self) -> int:
        """Number of households."""
        return len(self.visits)

    @property
    def products(self) -> int:
        """Number of products."""
        return len(self.categories)

    def counts(self) -> sparse.csr_matrix:
        """Return on how many days each household bought each product, shape (households, products)."""
        ones = np.ones(len(self.bought))
        shape = (self.households, self.products)
        return sparse.csr_matrix((ones, (self.bought[:, 0], self.bought[:, 1])), shape=shape)

    def category_days(self) -> Ints:
        """Return the distinct rows household, category, day, sorted; shape (n, 3)."""
        rows = np.column_stack([self.bought[:, 0], self.categories[self.bought[:, 1]], self.bought[:, 2]])
        return np.unique(rows, axis=0)


def observe(tables: Mapping[str, Any], sizes: Sizes) -> Observed:
    """Choose categories by sales lines, products by the households that buy them, and count.

    `tables` are the pandas tables `transactions` and `products` as `cli.datasets.complete_journey.load` gives them.
    """
    lines = _lines(tables["transactions"], tables["products"])
    lines = _largest(lines, sizes)
    trips = tables["transactions"]
    trips = trips.assign(day=_day(trips))
    trips = trips[(trips["day"] >= 0) & (trips["day"] < DAYS)].drop_duplicates(["household_id", "day"])
    enough = trips.groupby("household_id").size()
    households = np.sort(enough.index[enough >= LEAST_VISITS].to_numpy())
    lines = lines[lines["household_id"].isin(households)]
    products = lines.drop_duplicates("product_id").sort_values(["product_category", "product_id"])
    return _observed(lines, trips[trips["household_id"].isin(households)], households, products)


def _lines(transactions: Any, products: Any) -> Any:
    lines = transactions.merge(products, on="product_id")
    sold = (lines["quantity"] > 0) & (lines["sales_value"] > 0)
    apart = lines["department"].isin(NOT_RECOMMENDABLE_DEPARTMENTS)
    apart |= lines["product_category"].isin(NOT_RECOMMENDABLE_CATEGORIES) | lines["product_category"].isna()
    lines = lines[sold & ~apart]
    lines = lines.assign(day=_day(lines))
    return lines[(lines["day"] >= 0) & (lines["day"] < DAYS)]


def _day(lines: Any) -> Any:
    days: Any = (lines["transaction_timestamp"].dt.normalize() - np.datetime64("2017-01-01")).dt.days
    return days


def _largest(lines: Any, sizes: Sizes) -> Any:
    """Return the lines of the largest categories, and of the products that most households buy in each."""
    categories = lines["product_category"].value_counts().index[: sizes.categories]
    lines = lines[lines["product_category"].isin(categories)]
    buyers = lines.groupby(["product_category", "product_id"])["household_id"].nunique().reset_index()
    order = ["product_category", "household_id", "product_id"]
    buyers = buyers.sort_values(order, ascending=[True, False, True])
    chosen = buyers.groupby("product_category").head(sizes.products_per_category)["product_id"]
    return lines[lines["product_id"].isin(chosen)]


def _observed(lines: Any, trips: Any, households: NDArray[Any], products: Any) -> Observed:
    ids = products["product_id"].to_numpy()
    category_names, categories = np.unique(products["product_category"].to_numpy(str), return_inverse=True)
    department_names, departments = _departments(products, category_names)
    place = {product: number for number, product in enumerate(ids.tolist())}
    rows = np.column_stack([
        np.searchsorted(households, lines["household_id"].to_numpy()),
        lines["product_id"].map(place).to_numpy(),
        lines["day"].to_numpy(),
    ]).astype(np.int64)  # fmt: skip
    visits = np.zeros((len(households), DAYS), bool)
    visits[np.searchsorted(households, trips["household_id"].to_numpy()), trips["day"].to_numpy()] = True
    prices, relative, promoted = _prices(lines, rows[:, 1], len(ids))
    return Observed(
        visits=visits,
        bought=np.unique(rows, axis=0),
        categories=categories.astype(np.int64),
        departments=departments,
        prices=prices,
        relative_prices=relative,
        promoted=promoted,
        product_ids=[str(each) for each in ids],
        names=[_name(*row) for row in zip(products["product_type"], products["package_size"], ids, strict=True)],
        brands=[f"Manufacturer {each}" for each in products["manufacturer_id"]],
        category_names=[readable(each) for each in category_names.tolist()],
        department_names=department_names,
    )


def _departments(products: Any, category_names: NDArray[Any]) -> tuple[list[str], Ints]:
    of_category = products.groupby("product_category")["department"].agg(lambda column: column.mode().iloc[0])
    names, numbers = np.unique(of_category.loc[category_names].to_numpy(str), return_inverse=True)
    return [readable(each) for each in names.tolist()], numbers.astype(np.int64)


def _name(product_type: Any, size: Any, product: int) -> str:
    words = readable(product_type) if isinstance(product_type, str) else f"Product {product}"
    return f"{words}, {measure(size)}" if isinstance(size, str) else words


def _prices(lines: Any, numbers: Ints, products: int) -> tuple[Floats, Floats, Floats]:
    """Return the regular price of each product, and by week the price relative to it and the share promoted.

    A week without a sale says nothing: the price is regular then, without a promotion.
    """
    weeks = np.minimum(lines["day"].to_numpy() // WEEKDAYS, WEEKS - 1)
    units = lines["quantity"].to_numpy()
    paid = lines["sales_value"].to_numpy() / units
    regular = paid + lines["retail_disc"].to_numpy() / units
    promoted = (regular - paid) > PROMOTED_DISCOUNT * regular
    cells = numbers * WEEKS + weeks
    count = np.bincount(cells, minlength=products * WEEKS).reshape(products, WEEKS)
    mean = np.bincount(cells, paid, products * WEEKS).reshape(products, WEEKS) / np.maximum(count, 1)
    share = np.bincount(cells, promoted, products * WEEKS).reshape(products, WEEKS) / np.maximum(count, 1)
    order = np.argsort(numbers, kind="stable")
    starts = np.searchsorted(numbers[order], np.arange(products + 1))
    base = np.array([
        np.median(regular[order[start:end]]) for start, end in pairwise(starts)
    ])  # fmt: skip
    relative = np.where(count > 0, mean / base[:, None], 1.0)
    return np.round(base, 2), np.clip(relative, 0.5, 1.5), share
