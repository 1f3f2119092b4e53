"""Experiments, who met which arm, and what was decided for each list."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "experiments",
        sa.Column("experiment_id", sa.String(63), primary_key=True, comment="the platform's id"),
        sa.Column("definition", sa.LargeBinary(), nullable=False, comment="quintet.type.v1.Experiment, serialised"),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "experiment_exposures",
        sa.Column("experiment_id", sa.String(63), nullable=False),
        sa.Column(
            "unit", sa.BigInteger(), autoincrement=False, nullable=False, comment="see shared.experiments.assignment"
        ),
        sa.Column("arm", sa.String(63), nullable=False, comment="whoever has two met both"),
        sa.Column("customer_id", KEY, comment="null while nobody is known"),
        sa.Column("session", sa.String(128), comment="the platform's session, where sessions are assigned"),
        sa.Column("first_at", sa.BigInteger(), nullable=False, comment="the first list of the arm"),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.customer_id"], name=op.f("fk_experiment_exposures_customer_id")
        ),
        sa.PrimaryKeyConstraint("experiment_id", "unit", "arm", name=op.f("pk_experiment_exposures")),
    )
    op.create_index(op.f("ix_experiment_exposures_customer_id"), "experiment_exposures", ["customer_id"])
    op.create_table(
        "bandit_statistics",
        sa.Column("placement_id", sa.String(63), nullable=False),
        sa.Column("variant_id", sa.String(63), nullable=False),
        sa.Column(
            "day", sa.Integer(), autoincrement=False, nullable=False, comment="days since 1970 in UTC, of the lists"
        ),
        sa.Column("reward", sa.String(64), nullable=False, comment="digest of the weights of the reward"),
        sa.Column("gram", sa.LargeBinary(), nullable=False, comment="sum of x x', float64, little endian"),
        sa.Column("moment", sa.LargeBinary(), nullable=False, comment="sum of x r, float64, little endian"),
        sa.Column("squares", sa.Float(), nullable=False, comment="sum of r r"),
        sa.Column("decisions", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("placement_id", "variant_id", "day", name=op.f("pk_bandit_statistics")),
    )
    op.create_table(
        "bandit_posteriors",
        sa.Column("placement_id", sa.String(63), nullable=False),
        sa.Column("variant_id", sa.String(63), nullable=False),
        sa.Column("mean", sa.LargeBinary(), nullable=False, comment="of the coefficients, float64, little endian"),
        sa.Column(
            "covariance", sa.LargeBinary(), nullable=False, comment="of the coefficients, float64, little endian"
        ),
        sa.Column("decisions", sa.BigInteger(), nullable=False, comment="that it was learned from"),
        sa.Column("learned_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("placement_id", "variant_id", name=op.f("pk_bandit_posteriors")),
    )
    for column in (
        sa.Column("assignments", JSON, comment="arm by experiment; null outside experiments"),
        sa.Column(
            "decision", JSON, comment="what a bandit chose from and how, see shared.experiments; null without one"
        ),
    ):
        op.add_column("recommendation_lists", column)


def downgrade() -> None:
    op.drop_column("recommendation_lists", "decision")
    op.drop_column("recommendation_lists", "assignments")
    op.drop_table("bandit_posteriors")
    op.drop_table("bandit_statistics")
    op.drop_table("experiment_exposures")
    op.drop_table("experiments")
