"""A shop of two tastes to test the recommendation agent in: coffee people in the north, tea people in the south.

Coffee `c0` to `c7`, tea `t0` to `t7`, and accessories `a0` to `a5`: even ones go with coffee, odd ones with tea.
"""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from quintet.type.v1.event_pb2 import (
    AddToCart,
    Event,
    ProductQuantity,
    ProductView,
    Purchase,
    PurchaseLine,
    Search,
)

from services.recommendation.training.train import run
from shared.db import event_log, models, product_embeddings, relations
from shared.db.customer_updates import NewCustomer
from shared.db.customer_updates import upsert as upsert_customers
from shared.db.customers import resolve_customers, resolve_visitors
from shared.db.engine import Connection, Database
from shared.db.event_log import LoggedEvent, NewEvent
from shared.db.products import NewProduct, product_keys, upsert_products
from shared.db.projection import decode, project
from shared.db.relations import COMPLEMENTARY, SIMILAR, Related
from shared.jobs import ProgressReporter

SPACE = "space-1"
COFFEE = [f"c{i}" for i in range(8)]
TEA = [f"t{i}" for i in range(8)]
ACCESSORIES = [f"a{i}" for i in range(6)]
CATEGORIES = {"c": "Coffee", "t": "Tea", "a": "Accessories"}
DIRECTIONS = {"c": 0, "t": 1, "a": 2}
PEOPLE = 16
"""Of each taste."""


def open_shop(database: Database) -> None:
    """Add the products with embeddings and relations, and the people with what they bought in the last weeks."""
    add_products(database, [_product(name, place) for place, name in enumerate([*COFFEE, *TEA, *ACCESSORIES])])
    with database.write() as connection:
        upsert_customers(connection, [_customer(i, taste) for taste in "ct" for i in range(PEOPLE)])
    _relate(database)
    act(database, *[_order(i, week, taste) for week in range(2) for taste in "ct" for i in range(PEOPLE)])


def add_products(database: Database, new: Sequence[NewProduct]) -> None:
    """Add or update products and their embeddings, in one transaction, as the product agent does."""
    if _space(database) is None:
        models.save_model(database, "embedding_space", SPACE, b"", {})
    with database.write() as connection:
        keys = upsert_products(connection, new).keys
        vectors = np.stack([_vector(each.external_id) for each in new])
        product_embeddings.store_embeddings(connection, SPACE, [keys[each.external_id] for each in new], vectors)


def add_customer(database: Database, name: str, region: str = "", age_group: str = "") -> None:
    """Add a customer who did nothing yet."""
    facts = {key: value for key, value in (("region", region), ("age_group", age_group)) if value}
    with database.write() as connection:
        upsert_customers(connection, [NewCustomer(external_id=name, demographics=facts)])


def act(database: Database, *events: Event) -> None:
    """Record events and project them, as coordinator and customer agent do."""
    for start in range(0, len(events), 100):
        with database.write() as connection:
            some = events[start : start + 100]
            owners = resolve_customers(connection, [event.customer_id for event in some])
            new = [_new(event)._replace(customer_key=owners.get(event.customer_id)) for event in some]
            numbers = event_log.append(connection, new)
            logged = [LoggedEvent(numbers[each.event_id], *_fields(each)) for each in new]
            _project(connection, logged)


def act_as_visitor(database: Database, event: Event) -> None:
    """Record an event of a visitor and project it; the visitor becomes known."""
    with database.write() as connection:
        key = resolve_visitors(connection, [event.visitor_id])[event.visitor_id]
        new = _new(event)._replace(customer_key=key)
        number = event_log.append(connection, [new])[new.event_id]
        _project(connection, [LoggedEvent(number, *_fields(new))])


def _project(connection: Connection, logged: Sequence[LoggedEvent]) -> None:
    project(connection, decode(logged))
    event_log.lock_cursor(connection, "customer")
    event_log.move_cursor(connection, "customer", logged[-1].sequence)


def viewed(customer: str, product: str, session: str = "now", ago: timedelta = timedelta()) -> Event:
    """Return a product view."""
    return _event(customer, session, ago, product_view=ProductView(product_id=product))


def put_in_cart(customer: str, *products: str) -> Event:
    """Return an addition to the cart."""
    items = [ProductQuantity(product_id=product) for product in products]
    return _event(customer, "now", timedelta(), add_to_cart=AddToCart(items=items))


def searched(customer: str, query: str) -> Event:
    """Return a search."""
    return _event(customer, "now", timedelta(), search=Search(query=query))


