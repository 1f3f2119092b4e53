"""How long a process waits for the database, whatever happens to it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of every wait for the database, in seconds.

    Attributes
    ----------
    connect_seconds : int
        For a connection, of PostgreSQL; at least 2, which is the least that its driver takes.
    lock_seconds : float
        For a lock that another transaction holds, on either database.
    statement_seconds : float
        For one statement, on PostgreSQL. A server that is silent for five seconds longer is taken for lost.
    idle_seconds : float
        Between two statements of a transaction, on PostgreSQL; then the server ends the connection.
    pool_seconds : float
        For a connection of the pool while all are in use.
    """

    connect_seconds: int = 5
    lock_seconds: float = 15.0
    statement_seconds: float = 60.0
    idle_seconds: float = 60.0
    pool_seconds: float = 5.0


SERVING = Limits()
"""Of an agent that answers calls, unless settings say otherwise."""
