"""An index by which an answer sees that something was refunded to the shopper."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_purchases_refunded",
        "purchases",
        ["customer_id", "refunded_amount"],
        sqlite_where=sa.text("refunded_amount > 0"),
        postgresql_where=sa.text("refunded_amount > 0"),
    )


def downgrade() -> None:
    op.drop_index("ix_purchases_refunded", "purchases")
