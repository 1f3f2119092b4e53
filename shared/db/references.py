"""Which tables refer to which: read off the schema, so that a new table is covered without being told of."""

from sqlalchemy import Column, Table

from shared.db.schema import metadata


def references_to(column: Column[int]) -> list[tuple[Table, Column[int]]]:
    """Return every table with a foreign key to `column`, and its own column, in the order of the foreign keys."""
    return [(table, mine) for table in metadata.sorted_tables for mine in table.columns if mine.references(column)]
