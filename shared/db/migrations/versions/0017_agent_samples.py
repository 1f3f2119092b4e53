"""Samples of the performance of agents."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agent_samples",
        sa.Column("agent", sa.String(20), nullable=False),
        sa.Column("instance", sa.String(64), nullable=False, comment="one process of the agent"),
        sa.Column("sampled_at", sa.BigInteger(), autoincrement=False, nullable=False, comment="end of the period"),
        sa.Column("clock_ahead_seconds", sa.Float(), nullable=False, comment="of the instance before the database's"),
        sa.Column("seconds", sa.Float(), nullable=False, comment="length of the period"),
        sa.Column("calls", sa.BigInteger(), nullable=False, comment="that somebody waits for"),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("p50_ms", sa.Float(), nullable=False),
        sa.Column("p99_ms", sa.Float(), nullable=False),
        sa.Column("cpu_cores", sa.Float(), nullable=False),
        sa.Column("memory_mb", sa.Float(), nullable=False),
        sa.Column("answers", sa.BigInteger(), nullable=False, comment="lists of recommendations"),
        sa.Column("empty", sa.BigInteger(), nullable=False),
        sa.Column("fallbacks", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("agent", "instance", "sampled_at", name=op.f("pk_agent_samples")),
    )


def downgrade() -> None:
    op.drop_table("agent_samples")
