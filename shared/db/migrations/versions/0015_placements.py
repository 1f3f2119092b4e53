"""Placements and rules of merchandisers, the placement that a list filled, and what products cost the shop."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "placements",
        sa.Column("placement_id", sa.String(63), primary_key=True, comment="the platform's id"),
        sa.Column("definition", sa.LargeBinary(), nullable=False, comment="quintet.type.v1.Placement, serialised"),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "merchandising_rules",
        sa.Column("rule_id", sa.String(63), primary_key=True, comment="the platform's id"),
        sa.Column("definition", sa.LargeBinary(), nullable=False, comment="quintet.type.v1.Rule, serialised"),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
    )
    op.add_column(
        "products",
        sa.Column(
            "cost", sa.BigInteger(), comment="what it costs the shop, minor units of its currency; null when unknown"
        ),
    )
    op.add_column(
        "recommendation_lists",
        sa.Column(
            "placement_id", sa.String(63), comment="the placement that was filled; null for that of the page itself"
        ),
    )


def downgrade() -> None:
    op.drop_column("products", "cost")
    op.drop_column("recommendation_lists", "placement_id")
    op.drop_table("merchandising_rules")
    op.drop_table("placements")
