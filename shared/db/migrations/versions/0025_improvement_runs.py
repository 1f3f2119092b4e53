"""Runs of continuous improvement, looks for drift, and shadow models."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
json = sa.JSON().with_variant(JSONB(), "postgresql")
OPEN = sa.text("ended_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "input_counts",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False, comment="days since 1970-01-01 in UTC"),
        sa.Column("dimension", sa.String(40), nullable=False, comment="what is counted: see shared.db.input_counts"),
        sa.Column(
            "value", sa.String(200), nullable=False, comment="empty: nothing; the row says that the day was counted"
        ),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "dimension", "value", name="pk_input_counts"),
    )
    op.create_table(
        "drift_checks",
        sa.Column(
            "day",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="the day looked at, since 1970-01-01 in UTC",
        ),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.Column("found", sa.Boolean(), nullable=False, comment="whether any test is a finding"),
        sa.Column(
            "model_version", sa.String(64), nullable=False, comment="whose quality was looked at; empty for none"
        ),
        sa.Column("quality", json, nullable=False, comment="the replay of the day's questions; empty for none"),
        sa.Column("tests", json, nullable=False, comment="every test: what, numbers, whether it is a finding"),
        sa.Column("job_id", sa.String(64), comment="the training that it triggered"),
        sa.PrimaryKeyConstraint("day", name="pk_drift_checks"),
    )
    op.create_table(
        "improvement_runs",
        sa.Column("run_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False, comment="model or weights"),
        sa.Column("state", sa.String(20), nullable=False, comment="see shared.db.improvement_runs"),
        sa.Column("trigger", sa.String(10), nullable=False, comment="schedule, drift or operator"),
        sa.Column("drift_day", sa.Integer(), comment="of the drift that triggered it"),
        sa.Column("former", sa.String(64), nullable=False, comment="version that it would replace"),
        sa.Column("candidate", sa.String(64), nullable=False, comment="version that it would put in use"),
        sa.Column(
            "cutoff", sa.BigInteger(), comment="what came after it was not learned from: the paired test asks it"
        ),
        sa.Column("experiment_id", sa.String(63), comment="of the canary, then of the holdback"),
        sa.Column("evidence", json, nullable=False, comment="numbers by stage"),
        sa.Column("reason", sa.Text(), nullable=False, comment="why it is in its state, for people"),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("state_since", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), comment="null while it goes on"),
        sa.PrimaryKeyConstraint("run_id", name="pk_improvement_runs"),
    )
    op.create_index(
        "ix_improvement_runs_open",
        "improvement_runs",
        ["kind"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    op.create_index("ix_improvement_runs_started", "improvement_runs", ["started_at", "run_id"])
    op.create_table(
        "improvement_control",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False, comment="1"),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="why, for people"),
        sa.PrimaryKeyConstraint("id", name="pk_improvement_control"),
    )
    op.create_table(
        "shadow_models",
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("share", sa.Float(), nullable=False, comment="of the answers that it answers as well, 0 to 1"),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("dropped", sa.BigInteger(), nullable=False, server_default="0", comment="answers for want of time"),
        sa.PrimaryKeyConstraint("version", name="pk_shadow_models"),
    )
    op.create_table(
        "shadow_lists",
        sa.Column("list_id", key, autoincrement=False, nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("overlap", sa.Float(), nullable=False, comment="share of the shown products that it has as well"),
        sa.Column("correlation", sa.Float(), comment="of the ranks of what both have; null for fewer than two"),
        sa.Column("products", json, nullable=False, comment="keys, best first"),
        sa.ForeignKeyConstraint(
            ["list_id"], ["recommendation_lists.id"], name="fk_shadow_lists_list_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("list_id", "version", name="pk_shadow_lists"),
    )
    op.create_index("ix_shadow_lists_version", "shadow_lists", ["version"])


def downgrade() -> None:
    for table in (
        "shadow_lists",
        "shadow_models",
        "improvement_control",
        "improvement_runs",
        "drift_checks",
        "input_counts",
    ):
        op.drop_table(table)
