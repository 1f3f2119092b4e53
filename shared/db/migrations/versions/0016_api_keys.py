"""Keys of the callers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("role", sa.String(20), nullable=False, comment="storefront, backend, merchandiser or admin"),
        sa.Column("name", sa.String(100), nullable=False, comment="what the operator calls it"),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the secret"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.Column("last_used_at", sa.BigInteger(), comment="to about a minute"),
        sa.Column("browser", sa.Boolean(), nullable=False),
        sa.Column("origins", JSON, nullable=False, comment="where pages with a browser key come from"),
        sa.Column("rate_factor", sa.Float(), nullable=False, comment="multiplies the rate limits of the methods"),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_keys")),
    )


def downgrade() -> None:
    op.drop_table("api_keys")
