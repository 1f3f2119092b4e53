"""Orders in the event log by their id, the log by customer and number, and since when jobs are scheduled."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from quintet.type.v1.event_pb2 import Event

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ROWS_AT_ONCE = 5_000
EVENT_LOG = sa.table(
    "event_log",
    sa.column("sequence", sa.BigInteger),
    sa.column("kind", sa.String),
    sa.column("payload", sa.LargeBinary),
    sa.column("order_id", sa.String),
)


def upgrade() -> None:
    op.add_column(
        "event_log",
        sa.Column(
            "order_id",
            sa.String(length=128),
            nullable=True,
            comment="the platform's id of the order that a purchase records; else null",
        ),
    )
    for purchases in _purchases():
        op.get_bind().execute(
            EVENT_LOG.update()
            .where(EVENT_LOG.c.sequence == sa.bindparam("of"))
            .values(order_id=sa.bindparam("purchase_id")),
            [
                {"of": each.sequence, "purchase_id": Event.FromString(each.payload).purchase.purchase_id}
                for each in purchases
            ],
        )
    recorded = sa.text("order_id IS NOT NULL")
    op.create_index(
        "ix_event_log_order_id", "event_log", ["order_id"], sqlite_where=recorded, postgresql_where=recorded
    )
    op.create_index("ix_event_log_customer_sequence", "event_log", ["customer_id", "sequence"])
    op.drop_index(op.f("ix_event_log_customer_id"), table_name="event_log")
    op.create_table(
        "scheduled_jobs",
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column(
            "since",
            sa.BigInteger(),
            nullable=False,
            comment="when the kind was scheduled first: the start of its clock",
        ),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_scheduled_jobs")),
    )


def downgrade() -> None:
    op.drop_table("scheduled_jobs")
    op.create_index(op.f("ix_event_log_customer_id"), "event_log", ["customer_id"])
    op.drop_index("ix_event_log_customer_sequence", table_name="event_log")
    op.drop_index("ix_event_log_order_id", table_name="event_log")
    op.drop_column("event_log", "order_id")


def _purchases() -> Iterator[Any]:
    """Yield the purchases of the log, some thousands at a time."""
    columns = EVENT_LOG.c
    last = 0
    while True:
        query = (
            sa.select(columns.sequence, columns.payload)
            .where(columns.kind == "purchase", columns.sequence > last)
            .order_by(columns.sequence)
            .limit(ROWS_AT_ONCE)
        )
        rows = op.get_bind().execute(query).all()
        if not rows:
            return
        yield rows
        last = rows[-1].sequence
