"""Which customers, products and orders came since one last looked: three look-ups by an index, whatever there is."""

from collections.abc import Iterator

from sqlalchemy import Connection, func, select

from shared.db.schema import customers, products, purchases

AT_ONCE = 1_000
_NUMBERED = {
    "customer": (customers.c.customer_id, customers.c.external_id),
    "product": (products.c.change_sequence, products.c.external_id),
    "purchase": (purchases.c.purchase_id, purchases.c.external_id),
}
"""Of each kind the column that counts up with what is new (of products, with what changed), and the platform's id."""


class Arrivals:
    """Remembers how far one has looked; what was there at the first look is not new."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def look(self, connection: Connection) -> Iterator[tuple[str, list[str]]]:
        """Yield a kind and the platform's ids of what came, up to 1,000 at a time."""
        for kind, (number, _) in _NUMBERED.items():
            if kind not in self._seen:
                self._seen[kind] = connection.execute(select(func.coalesce(func.max(number), 0))).scalar_one()
            while rows := self._next(connection, kind):
                self._seen[kind] = rows[-1][0]
                yield kind, [external_id for _, external_id in rows if external_id]

    def _next(self, connection: Connection, kind: str) -> list[tuple[int, str | None]]:
        number, name = _NUMBERED[kind]
        query = select(number, name).where(number > self._seen[kind]).order_by(number).limit(AT_ONCE)
        return [(seen, external_id) for seen, external_id in connection.execute(query)]
