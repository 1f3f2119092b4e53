"""One row of an events file as an event of the contract."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from quintet.type.v1.event_pb2 import Event, PageType

from cli.importing.convert import Options, attributes_of, value_of
from shared import event_types, values
from shared.errors import InvalidArgument
from shared.events.check import check_id
from shared.limits import MAX_QUANTITY

PLAIN_ID = 64


class EventRow(NamedTuple):
    """The columns of an events file, with values as the file has them."""

    event_type: Any = None
    customer_id: Any = None
    visitor_id: Any = None
    timestamp: Any = None
    session_id: Any = None
    event_id: Any = None
    product_id: Any = None
    quantity: Any = None
    price: Any = None
    amount: Any = None
    currency: Any = None
    order_id: Any = None
    items: Any = None
    duration_seconds: Any = None
    query: Any = None
    category: Any = None
    page_type: Any = None
    attributes: Any = None


ATTRIBUTES = EventRow._fields.index("attributes")


class Goods(NamedTuple):
    """A product, how much of it, and for how much money, where the row says."""

    product_id: str
    quantity: float
    amount: int | None
    currency: str


def rows_by_place(columns: Mapping[str, Sequence[Any]]) -> Callable[[int], EventRow]:
    """Return a function from the place of a row to the row, from values by column name; missing columns give None."""
    attributes = {name: list(column) for name, column in columns.items() if name.startswith("attributes.")}
    given = [(place, list(columns[name])) for place, name in enumerate(EventRow._fields) if name in columns]
    nothing: list[Any] = [None] * len(EventRow._fields)

    def row_at(index: int) -> EventRow:
        row = nothing.copy()
        for place, column in given:
            row[place] = column[index]
        if attributes:
            row[ATTRIBUTES] = attributes_of(attributes, "attributes.", index)
        return EventRow._make(row)

    return row_at


class EventBuilder:
    """Builds the event of one row; knows nothing of other rows. Raises InvalidArgument for what it cannot use."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._parse_time = values.time_parser(options.zone)
        self._fill: dict[str, Callable[[Event, EventRow], None]] = {
            event_types.PRODUCT_VIEW: self._product_view,
            event_types.ADD: lambda event, row: self._quantities(event.add_to_cart.items, row),
            event_types.REMOVE: lambda event, row: self._quantities(event.remove_from_cart.items, row),
            event_types.PURCHASE: self._purchase,
            event_types.REFUND: self._refund,
            event_types.SEARCH: self._search,
            event_types.CATEGORY_VIEW: self._category_view,
            event_types.HOME_VIEW: lambda event, row: event.home_view.SetInParent(),
            event_types.CART_VIEW: lambda event, row: event.cart_view.SetInParent(),
            event_types.PAGE_VIEW: self._page_view,
        }

    def build(self, kind: str, row: EventRow) -> tuple[Event, int]:
        """Return the event, without its time, and its time in microseconds since 1970."""
        event = Event(
            event_id=id_of("event_id", row.event_id),
            customer_id=id_of("customer_id", row.customer_id),
            visitor_id=id_of("visitor_id", row.visitor_id),
            session_id=id_of("session_id", row.session_id),
            attributes=row.attributes,
        )
        if not event.customer_id and not event.visitor_id:
            event.visitor_id = self._guest(row)
        micros = self.micros(row.timestamp)
        if kind.startswith(event_types.CUSTOM):
            event.custom.name = kind.removeprefix(event_types.CUSTOM)
        else:
            self._fill[kind](event, row)
        return event, micros

    def micros(self, timestamp: Any) -> int:
        """Return the time of a row in microseconds since 1970."""
        found = value_of("timestamp", self._parse_time, timestamp)
        if found is None:
            raise InvalidArgument.of("timestamp", timestamp, "is required")
        return found

    def goods(self, row: EventRow) -> Goods:
        """Return the product, quantity and amount of a row."""
        product_id = id_of("product_id", row.product_id)
        if not product_id:
            raise InvalidArgument.of("product_id", row.product_id, "is required")
        currency = self.currency(row)
        quantity = 1.0 if row.quantity is None else value_of("quantity", values.number, row.quantity)
        amount = self._amount(row, currency)
        return Goods(product_id, 1.0 if quantity is None else quantity, amount, currency)

    def _amount(self, row: EventRow, currency: str) -> int | None:
        amount = None if row.amount is None else value_of("amount", values.minor_units, row.amount, currency)
        if amount is not None or row.price is None:
            return amount
        return value_of("price", values.line_amount, row.price, row.quantity, currency)

    def bought(self, row: EventRow) -> Goods:
        """Return the goods of a purchase's line. Quantities are above 0, amounts not negative."""
        goods = self.goods(row)
        if not 0 < goods.quantity <= MAX_QUANTITY:
            raise InvalidArgument.of("quantity", row.quantity, f"must be above 0 and at most {MAX_QUANTITY:,.0f}")
        if goods.amount is not None and goods.amount < 0:
            name = "price" if row.amount is None else "amount"
            raise InvalidArgument.of(name, getattr(row, name), "must not be negative")
        return goods

    def currency(self, row: EventRow) -> str:
        """Return the currency of a row's amounts."""
        if row.currency is None:
            return self._options.currency
        return value_of("currency", values.text, row.currency) or self._options.currency

    def returned(self, row: EventRow) -> bool:
        """Return whether a purchase row gives goods back, that is, has a negative quantity and these are wanted."""
        if self._options.negative_quantity != "refund":
            return False
        quantity = value_of("quantity", values.number, row.quantity)
        return quantity is not None and quantity < 0

    def _guest(self, row: EventRow) -> str:
        order_id = value_of("order_id", values.text, row.order_id)
        if self._options.guests == "reject" or not order_id:
            raise InvalidArgument.of("customer_id", row.customer_id, "is required unless visitor_id is set")
        return id_of("order_id", f"guest:{order_id}")

    def _purchase(self, event: Event, row: EventRow) -> None:
        event.purchase.purchase_id = id_of("order_id", row.order_id)
        for each in self._nested(row):
            add_line(event, self.bought(each))
        if not event.purchase.items:
            add_line(event, self.bought(row))

    def _refund(self, event: Event, row: EventRow) -> None:
        refund = event.refund
        refund.purchase_id = id_of("order_id", row.order_id)
        for each in self._nested(row):
            goods = self.goods(each)
            refund.items.add(product_id=goods.product_id, quantity=abs(goods.quantity))
        if row.product_id is not None and not refund.items:
            goods = self.goods(row)
            refund.items.add(product_id=goods.product_id, quantity=abs(goods.quantity))
        currency = self.currency(row)
        amount = self._amount(row, currency)
        if amount is not None:
            refund.amount.currency_code, refund.amount.amount_minor = currency, abs(amount)

    def _quantities(self, items: Any, row: EventRow) -> None:
        for each in self._nested(row) or [row]:
            goods = self.bought(each)
            items.add(product_id=goods.product_id, quantity=goods.quantity)

    def _product_view(self, event: Event, row: EventRow) -> None:
        event.product_view.product_id = id_of("product_id", row.product_id)
        seconds = value_of("duration_seconds", values.number, row.duration_seconds)
        event.product_view.duration_seconds = seconds or 0.0

    def _search(self, event: Event, row: EventRow) -> None:
        event.search.query = value_of("query", values.text, row.query)

    def _category_view(self, event: Event, row: EventRow) -> None:
        event.category_view.category = value_of("category", values.text, row.category)

    def _page_view(self, event: Event, row: EventRow) -> None:
        """A page without a type is what the row names: a product, a category, a search, or the start page."""
        page_type = value_of("page_type", values.text, row.page_type)
        if page_type:
            event.page_view.page_type = _page_type(page_type)
            event.page_view.product_id = id_of("product_id", row.product_id)
            event.page_view.category = value_of("category", values.text, row.category)
        elif row.product_id is not None:
            self._product_view(event, row)
        elif row.category is not None:
            self._category_view(event, row)
        elif row.query is not None:
            self._search(event, row)
        else:
            event.home_view.SetInParent()

    def _nested(self, row: EventRow) -> list[EventRow]:
        """Return the row's `items` as rows of their own; `[]` when it has none."""
        if row.items is None:
            return []
        found = value_of("items", values.objects, row.items)
        return [
            EventRow(
                product_id=each.get("product_id"),
                quantity=each.get("quantity"),
                price=each.get("price"),
                amount=each.get("amount"),
                currency=each.get("currency", row.currency),
            )
            for each in found
        ]


