"""Events that a consumer of the log could not apply."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "failed_events",
        sa.Column("consumer", sa.String(length=40), nullable=False, comment="the agent that could not apply the event"),
        sa.Column("sequence", KEY, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False, comment="as in event_log"),
        sa.Column(
            "reason",
            sa.String(length=200),
            nullable=False,
            comment="class of the error and place in the code; no values",
        ),
        sa.Column("first_failed_at", sa.BigInteger(), nullable=False),
        sa.Column("last_failed_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sequence"], ["event_log.sequence"], name=op.f("fk_failed_events_sequence"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("consumer", "sequence", name=op.f("pk_failed_events")),
    )
    op.create_index(op.f("ix_failed_events_sequence"), "failed_events", ["sequence"])


def downgrade() -> None:
    op.drop_table("failed_events")
