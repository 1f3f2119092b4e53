"""What is wrong with the events that arrive, counted by the hour."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    op.create_table(
        "event_quality",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False, comment="start of an hour in UTC"),
        sa.Column("kind", sa.String(length=40), nullable=False, comment="field of Event.detail; empty for none"),
        sa.Column(
            "problem", sa.String(length=20), nullable=False, comment="malformed, unknown, refused, late or duplicate"
        ),
        sa.Column("field", sa.String(length=100), nullable=False, comment="path in the event; empty where it is whole"),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("examples", JSON, nullable=False, comment="ids of the first such events"),
        sa.PrimaryKeyConstraint("hour", "kind", "problem", "field", name=op.f("pk_event_quality")),
    )


def downgrade() -> None:
    op.drop_table("event_quality")
