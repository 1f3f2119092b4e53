"""Up to which event an embedding of a customer is current."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("applied", sa.BigInteger(), comment="number of the log up to which events are in it")
    op.add_column("customer_embeddings", column)


def downgrade() -> None:
    op.drop_column("customer_embeddings", "applied")
