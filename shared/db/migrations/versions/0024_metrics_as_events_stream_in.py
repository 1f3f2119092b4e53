"""Facts of sessions and lists, and the aggregates of metrics that are kept of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
json = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_index("ix_outcomes_event", "recommendation_outcomes", ["event_sequence"])
    op.create_table(
        "session_facts",
        sa.Column(
            "session_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="of sessions; the fact outlives the session",
        ),
        sa.Column("customer_id", key, comment="null once forgotten"),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False, comment="of started_at, days since 1970-01-01 in UTC"),
        sa.Column(
            "segment",
            sa.String(100),
            nullable=False,
            comment="the first that the customer was known to be in; empty for none",
        ),
        sa.Column(
            "arm",
            sa.String(200),
            nullable=False,
            comment="of the first list of the session that has one; empty for none",
        ),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("units", sa.Float(), nullable=False, comment="bought, refunds not taken off"),
        sa.Column(
            "lists_shown", sa.Integer(), nullable=False, comment="lists made in the session of which anything was shown"
        ),
        sa.Column("shown", sa.Integer(), nullable=False, comment="recommendations, as the next six"),
        sa.Column("clicked", sa.Integer(), nullable=False),
        sa.Column("added_to_cart", sa.Integer(), nullable=False),
        sa.Column("purchased", sa.Integer(), nullable=False),
        sa.Column("purchased_after_view", sa.Integer(), nullable=False),
        sa.Column("dismissed", sa.Integer(), nullable=False),
        sa.Column("refunded", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.customer_id"], name="fk_session_facts_customer_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("session_id", name="pk_session_facts"),
    )
    op.create_index("ix_session_facts_customer_time", "session_facts", ["customer_id", "started_at"])
    op.create_index("ix_session_facts_day", "session_facts", ["day"])
    op.create_table(
        "session_amounts",
        sa.Column("session_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("revenue", sa.BigInteger(), nullable=False, comment="minor units, refunds not taken off"),
        sa.Column("refunded", sa.BigInteger(), nullable=False, comment="minor units"),
        sa.Column(
            "costed", sa.BigInteger(), nullable=False, comment="minor units kept, of lines whose product has a cost"
        ),
        sa.Column(
            "margin", sa.BigInteger(), nullable=False, comment="minor units: costed less the cost of what was kept"
        ),
        sa.Column(
            "attributed", sa.BigInteger(), nullable=False, comment="minor units credited to lists made in the session"
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["session_facts.session_id"], name="fk_session_amounts_session_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session_id", "currency", name="pk_session_amounts"),
        comment="money of sessions that have any; a session with several currencies has a row for each",
    )
    op.create_table(
        "list_facts",
        sa.Column("list_id", key, autoincrement=False, nullable=False),
        sa.Column("customer_id", key, comment="for whom it was made, or who took it up; null for nobody known"),
        sa.Column("generated_at", sa.BigInteger(), nullable=False),
        sa.Column("placement", sa.String(63), nullable=False, comment="empty for that of the page itself"),
        sa.Column("page_type", sa.String(20), nullable=False),
        sa.Column(
            "segment",
            sa.String(100),
            nullable=False,
            comment="the first that the customer was known to be in; empty for none",
        ),
        sa.Column("arm", sa.String(200), nullable=False, comment="empty for none"),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("numbers", json, nullable=False, comment="what it adds to metric_cells, see shared.db.list_facts"),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.customer_id"], name="fk_list_facts_customer_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["list_id"], ["recommendation_lists.id"], name="fk_list_facts_list_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("list_id", name="pk_list_facts"),
    )
    op.create_index("ix_list_facts_customer_time", "list_facts", ["customer_id", "generated_at"])
    op.create_table(
        "metric_cells",
        sa.Column("cell_id", key, nullable=False),
        sa.Column(
            "day", sa.Integer(), nullable=False, comment="in which the lists were made, days since 1970-01-01 in UTC"
        ),
        sa.Column("placement", sa.String(63), nullable=False),
        sa.Column("page_type", sa.String(20), nullable=False),
        sa.Column("algorithm", sa.String(64), nullable=False, comment="empty: of all algorithms together"),
        sa.Column("segment", sa.String(100), nullable=False),
        sa.Column("arm", sa.String(200), nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("lists", sa.BigInteger(), nullable=False, server_default="0", comment="in which it recommended"),
        sa.Column("lists_shown", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("generated", sa.BigInteger(), nullable=False, server_default="0", comment="recommendations"),
        sa.Column("shown", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("clicked", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("added_to_cart", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("purchased", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("purchased_after_view", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("dismissed", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("refunded", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column(
            "diverse_lists", sa.BigInteger(), nullable=False, server_default="0", comment="with two or more shown"
        ),
        sa.Column("diversity", sa.BigInteger(), nullable=False, server_default="0", comment="sum, in millionths"),
        sa.Column(
            "diversity_squares", sa.BigInteger(), nullable=False, server_default="0", comment="sum, in millionths"
        ),
        sa.PrimaryKeyConstraint("cell_id", name="pk_metric_cells"),
        sa.UniqueConstraint(
            "day", "placement", "page_type", "algorithm", "segment", "arm", "model_version", name="uq_metric_cells_day"
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "metric_cell_amounts",
        sa.Column("cell_id", key, autoincrement=False, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("revenue", sa.BigInteger(), nullable=False, comment="minor units credited, refunds taken off"),
        sa.Column("costed", sa.BigInteger(), nullable=False, comment="minor units of it, of products that have a cost"),
        sa.Column("margin", sa.BigInteger(), nullable=False, comment="minor units: costed less the cost"),
        sa.ForeignKeyConstraint(
            ["cell_id"], ["metric_cells.cell_id"], name="fk_metric_cell_amounts_cell_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("cell_id", "currency", name="pk_metric_cell_amounts"),
    )
    op.create_table(
        "metric_cell_products",
        sa.Column("cell_id", key, autoincrement=False, nullable=False),
        sa.Column(
            "product_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="shown in lists of the cell"
        ),
        sa.Column("shown", sa.Integer(), nullable=False, comment="recommendations of it"),
        sa.Column("responded", sa.Integer(), nullable=False, comment="of these clicked, put into the cart or bought"),
        sa.ForeignKeyConstraint(
            ["cell_id"], ["metric_cells.cell_id"], name="fk_metric_cell_products_cell_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("cell_id", "product_id", name="pk_metric_cell_products"),
    )
    op.create_table(
        "lifetime_values",
        sa.Column("customer_id", key, autoincrement=False, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column(
            "value", sa.BigInteger(), nullable=False, comment="minor units that the customer is expected to spend"
        ),
        sa.Column("orders", sa.Float(), nullable=False, comment="days with an order that are expected"),
        sa.Column("alive", sa.Float(), nullable=False, comment="probability that the customer still buys"),
        sa.Column("days", sa.Integer(), nullable=False, comment="over so many days"),
        sa.Column("predicted_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.customer_id"], name="fk_lifetime_values_customer_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("customer_id", "currency", name="pk_lifetime_values"),
    )
    op.create_table(
        "metric_marks",
        sa.Column("id", key, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False, comment="lists, customers or events"),
        sa.Column(
            "keys",
            sa.LargeBinary(),
            nullable=False,
            comment="int64, little endian: what metrics are to be made anew of",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_metric_marks"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("metric_marks")
    op.drop_table("lifetime_values")
    op.drop_table("metric_cell_products")
    op.drop_table("metric_cell_amounts")
    op.drop_table("metric_cells")
    op.drop_table("list_facts")
    op.drop_table("session_amounts")
    op.drop_table("session_facts")
    op.drop_index("ix_outcomes_event", "recommendation_outcomes")
