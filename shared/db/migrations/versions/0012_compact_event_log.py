"""The event log can keep its events in half the room. Rows of before stay as they are, and may still be written."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OLD_COLUMNS = "sequence, event_id, customer_id, kind, occurred_at, received_at, payload, order_id"
FOLLOWING = ("waiting_responses", "failed_events")
"""Tables whose rows go with those of the log, also when SQLite drops the table to make it anew."""
COMMENTS = {
    "event_id": "the platform's, of feedback with a prefix; null in compact rows",
    "kind": "field of Event.detail, or feedback; in compact rows a letter",
    "received_at": "null in compact rows: see event_receipts",
    "packed_id": "the event's id in compact rows, see shared.db.event_rows",
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _make_anew(compact=True)
    else:
        op.drop_constraint(op.f("uq_event_log_event_id"), "event_log")
        op.alter_column("event_log", "event_id", nullable=True, comment=COMMENTS["event_id"])
        op.alter_column("event_log", "received_at", nullable=True, comment=COMMENTS["received_at"])
        op.alter_column("event_log", "kind", comment=COMMENTS["kind"])
        op.add_column("event_log", sa.Column("packed_id", sa.LargeBinary(), comment=COMMENTS["packed_id"]))
    for name in ("event_id", "packed_id"):
        some = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"ix_event_log_{name}", "event_log", [name], unique=True, sqlite_where=some, postgresql_where=some
        )
    op.create_table(
        "event_receipts",
        sa.Column(
            "first_sequence",
            KEY,
            autoincrement=False,
            nullable=False,
            comment="number of an event received at the time",
        ),
        sa.Column(
            "received_at", sa.BigInteger(), nullable=False, comment="until the next row, at least a minute later"
        ),
        sa.PrimaryKeyConstraint("first_sequence", name=op.f("pk_event_receipts")),
    )
    op.create_index(op.f("ix_event_receipts_received_at"), "event_receipts", ["received_at"])
    op.execute(
        "INSERT INTO event_receipts (first_sequence, received_at)"
        " SELECT MIN(sequence), MIN(received_at) FROM event_log GROUP BY received_at / 60000000"
    )


def downgrade() -> None:
    """Go back to plain rows only. Compact rows cannot be read before, so there must be none."""
    compact = op.get_bind().execute(sa.text("SELECT 1 FROM event_log WHERE packed_id IS NOT NULL LIMIT 1")).first()
    if compact:
        raise RuntimeError("the event log has compact rows, which the release before cannot read")
    op.drop_table("event_receipts")
    for name in ("event_id", "packed_id"):
        op.drop_index(f"ix_event_log_{name}", table_name="event_log")
    if op.get_bind().dialect.name == "sqlite":
        _make_anew(compact=False)
        return
    op.drop_column("event_log", "packed_id")
    op.alter_column("event_log", "event_id", nullable=False)
    op.alter_column("event_log", "received_at", nullable=False)
    op.create_unique_constraint(op.f("uq_event_log_event_id"), "event_log", ["event_id"])


def _make_anew(*, compact: bool) -> None:
    """Make the table of SQLite anew, which cannot change columns, and keep what refers to it."""
    for name in FOLLOWING:
        op.execute(f"CREATE TEMPORARY TABLE kept_{name} AS SELECT * FROM {name}")  # noqa: S608 - names of ours
    numbered = op.get_bind().execute(sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'event_log'")).scalar()
    op.create_table(
        "event_log_anew",
        sa.Column("sequence", KEY, nullable=False),
        sa.Column("event_id", sa.String(length=160), nullable=compact),
        sa.Column("customer_id", KEY, nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=compact),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("order_id", sa.String(length=128), nullable=True),
        *([sa.Column("packed_id", sa.LargeBinary(), nullable=True)] if compact else []),
        *([] if compact else [sa.UniqueConstraint("event_id", name=op.f("uq_event_log_event_id"))]),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.customer_id"], name=op.f("fk_event_log_customer_id")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_event_log")),
        sqlite_autoincrement=True,
    )
    op.execute(f"INSERT INTO event_log_anew ({OLD_COLUMNS}) SELECT {OLD_COLUMNS} FROM event_log")  # noqa: S608
    op.drop_table("event_log")
    op.rename_table("event_log_anew", "event_log")
    recorded = sa.text("order_id IS NOT NULL")
    op.create_index("ix_event_log_order_id", "event_log", ["order_id"], sqlite_where=recorded)
    op.create_index("ix_event_log_customer_sequence", "event_log", ["customer_id", "sequence"])
    # Numbers are never given twice, also when the last events were erased.
    op.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = 'event_log'"))
    op.execute(
        sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES ('event_log', :seq)").bindparams(seq=numbered or 0)
    )
    for name in FOLLOWING:
        op.execute(f"INSERT INTO {name} SELECT * FROM kept_{name}")  # noqa: S608
        op.execute(f"DROP TABLE kept_{name}")
