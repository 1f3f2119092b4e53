"""How far each partition of a projection has come."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "event_partitions",
        sa.Column("consumer", sa.String(40), nullable=False, comment="as in event_cursors; no rows: it is not divided"),
        sa.Column(
            "partition", sa.Integer(), nullable=False, comment="rest of the customer's key divided by partitions"
        ),
        sa.Column("partitions", sa.Integer(), nullable=False, comment="how many there are"),
        sa.Column(
            "sequence", sa.BigInteger(), nullable=False, comment="last event applied of the partition's customers"
        ),
        sa.PrimaryKeyConstraint("consumer", "partition", name="pk_event_partitions"),
    )


def downgrade() -> None:
    op.drop_table("event_partitions")
