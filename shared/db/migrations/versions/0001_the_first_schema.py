"""The first schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "algorithm_weights",
        sa.Column(
            "version", sa.Integer(), autoincrement=False, nullable=False, comment="counts up; the highest is in force"
        ),
        sa.Column("algorithm", sa.String(length=64), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("rationale", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("weight >= 0", name=op.f("ck_algorithm_weights_weight")),
        sa.PrimaryKeyConstraint("version", "algorithm", name=op.f("pk_algorithm_weights")),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counters")),
    )
    op.create_table(
        "customer_segments",
        sa.Column("segment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("segment_name", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False, comment="rfm or learned"),
        sa.Column(
            "segment_criteria",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("segment_id", name=op.f("pk_customer_segments")),
        sa.UniqueConstraint("segment_name", name=op.f("uq_customer_segments_segment_name")),
    )
    op.create_table(
        "customers",
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("external_id", sa.String(length=128), nullable=True, comment="the platform's id; null for visitors"),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column(
            "demographics",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
            comment="age, age_group, gender, region, attributes",
        ),
        sa.Column("registration_date", sa.BigInteger(), nullable=False),
        sa.Column("last_active", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_customers")),
        sa.UniqueConstraint("email", name=op.f("uq_customers_email")),
        sa.UniqueConstraint("external_id", name=op.f("uq_customers_external_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "erasure_receipts",
        sa.Column("receipt_id", sa.String(length=64), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "rows",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
            comment="rows by table; names nobody",
        ),
        sa.PrimaryKeyConstraint("receipt_id", name=op.f("pk_erasure_receipts")),
    )
    op.create_table(
        "event_cursors",
        sa.Column("consumer", sa.String(length=40), nullable=False, comment="the agent whose projection this is"),
        sa.Column("sequence", sa.BigInteger(), nullable=False, comment="last event applied"),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", name=op.f("pk_event_cursors")),
    )
    op.create_table(
        "import_checkpoints",
        sa.Column("source", sa.String(length=64), nullable=False, comment="fingerprint of file, kind and mapping"),
        sa.Column("rows_done", sa.BigInteger(), nullable=False),
        sa.Column("rows_imported", sa.BigInteger(), nullable=False),
        sa.Column("rows_duplicate", sa.BigInteger(), nullable=False),
        sa.Column("rows_rejected", sa.BigInteger(), nullable=False),
        sa.Column("shift_weeks", sa.Integer(), nullable=False, comment="weeks added to all times of the file"),
        sa.Column("finished", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_import_checkpoints")),
    )
    op.create_table(
        "job_runs",
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False, comment="RUNNING, SUCCEEDED or FAILED"),
        sa.Column("stage", sa.String(length=200), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column(
            "result", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_job_runs")),
    )
    with op.batch_alter_table("job_runs", schema=None) as batch_op:
        batch_op.create_index("ix_job_runs_kind_started", ["kind", "started_at"], unique=False)

    op.create_table(
        "model_versions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False, comment="recommender, embedding_space or segments"),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("checksum", sa.String(length=64), nullable=False, comment="SHA-256 of the artefact, hexadecimal"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column(
            "metadata", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_versions")),
        sa.UniqueConstraint("kind", "version", name=op.f("uq_model_versions_kind_version")),
    )
    with op.batch_alter_table("model_versions", schema=None) as batch_op:
        batch_op.create_index(
            "ix_model_versions_active",
            ["kind"],
            unique=True,
            sqlite_where=sa.text("active"),
            postgresql_where=sa.text("active"),
        )

    op.create_table(
        "products",
        sa.Column("product_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("external_id", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("category", sa.String(length=200), nullable=False),
        sa.Column("subcategory", sa.String(length=200), nullable=False),
        sa.Column("brand", sa.String(length=200), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=True, comment="minor units; null when unknown"),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column(
            "attributes", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False
        ),
        sa.Column(
            "tags", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False
        ),
        sa.Column(
            "image_urls", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False
        ),
        sa.Column("average_rating", sa.Float(), nullable=True),
        sa.Column("inventory_status", sa.String(length=20), nullable=False),
        sa.Column("available_at", sa.BigInteger(), nullable=False, comment="when it entered the assortment"),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("change_sequence", sa.BigInteger(), nullable=False, comment="counts changes of the catalogue up"),
        sa.CheckConstraint("price IS NULL OR price >= 0", name=op.f("ck_products_price")),
        sa.PrimaryKeyConstraint("product_id", name=op.f("pk_products")),
        sa.UniqueConstraint("external_id", name=op.f("uq_products_external_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("products", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_products_category"), ["category"], unique=False)
        batch_op.create_index(batch_op.f("ix_products_change_sequence"), ["change_sequence"], unique=False)

    op.create_table(
        "tuned_parameters",
        sa.Column("algorithm", sa.String(length=64), nullable=False),
        sa.Column(
            "params",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
            comment="what differs from the default configuration",
        ),
        sa.Column(
            "evidence",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
            comment="values, interval, trials, questions",
        ),
        sa.Column("events", sa.BigInteger(), nullable=False, comment="interactions there were"),
        sa.Column("tuned_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("algorithm", name=op.f("pk_tuned_parameters")),
    )
    op.create_table(
        "tuning_trials",
        sa.Column(
            "fingerprint",
            sa.String(length=100),
            nullable=False,
            comment="the data and the questions it was measured on",
        ),
        sa.Column("algorithm", sa.String(length=64), nullable=False),
        sa.Column(
            "params_hash",
            sa.String(length=64),
            nullable=False,
            comment="SHA-256 of params as sorted JSON, hexadecimal",
        ),
        sa.Column(
            "params",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
            comment="the whole configuration",
        ),
        sa.Column("value", sa.Float(), nullable=False, comment="mean NDCG at 20"),
        sa.Column("gains", sa.LargeBinary(), nullable=False, comment="of each question, float32, little endian"),
        sa.Column("questions", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "algorithm", "params_hash", name=op.f("pk_tuning_trials")),
    )
    with op.batch_alter_table("tuning_trials", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tuning_trials_created_at"), ["created_at"], unique=False)

    op.create_table(
        "customer_embeddings",
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column(
            "embedding",
            sa.LargeBinary(),
            nullable=False,
            comment="float32, little endian, in the space of the products",
        ),
        sa.Column("space_version", sa.String(length=64), nullable=False),
        sa.Column("last_updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.customer_id"], name=op.f("fk_customer_embeddings_customer_id")
        ),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_customer_embeddings")),
    )
    op.create_table(
        "customer_segment_memberships",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("segment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("confidence_score", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("confidence_score BETWEEN 0 AND 1", name=op.f("ck_customer_segment_memberships_confidence")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.customer_id"], name=op.f("fk_customer_segment_memberships_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["segment_id"], ["customer_segments.segment_id"], name=op.f("fk_customer_segment_memberships_segment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_segment_memberships")),
        sa.UniqueConstraint(
            "customer_id", "segment_id", name=op.f("uq_customer_segment_memberships_customer_id_segment_id")
        ),
    )
    with op.batch_alter_table("customer_segment_memberships", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_customer_segment_memberships_segment_id"), ["segment_id"], unique=False)

    op.create_table(
        "event_log",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "event_id", sa.String(length=160), nullable=False, comment="the platform's; of feedback with a prefix"
        ),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False, comment="field of Event.detail, or feedback"),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "payload", sa.LargeBinary(), nullable=False, comment="quintet.type.v1.Event, or Feedback, serialised"
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.customer_id"], name=op.f("fk_event_log_customer_id")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_event_log")),
        sa.UniqueConstraint("event_id", name=op.f("uq_event_log_event_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("event_log", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_event_log_customer_id"), ["customer_id"], unique=False)

    op.create_table(
        "model_chunks",
        sa.Column("model_version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_version_id"],
            ["model_versions.id"],
            name=op.f("fk_model_chunks_model_version_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("model_version_id", "chunk", name=op.f("pk_model_chunks")),
    )
    op.create_table(
        "product_embeddings",
        sa.Column(
            "product_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("embedding", sa.LargeBinary(), nullable=False, comment="float32, little endian"),
        sa.Column("space_version", sa.String(length=64), nullable=False),
        sa.Column("last_updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.product_id"], name=op.f("fk_product_embeddings_product_id")),
        sa.PrimaryKeyConstraint("product_id", name=op.f("pk_product_embeddings")),
    )
    op.create_table(
        "product_relations",
        sa.Column(
            "product_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("relation", sa.String(length=20), nullable=False, comment="similar or complementary"),
        sa.Column(
            "related_ids",
            sa.LargeBinary(),
            nullable=False,
            comment="product keys as int64, little endian, strongest first",
        ),
        sa.Column("scores", sa.LargeBinary(), nullable=False, comment="float32, little endian, 0 to 1"),
        sa.Column("last_updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.product_id"], name=op.f("fk_product_relations_product_id")),
        sa.PrimaryKeyConstraint("product_id", "relation", name=op.f("pk_product_relations")),
    )
    op.create_table(
        "recommendations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False, comment="one answer"),
        sa.Column(
            "customer_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="null for a visitor nobody knows yet",
        ),
        sa.Column("product_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("algorithm", sa.String(length=64), nullable=False),
        sa.Column(
            "contributions",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "reason", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False
        ),
        sa.Column("page_type", sa.String(length=20), nullable=False),
        sa.Column("strategy", sa.String(length=40), nullable=False),
        sa.Column("model_version", sa.String(length=64), nullable=False),
        sa.Column("generated_at", sa.BigInteger(), nullable=False),
        sa.Column("was_shown", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("was_clicked", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("was_added_to_cart", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("was_purchased", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("was_dismissed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("shown_at", sa.BigInteger(), nullable=True),
        sa.Column("clicked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.customer_id"], name=op.f("fk_recommendations_customer_id")
        ),
        sa.ForeignKeyConstraint(["product_id"], ["products.product_id"], name=op.f("fk_recommendations_product_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recommendations")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("recommendations", schema=None) as batch_op:
        batch_op.create_index(
            "ix_recommendations_customer_product", ["customer_id", "product_id", "generated_at"], unique=False
        )
        batch_op.create_index(
            "ix_recommendations_dismissed",
            ["customer_id", "product_id"],
            unique=False,
            sqlite_where=sa.text("was_dismissed"),
            postgresql_where=sa.text("was_dismissed"),
        )
        batch_op.create_index("ix_recommendations_generated", ["generated_at"], unique=False)
        batch_op.create_index("ix_recommendations_product_generated", ["product_id", "generated_at"], unique=False)

    op.create_table(
        "sessions",
        sa.Column("session_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "external_id",
            sa.String(length=128),
            nullable=True,
            comment="the platform's session; null where derived from 30 minutes of silence",
        ),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("last_event_at", sa.BigInteger(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.customer_id"], name=op.f("fk_sessions_customer_id")),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("customer_id", "external_id", name=op.f("uq_sessions_customer_id_external_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index("ix_sessions_customer_time", ["customer_id", "last_event_at"], unique=False)
        batch_op.create_index("ix_sessions_started_at", ["started_at"], unique=False)

    op.create_table(
        "visitors",
        sa.Column("visitor_id", sa.String(length=128), nullable=False, comment="the platform's id of a browser"),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.customer_id"], name=op.f("fk_visitors_customer_id")),
        sa.PrimaryKeyConstraint("visitor_id", name=op.f("pk_visitors")),
    )
    with op.batch_alter_table("visitors", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_visitors_customer_id"), ["customer_id"], unique=False)

    op.create_table(
        "browsing_history",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("product_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("session_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("view_time", sa.BigInteger(), nullable=False),
        sa.Column("duration_seconds", sa.Float(), nullable=False),
        sa.Column(
            "page_actions",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
            comment="scrolls, clicks",
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.customer_id"], name=op.f("fk_browsing_history_customer_id")
        ),
        sa.ForeignKeyConstraint(["product_id"], ["products.product_id"], name=op.f("fk_browsing_history_product_id")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.session_id"], name=op.f("fk_browsing_history_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_browsing_history")),
    )
    with op.batch_alter_table("browsing_history", schema=None) as batch_op:
        batch_op.create_index("ix_browsing_customer_time", ["customer_id", "view_time"], unique=False)
        batch_op.create_index(batch_op.f("ix_browsing_history_session_id"), ["session_id"], unique=False)
        batch_op.create_index("ix_browsing_product_time", ["product_id", "view_time"], unique=False)
        batch_op.create_index("ix_browsing_view_time", ["view_time"], unique=False)

    op.create_table(
        "cart_items",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("product_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("session_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("quantity", sa.Float(), nullable=False, comment="units added at once"),
        sa.Column("removed_quantity", sa.Float(), nullable=False),
        sa.Column("purchased_quantity", sa.Float(), nullable=False),
        sa.Column("purchased", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False, comment="whether any of it is in the cart still"),
        sa.Column("added_timestamp", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.customer_id"], name=op.f("fk_cart_items_customer_id")),
        sa.ForeignKeyConstraint(["product_id"], ["products.product_id"], name=op.f("fk_cart_items_product_id")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.session_id"], name=op.f("fk_cart_items_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cart_items")),
    )
    with op.batch_alter_table("cart_items", schema=None) as batch_op:
        batch_op.create_index("ix_cart_customer_time", ["customer_id", "added_timestamp"], unique=False)
        batch_op.create_index(batch_op.f("ix_cart_items_session_id"), ["session_id"], unique=False)
        batch_op.create_index(
            "ix_cart_open",
            ["customer_id"],
            unique=False,
            sqlite_where=sa.text("open"),
            postgresql_where=sa.text("open"),
        )
        batch_op.create_index("ix_cart_product_time", ["product_id", "added_timestamp"], unique=False)

    op.create_table(
        "page_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("session_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "kind",
            sa.String(length=40),
            nullable=False,
            comment="home_view, category_view, search, cart_view, page_view, custom",
        ),
        sa.Column(
            "value", sa.String(length=500), nullable=False, comment="category, search text, page type or custom name"
        ),
        sa.Column(
            "details", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False
        ),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.customer_id"], name=op.f("fk_page_events_customer_id")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.session_id"], name=op.f("fk_page_events_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_page_events")),
    )
    with op.batch_alter_table("page_events", schema=None) as batch_op:
        batch_op.create_index("ix_page_events_customer_time", ["customer_id", "occurred_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_page_events_session_id"), ["session_id"], unique=False)

    op.create_table(
        "purchases",
        sa.Column("purchase_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("external_id", sa.String(length=128), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("session_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("total_amount", sa.BigInteger(), nullable=False, comment="minor units"),
        sa.Column("refunded_amount", sa.BigInteger(), nullable=False, comment="minor units"),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.customer_id"], name=op.f("fk_purchases_customer_id")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.session_id"], name=op.f("fk_purchases_session_id")),
        sa.PrimaryKeyConstraint("purchase_id", name=op.f("pk_purchases")),
        sa.UniqueConstraint("external_id", name=op.f("uq_purchases_external_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("purchases", schema=None) as batch_op:
        batch_op.create_index("ix_purchases_customer_time", ["customer_id", "timestamp"], unique=False)
        batch_op.create_index(batch_op.f("ix_purchases_session_id"), ["session_id"], unique=False)
        batch_op.create_index("ix_purchases_timestamp", ["timestamp"], unique=False)

    op.create_table(
        "recommendation_outcomes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("recommendation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "kind",
            sa.String(length=20),
            nullable=False,
            comment="shown, click, add_to_cart, dismiss, purchase, view_through, refunded",
        ),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("event_sequence", sa.BigInteger(), nullable=False, comment="number of the event in the log"),
        sa.Column(
            "purchase_id",
            sa.String(length=128),
            nullable=True,
            comment="the platform's id, for purchase and view_through",
        ),
        sa.Column(
            "touched_at", sa.BigInteger(), nullable=True, comment="the click or impression that takes the credit"
        ),
        sa.Column("amount", sa.BigInteger(), nullable=True, comment="minor units credited, refunds taken off"),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.ForeignKeyConstraint(
            ["recommendation_id"], ["recommendations.id"], name=op.f("fk_recommendation_outcomes_recommendation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recommendation_outcomes")),
    )
    with op.batch_alter_table("recommendation_outcomes", schema=None) as batch_op:
        batch_op.create_index("ix_outcomes_purchase", ["purchase_id"], unique=False)
        batch_op.create_index("ix_outcomes_recommendation", ["recommendation_id", "kind"], unique=False)
        batch_op.create_index("ix_outcomes_time", ["occurred_at"], unique=False)

    op.create_table(
        "purchase_items",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("purchase_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("product_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("quantity", sa.Float(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False, comment="minor units, the whole line"),
        sa.Column("refunded_quantity", sa.Float(), nullable=False),
        sa.Column("refunded_amount", sa.BigInteger(), nullable=False, comment="minor units"),
        sa.ForeignKeyConstraint(["product_id"], ["products.product_id"], name=op.f("fk_purchase_items_product_id")),
        sa.ForeignKeyConstraint(["purchase_id"], ["purchases.purchase_id"], name=op.f("fk_purchase_items_purchase_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchase_items")),
    )
    with op.batch_alter_table("purchase_items", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_purchase_items_product_id"), ["product_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_purchase_items_purchase_id"), ["purchase_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("purchase_items", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_purchase_items_purchase_id"))
        batch_op.drop_index(batch_op.f("ix_purchase_items_product_id"))

    op.drop_table("purchase_items")
    with op.batch_alter_table("recommendation_outcomes", schema=None) as batch_op:
        batch_op.drop_index("ix_outcomes_time")
        batch_op.drop_index("ix_outcomes_recommendation")
        batch_op.drop_index("ix_outcomes_purchase")

    op.drop_table("recommendation_outcomes")
    with op.batch_alter_table("purchases", schema=None) as batch_op:
        batch_op.drop_index("ix_purchases_timestamp")
        batch_op.drop_index(batch_op.f("ix_purchases_session_id"))
        batch_op.drop_index("ix_purchases_customer_time")

    op.drop_table("purchases")
    with op.batch_alter_table("page_events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_page_events_session_id"))
        batch_op.drop_index("ix_page_events_customer_time")

    op.drop_table("page_events")
    with op.batch_alter_table("cart_items", schema=None) as batch_op:
        batch_op.drop_index("ix_cart_product_time")
        batch_op.drop_index("ix_cart_open", sqlite_where=sa.text("open"), postgresql_where=sa.text("open"))
        batch_op.drop_index(batch_op.f("ix_cart_items_session_id"))
        batch_op.drop_index("ix_cart_customer_time")

    op.drop_table("cart_items")
    with op.batch_alter_table("browsing_history", schema=None) as batch_op:
        batch_op.drop_index("ix_browsing_view_time")
        batch_op.drop_index("ix_browsing_product_time")
        batch_op.drop_index(batch_op.f("ix_browsing_history_session_id"))
        batch_op.drop_index("ix_browsing_customer_time")

    op.drop_table("browsing_history")
    with op.batch_alter_table("visitors", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_visitors_customer_id"))

    op.drop_table("visitors")
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_index("ix_sessions_started_at")
        batch_op.drop_index("ix_sessions_customer_time")

    op.drop_table("sessions")
    with op.batch_alter_table("recommendations", schema=None) as batch_op:
        batch_op.drop_index("ix_recommendations_product_generated")
        batch_op.drop_index("ix_recommendations_generated")
        batch_op.drop_index(
            "ix_recommendations_dismissed",
            sqlite_where=sa.text("was_dismissed"),
            postgresql_where=sa.text("was_dismissed"),
        )
        batch_op.drop_index("ix_recommendations_customer_product")

    op.drop_table("recommendations")
    op.drop_table("product_relations")
    op.drop_table("product_embeddings")
    op.drop_table("model_chunks")
    with op.batch_alter_table("event_log", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_event_log_customer_id"))

    op.drop_table("event_log")
    with op.batch_alter_table("customer_segment_memberships", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_customer_segment_memberships_segment_id"))

    op.drop_table("customer_segment_memberships")
    op.drop_table("customer_embeddings")
    with op.batch_alter_table("tuning_trials", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_tuning_trials_created_at"))

    op.drop_table("tuning_trials")
    op.drop_table("tuned_parameters")
    with op.batch_alter_table("products", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_products_change_sequence"))
        batch_op.drop_index(batch_op.f("ix_products_category"))

    op.drop_table("products")
    with op.batch_alter_table("model_versions", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_model_versions_active", sqlite_where=sa.text("active"), postgresql_where=sa.text("active")
        )

    op.drop_table("model_versions")
    with op.batch_alter_table("job_runs", schema=None) as batch_op:
        batch_op.drop_index("ix_job_runs_kind_started")

    op.drop_table("job_runs")
    op.drop_table("import_checkpoints")
    op.drop_table("event_cursors")
    op.drop_table("erasure_receipts")
    op.drop_table("customers")
    op.drop_table("customer_segments")
    op.drop_table("counters")
    op.drop_table("algorithm_weights")
