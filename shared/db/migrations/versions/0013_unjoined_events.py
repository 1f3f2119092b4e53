"""Events that name a customer, product or order that is not known yet."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "unjoined_events",
        sa.Column("id", KEY, nullable=False),
        sa.Column("packed_id", sa.LargeBinary(), nullable=False, comment="see shared.db.event_rows"),
        sa.Column("kind", sa.String(length=40), nullable=False, comment="field of Event.detail"),
        sa.Column("customer_id", sa.String(length=128), nullable=True, comment="the platform's, as the event says"),
        sa.Column("visitor_id", sa.String(length=128), nullable=True, comment="the platform's, as the event says"),
        sa.Column("order_id", sa.String(length=128), nullable=True, comment="of the order that a purchase records"),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False, comment="quintet.type.v1.Event, serialised"),
        sa.Column(
            "expired",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="joined only when that is asked for",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unjoined_events")),
        sa.UniqueConstraint("packed_id", name=op.f("uq_unjoined_events_packed_id")),
        sqlite_autoincrement=True,
    )
    for name in ("customer_id", "visitor_id", "order_id", "received_at"):
        op.create_index(op.f(f"ix_unjoined_events_{name}"), "unjoined_events", [name])
    op.create_table(
        "missing_references",
        sa.Column("kind", sa.String(length=10), nullable=False, comment="customer, product or purchase"),
        sa.Column("external_id", sa.String(length=128), nullable=False, comment="the platform's id"),
        sa.Column("unjoined_id", KEY, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["unjoined_id"], ["unjoined_events.id"], name=op.f("fk_missing_references_unjoined_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("kind", "external_id", "unjoined_id", name=op.f("pk_missing_references")),
    )
    op.create_index(op.f("ix_missing_references_unjoined_id"), "missing_references", ["unjoined_id"])


def downgrade() -> None:
    op.drop_table("missing_references")
    op.drop_table("unjoined_events")