def bought(customer: str, *products: str, ago: timedelta = timedelta()) -> Event:
    """Return an order."""
    lines = [PurchaseLine(product_id=product) for product in products]
    purchase = Purchase(purchase_id=secrets.token_hex(8), items=lines)
    return _event(customer, f"order {ago}", ago, purchase=purchase)


def train(database: Database) -> str:
    """Train on the shop and return the version."""
    return str(run(database, ProgressReporter(write=lambda _: None), threads=1)["version"])


def product(external_id: str, **facts: object) -> NewProduct:
    """Return a product of the shop with some facts changed."""
    return NewProduct(**{**_facts(external_id, 0), **facts})  # type: ignore[arg-type]


def _product(name: str, place: int) -> NewProduct:
    return NewProduct(**_facts(name, place))  # type: ignore[arg-type]


def _facts(name: str, place: int) -> dict[str, object]:
    category = CATEGORIES[name[0]]
    return {
        "external_id": name,
        "name": f"{category} number {name[1:]}",
        "category": category,
        "brand": "Plain" if place % 2 else "Fancy",
        "price": 500 + 100 * place,
        "currency": "EUR",
        "image_urls": (f"https://shop.example/{name}.jpg",),
        "available_at": datetime(2026, 1, 1, tzinfo=UTC),
    }


def _vector(name: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return the direction of the product's category with a little of its own."""
    own = np.random.default_rng(list(name.encode())).normal(0.0, 0.1, 8)
    own[DIRECTIONS[name[0]]] += 1.0
    return (own / np.linalg.norm(own)).astype(np.float32)


def _customer(number: int, taste: str) -> NewCustomer:
    north = taste == "c"
    facts = {"region": "North" if north else "South", "age_group": "25-34" if north else "55-64"}
    return NewCustomer(external_id=f"{taste}-lover-{number}", demographics=facts)


def _order(number: int, week: int, taste: str) -> Event:
    """Return an order of three products of the taste, other ones each week, and an accessory."""
    own = [f"{taste}{(number + 3 * week + step) % 8}" for step in range(3)]
    accessory = f"a{2 * (number % 3) + (taste == 't')}"
    return bought(f"{taste}-lover-{number}", *own, accessory, ago=timedelta(days=20 - 7 * week, minutes=number))


def _relate(database: Database) -> None:
    names = [*COFFEE, *TEA, *ACCESSORIES]
    with database.write() as connection:
        keys = product_keys(connection, names)
        for relation, rule in ((SIMILAR, _alike), (COMPLEMENTARY, _together)):
            rows = [(keys[one], [keys[other] for other in names if other != one and rule(one, other)]) for one in names]
            relations.store_relations(connection, relation, [(key, _related(others)) for key, others in rows])


def _alike(one: str, other: str) -> bool:
    return one[0] == other[0]


def _together(one: str, other: str) -> bool:
    taste, accessory = sorted((one, other), key=lambda name: name[0] == "a")
    return taste[0] != "a" and accessory[0] == "a" and (int(accessory[1]) % 2 == 1) == (taste[0] == "t")


def _related(keys: list[int]) -> Related:
    return Related(np.array(keys, dtype=np.int64), np.linspace(1.0, 0.5, len(keys), dtype=np.float32))


def _event(customer: str, session: str, ago: timedelta, **detail: object) -> Event:
    event = Event(event_id=secrets.token_hex(8), customer_id=customer, session_id=session, **detail)  # type: ignore[arg-type]
    event.event_time.FromDatetime(datetime.now(UTC) - ago)
    return event


def _new(event: Event) -> NewEvent:
    kind = event.WhichOneof("detail") or ""
    return NewEvent(event.event_id, None, kind, event.event_time.ToDatetime(tzinfo=UTC), event.SerializeToString())


def _fields(new: NewEvent) -> tuple[str, int | None, str, datetime, bytes]:
    return new.event_id, new.customer_key, new.kind, new.occurred_at, new.payload


def _space(database: Database) -> str | None:
    with database.read() as connection:
        return models.active_version(connection, "embedding_space")


def move_to_space(database: Database, space: str, dimensions: int) -> None:
    """Embed all products in another space and make it the active one, as a refresh of the catalogue does."""
    with database.write() as connection:
        keys = product_keys(connection, [*COFFEE, *TEA, *ACCESSORIES])
        vectors = np.stack([_vector(name)[:dimensions] for name in keys])
        product_embeddings.store_embeddings(connection, space, list(keys.values()), vectors)
    models.save_model(database, "embedding_space", space, b"", {})
