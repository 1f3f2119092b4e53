"""Products that are sold, but never recommended."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    recommendable: sa.Column[bool] = sa.Column(
        "recommendable",
        sa.Boolean(),
        nullable=False,
        server_default=sa.true(),
        comment="false for coupons, fuel, deposits and the like",
    )
    op.add_column("products", recommendable)


def downgrade() -> None:
    op.drop_column("products", "recommendable")
