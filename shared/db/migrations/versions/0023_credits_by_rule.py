"""Credits of purchases under several attribution rules with their margin, and grades of clicks."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TABLE = "recommendation_outcomes"
COLUMNS = (
    ("rule", sa.String(20), "attribution rule of a credit; null in rows of earlier releases, and not credits"),
    ("share", sa.Float(), "share of the line that is credited, 0 to 1; null as for rule"),
    ("margin", sa.BigInteger(), "amount less the cost of the goods, minor units; null when unknown"),
    ("grade", sa.Float(), "of a click, 0 to 1; null where nothing is known of the time after it"),
    ("dwell_seconds", sa.Float(), "of a click: longest reported time on the product's page; null when none"),
)


def upgrade() -> None:
    for name, kind, comment in COLUMNS:
        op.add_column(TABLE, sa.Column(name, kind, comment=comment))


def downgrade() -> None:
    for name, _, _ in reversed(COLUMNS):
        op.drop_column(TABLE, name)
