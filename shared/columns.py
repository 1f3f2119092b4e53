"""The columns of the interchange files: what each means, for the mapping, for messages and for the documentation."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["customers", "products", "events"]


@dataclass(frozen=True)
class Column:
    """A column: its name here, its type and unit in words, what stands for nothing, and what it means.

    A name ending in `.*` stands for any number of columns, such as `attributes.colour`. Values of `personal` columns
    are not repeated in files and messages about rejected rows.
    """

    name: str
    type: str
    default: str
    meaning: str
    required: bool = False
    personal: bool = False


_TIME = "ISO 8601 or Unix time"
_FLAG = "true or false, yes or no, 1 or 0"

CUSTOMERS = (
    Column("customer_id", "text, 1 to 128 characters", "", "The platform's id.", required=True),
    Column("name", "text, at most 200 characters", "none", "Name.", personal=True),
    Column("email", "text, at most 320 characters", "none", "E-mail address.", personal=True),
    Column("registration_time", _TIME, "now for a new customer", "When the customer registered."),
    Column("demographics.age", "whole number, 0 to 130, years", "none", "Age.", personal=True),
    Column("demographics.age_group", "text", "from the age", "Age band, such as `45-54`.", personal=True),
    Column(
        "demographics.gender",
        "text, at most 50 characters",
        "none",
        "Gender in the platform's own words.",
        personal=True,
    ),
    Column("demographics.region", "text, at most 100 characters", "none", "State, city or home store.", personal=True),
    Column("demographics.attributes.*", "text", "none", "Further facts by name, such as income.", personal=True),
    Column("consent.personalise", _FLAG, "as it is", "Consent to personal recommendations.", personal=True),
    Column("consent.measure", _FLAG, "as it is", "Consent to measuring their responses.", personal=True),
    Column("consent.train", _FLAG, "as it is", "Consent to training models on their behaviour.", personal=True),
)

PRODUCTS = (
    Column("product_id", "text, 1 to 128 characters", "", "The platform's id (SKU).", required=True),
    Column("name", "text, 1 to 500 characters", "", "Name shown to shoppers.", required=True),
    Column("description", "text, at most 20,000 characters", "none", "Description."),
    Column("category", "text, at most 200 characters", "none", "Category."),
    Column("subcategory", "text, at most 200 characters", "none", "Subcategory within the category."),
    Column("brand", "text, at most 200 characters", "none", "Brand."),
    Column("price", "decimal number, in the currency", "unknown", "Current price of one unit."),
    Column("cost", "decimal number, in the currency", "unknown", "What one unit costs the shop; with a price only."),
    Column("currency", "ISO 4217 code", "`--currency`", "Currency of price and cost."),
    Column("tags", "list of texts", "none", "Free labels: a list, or texts between bars, `a|b`."),
    Column("image_urls", "list of texts", "none", "Picture addresses, best first."),
    Column("average_rating", "number, 0 to 5", "unknown", "Mean rating of the shop's reviews."),
    Column(
        "inventory_status",
        "IN_STOCK, OUT_OF_STOCK, PREORDER, BACKORDER or DISCONTINUED",
        "as it is; IN_STOCK for a new product",
        "Whether it can be bought.",
    ),
    Column(
        "recommendable",
        _FLAG,
        "as it is; true for a new product",
        "Whether it may be recommended. False for coupons, fuel, deposits, fees.",
    ),
    Column("available_time", _TIME, "as it is; now for a new product", "From when on it is in the assortment."),
    Column("expire_time", _TIME, "never", "From when on it is no longer recommended."),
    Column("group_id", "text, at most 128 characters", "none", "The group of its variants, such as sizes of a shirt."),
    Column(
        "attributes.*",
        "text; number, true or false, list of texts where the file has types",
        "none",
        "Further facts by name, such as `attributes.colour`.",
    ),
)

EVENTS = (
    Column("event_type", "see below", "`--event-type`", "What happened."),
    Column("customer_id", "text", "none", "The customer. One of customer_id and visitor_id is needed."),
    Column("visitor_id", "text", "none", "A visitor who is not logged in."),
    Column("timestamp", _TIME, "", "When it happened; without a zone in `--timezone`.", required=True),
    Column("session_id", "text", "30 minutes of silence", "The platform's session."),
    Column("event_id", "text", "from the content", "The platform's id of the event; a repeated one changes nothing."),
    Column("product_id", "text", "none", "The product viewed, put into the cart, bought or given back."),
    Column("quantity", "number, above 0 and at most 1,000,000, units", "1", "How many units."),
    Column("price", "decimal number, in the currency", "none", "Price of one unit."),
    Column(
        "amount",
        "decimal number, in the currency",
        "price × quantity, else the product's price × quantity",
        "Price of the whole line after discounts. Goes before price. For refunds, what was paid back.",
    ),
    Column("currency", "ISO 4217 code", "`--currency`", "Currency of price and amount."),
    Column(
        "order_id",
        "text",
        "from the content",
        "The order bought, or given back. Adjacent purchase rows with the same order_id are the lines of one order.",
    ),
    Column(
        "items",
        "list of objects",
        "none",
        "Several products in one row, each with product_id, quantity, price or amount.",
    ),
    Column("duration_seconds", "number, 0 to 86,400, seconds", "0", "Time spent on the product's page."),
    Column("query", "text, 1 to 500 characters", "none", "What was searched.", personal=True),
    Column("category", "text, 1 to 200 characters", "none", "The category in view."),
    Column("page_type", "home, product, category, cart, search …", "from the row", "Kind of page of a page_view."),
    Column("attributes.*", "text", "none", "Further facts by name.", personal=True),
)

COLUMNS: dict[Kind, tuple[Column, ...]] = {"customers": CUSTOMERS, "products": PRODUCTS, "events": EVENTS}

# Names that files commonly use, understood without `--map`.
ALIASES: dict[Kind, dict[str, str]] = {
    "customers": {
        "age": "demographics.age",
        "age_group": "demographics.age_group",
        "gender": "demographics.gender",
        "region": "demographics.region",
        "registration_date": "registration_time",
    },
    "products": {"available_at": "available_time", "rating": "average_rating"},
    "events": {"event_time": "timestamp", "purchase_id": "order_id", "search_query": "query"},
}
