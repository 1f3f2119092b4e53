"""Products that are deleted, end, come in groups, cost and are stocked by place; the times of prices and stock."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for column in (
        sa.Column("group_id", sa.String(128), nullable=False, server_default="", comment="variants of one product"),
        sa.Column("expire_at", sa.BigInteger(), comment="from when on it is not recommended; null for never"),
        sa.Column("deleted_at", sa.BigInteger(), comment="null unless deleted; history refers to the row"),
        sa.Column("price_updated_at", sa.BigInteger(), comment="when the price became true; null when never said"),
        sa.Column("inventory_updated_at", sa.BigInteger(), comment="when the status became true; null when never said"),
        sa.Column("content_sequence", sa.BigInteger(), comment="the last change of more than price and stock"),
    ):
        op.add_column("products", column)
    op.execute("UPDATE products SET content_sequence = change_sequence")
    given = sa.text("group_id <> ''")
    op.create_index("ix_products_group", "products", ["group_id"], sqlite_where=given, postgresql_where=given)
    op.create_table(
        "product_offers",
        sa.Column("place_id", sa.String(128), primary_key=True, comment="the platform's id of a store or region"),
        sa.Column("product_id", KEY, sa.ForeignKey("products.product_id"), primary_key=True, autoincrement=False),
        sa.Column("price", sa.BigInteger(), comment="minor units; null where the product's own price holds"),
        sa.Column("currency", sa.String(3)),
        sa.Column("inventory_status", sa.String(20), comment="null where the product's own status holds"),
        sa.Column("price_updated_at", sa.BigInteger(), comment="when the price became true; null when never said"),
        sa.Column("inventory_updated_at", sa.BigInteger(), comment="when the status became true; null when never said"),
        sa.Column("change_sequence", sa.BigInteger(), nullable=False, comment="the change of the catalogue it is from"),
        sa.CheckConstraint("price IS NULL OR price >= 0", name="price"),
    )
    op.create_index(op.f("ix_product_offers_product_id"), "product_offers", ["product_id"])
    op.create_index(op.f("ix_product_offers_change_sequence"), "product_offers", ["change_sequence"])


def downgrade() -> None:
    op.drop_table("product_offers")
    op.drop_index("ix_products_group", "products")
    for name in ("content_sequence", "inventory_updated_at", "price_updated_at", "deleted_at", "expire_at", "group_id"):
        op.drop_column("products", name)
