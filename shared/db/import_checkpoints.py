"""How far each import of a file is: written in the transaction of the rows themselves, so that both agree always."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from shared.db.engine import insert_into
from shared.db.schema import import_checkpoints


@dataclass(frozen=True)
class ImportCheckpoint:
    """What is done of a file, in rows from its beginning; `shift_weeks` was added to all its times."""

    rows_done: int = 0
    rows_imported: int = 0
    rows_duplicate: int = 0
    rows_rejected: int = 0
    shift_weeks: int = 0
    finished: bool = False


def find(connection: Connection, source: str) -> ImportCheckpoint | None:
    """Return the checkpoint of the file with the fingerprint `source`; None when its import never began."""
    columns = import_checkpoints.c
    row = connection.execute(
        select(
            columns.rows_done,
            columns.rows_imported,
            columns.rows_duplicate,
            columns.rows_rejected,
            columns.shift_weeks,
            columns.finished,
        ).where(columns.source == source)
    ).one_or_none()
    return None if row is None else ImportCheckpoint(*row)


def save(connection: Connection, source: str, checkpoint: ImportCheckpoint) -> None:
    """Keep `checkpoint` in place of the one before."""
    values = {
        "rows_done": checkpoint.rows_done,
        "rows_imported": checkpoint.rows_imported,
        "rows_duplicate": checkpoint.rows_duplicate,
        "rows_rejected": checkpoint.rows_rejected,
        "shift_weeks": checkpoint.shift_weeks,
        "finished": checkpoint.finished,
        "updated_at": datetime.now(UTC),
    }
    first = insert_into(connection, import_checkpoints).values(source=source, **values)
    connection.execute(first.on_conflict_do_update(index_elements=["source"], set_=values))