def add_line(event: Event, goods: Goods) -> None:
    """Add a line to a purchase. Raises InvalidArgument when it is in another currency than the lines before."""
    lines = event.purchase.items
    if goods.amount is None:
        lines.add(product_id=goods.product_id, quantity=goods.quantity)
        return
    currency = lines[0].amount.currency_code if lines else ""
    if currency != goods.currency:
        currency = next((line.amount.currency_code for line in lines if line.HasField("amount")), goods.currency)
        if currency != goods.currency:
            raise InvalidArgument.of("currency", goods.currency, f"the order is in {currency}")
    amount = lines.add(product_id=goods.product_id, quantity=goods.quantity).amount
    amount.currency_code, amount.amount_minor = goods.currency, goods.amount


def id_of(name: str, value: Any) -> str:
    """Return a value as an id, "" for none. Raises InvalidArgument when it is none that the contract allows."""
    if value is None:
        return ""
    if type(value) is str and value.isalnum() and len(value) <= PLAIN_ID:
        return value  # as most are; that spares a closer look
    found = value_of(name, values.text, value)
    check_id(found, name, required=False)
    return found


def _page_type(name: str) -> PageType.ValueType:
    plain = name.upper().replace("-", "_").replace(" ", "_").removeprefix("PAGE_TYPE_").removesuffix("_PAGE")
    if f"PAGE_TYPE_{plain}" not in PageType.keys():  # noqa: SIM118 - not a dict
        names = ", ".join(each.removeprefix("PAGE_TYPE_").lower() for each in PageType.keys()[1:])
        raise InvalidArgument.of("page_type", name, f"must be one of {names}")
    return PageType.Value(f"PAGE_TYPE_{plain}")
