"""Leases with rising tokens, jobs that can be cancelled, schedules that can be paused and keep their next time."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

JOB_COLUMNS = ("lease", "lease_token", "cancel_requested_at")
SCHEDULE_COLUMNS = ("next_at", "period_seconds", "paused", "failures", "job_id", "settled")


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(80), nullable=False, comment="the work that one process does"),
        sa.Column("holder", sa.String(64), nullable=False, comment="who does it; empty for nobody"),
        sa.Column("token", sa.BigInteger(), nullable=False, comment="rises with every holder"),
        sa.Column("expires_at", sa.BigInteger(), nullable=False, comment="microseconds since 1970; 0 for nobody"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.add_column("job_runs", sa.Column("lease", sa.String(80), nullable=True, comment="the work that it holds"))
    op.add_column("job_runs", sa.Column("lease_token", sa.BigInteger(), nullable=True))
    op.add_column("job_runs", sa.Column("cancel_requested_at", sa.BigInteger(), nullable=True))
    op.add_column("scheduled_jobs", sa.Column("next_at", sa.BigInteger(), nullable=True, comment="when it is due"))
    op.add_column(
        "scheduled_jobs",
        sa.Column("period_seconds", sa.Float(), nullable=True, comment="in place of the setting; 0 is never"),
    )
    op.add_column("scheduled_jobs", sa.Column("paused", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column(
        "scheduled_jobs",
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False, comment="in a row, up to now"),
    )
    op.add_column(
        "scheduled_jobs",
        sa.Column("job_id", sa.String(64), nullable=True, comment="the last run that the clock was set by"),
    )
    op.add_column(
        "scheduled_jobs",
        sa.Column("settled", sa.Boolean(), server_default=sa.true(), nullable=False, comment="that run's end is known"),
    )


def downgrade() -> None:
    for table, columns in (("scheduled_jobs", SCHEDULE_COLUMNS), ("job_runs", JOB_COLUMNS)):
        with op.batch_alter_table(table) as batch:
            for name in columns:
                batch.drop_column(name)
    op.drop_table("leases")
