"""Requests that were done, by the ids that callers gave them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "request_ids",
        sa.Column("request_id", sa.String(length=128), nullable=False, comment="the caller's id of the request"),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of what was asked for"),
        sa.Column("result", sa.String(length=200), nullable=False, comment="what is needed to answer again"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_request_ids")),
    )
    op.create_index(op.f("ix_request_ids_created_at"), "request_ids", ["created_at"])


def downgrade() -> None:
    op.drop_table("request_ids")
