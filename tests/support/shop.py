"""A small shop in a database: customers and products to act with."""

from shared.db.customer_updates import NewCustomer
from shared.db.customer_updates import upsert as upsert_customers
from shared.db.engine import Database
from shared.db.products import NewProduct, upsert_products


def add_customers(database: Database, *names: str) -> None:
    """Add customers under these ids."""
    with database.write() as connection:
        upsert_customers(connection, [NewCustomer(external_id=name) for name in names])


def add_products(database: Database, *names: str, price: int | None = 250, **facts: object) -> None:
    """Add products under these ids, at `price` cents of US dollars; `facts` are further fields of `NewProduct`."""
    currency = None if price is None else "USD"
    with database.write() as connection:
        upsert_products(
            connection,
            [
                NewProduct(
                    **{"external_id": name, "name": f"Product {name}", "price": price, "currency": currency, **facts}
                )
                for name in names
            ],  # type: ignore[arg-type]
        )
