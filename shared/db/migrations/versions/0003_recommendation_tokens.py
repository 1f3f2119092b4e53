"""Keys of recommendation ids, and responses that wait for a recommendation to be written."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "token_keys",
        sa.Column("key_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False, comment="32 bytes; protects recommendation ids"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_token_keys")),
    )
    op.create_table(
        "waiting_responses",
        sa.Column("recommendation_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="not written yet"),
        sa.Column("event_sequence", KEY, autoincrement=False, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_sequence"],
            ["event_log.sequence"],
            name=op.f("fk_waiting_responses_event_sequence"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("recommendation_id", "event_sequence", name=op.f("pk_waiting_responses")),
    )
    op.create_index(op.f("ix_waiting_responses_since"), "waiting_responses", ["since"])


def downgrade() -> None:
    op.drop_table("waiting_responses")
    op.drop_table("token_keys")
