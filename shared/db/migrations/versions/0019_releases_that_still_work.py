"""Which releases work on the schema."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

counters = sa.table("counters", sa.column("name", sa.String), sa.column("value", sa.BigInteger))


def upgrade() -> None:
    op.bulk_insert(counters, [{"name": "schema_works_from", "value": 18}])


def downgrade() -> None:
    op.execute(counters.delete().where(counters.c.name == "schema_works_from"))
