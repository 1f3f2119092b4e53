"""What shoppers said no to, as serving reads it."""

from sqlalchemy import Connection

from shared.db import request_reads


def dismissed_products(connection: Connection, customer_key: int) -> set[int]:
    """Return the keys of the products a customer said no to."""
    return set(request_reads.dismissed_products(connection, customer_key).tolist())
