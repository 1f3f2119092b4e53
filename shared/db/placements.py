"""Placements, rules and experiments as they are stored: definitions by id. Written by the recommendation agent.

Each change counts the counter `merchandising` up, so that readers who follow it see when to read anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, Table, func, select

from shared.db.engine import insert_into, next_count
from shared.db.schema import counters, experiments, merchandising_rules, placements

COUNTER = "merchandising"


@dataclass(frozen=True)
class Stored:
    """A definition: a serialised message of the contract, under its id."""

    id: str
    definition: bytes
    updated_at: datetime


@dataclass(frozen=True)
class DefinitionTable:
    """A table of definitions by id. Every write counts as a change that readers follow."""

    table: Table

    def get(self, connection: Connection, name: str) -> Stored | None:
        """Return a definition; None for an unknown one."""
        row = connection.execute(select(self.table).where(self._id == name)).first()
        return None if row is None else Stored(*row)

    def list(self, connection: Connection, after: str = "", limit: int | None = None) -> Sequence[Stored]:
        """Return definitions with ids after `after`, by id."""
        chosen = select(self.table).where(self._id > after).order_by(self._id).limit(limit)
        return [Stored(*row) for row in connection.execute(chosen)]

    def count(self, connection: Connection) -> int:
        """Return how many definitions there are."""
        return int(connection.execute(select(func.count()).select_from(self.table)).scalar_one())

    def put(self, connection: Connection, stored: Stored) -> None:
        """Add or replace a definition."""
        next_count(connection, COUNTER)
        values = {self._id.name: stored.id, "definition": stored.definition, "updated_at": stored.updated_at}
        statement = insert_into(connection, self.table).values(values)
        replaced = {name: statement.excluded[name] for name in ("definition", "updated_at")}
        connection.execute(statement.on_conflict_do_update(index_elements=[self._id.name], set_=replaced))

    def delete(self, connection: Connection, name: str) -> bool:
        """Delete a definition and return whether there was one."""
        next_count(connection, COUNTER)
        return connection.execute(self.table.delete().where(self._id == name)).rowcount > 0

    def lock(self, connection: Connection) -> None:
        """Keep others from changing definitions until the transaction ends."""
        next_count(connection, COUNTER)

    @property
    def _id(self) -> Column[str]:
        return next(iter(self.table.primary_key))


PLACEMENTS = DefinitionTable(placements)
RULES = DefinitionTable(merchandising_rules)
EXPERIMENTS = DefinitionTable(experiments)


def version(connection: Connection) -> int:
    """Return the number of the last change of placements or rules; 0 when there was none."""
    found = connection.execute(select(counters.c.value).where(counters.c.name == COUNTER)).scalar_one_or_none()
    return int(found or 0)
