"""The schema, one for SQLite and PostgreSQL. Each table names the agent that writes it; everyone may read.

Keys are integers; the platform's own ids are `external_id`. Moments are `UtcTime`; amounts of money are integers in
minor units beside their currency.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

from shared.db.types import Json, Key, UtcTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# --- customer agent -----------------------------------------------------------------------------------------------

customers = Table(
    "customers",
    metadata,
    Column("customer_id", Key, primary_key=True),
    Column("external_id", String(128), unique=True, comment="the platform's id; null for visitors"),
    Column("name", String(200)),
    Column("email", String(320), unique=True),
    Column("duplicate_email", String(320), comment="in place of email where another customer has that one in email"),
    Column("demographics", Json, nullable=False, default=dict, comment="age, age_group, gender, region, attributes"),
    Column("registration_date", UtcTime, nullable=False),
    Column("last_active", UtcTime),
    Column("personalise", Boolean, comment="consent; null where nobody has said, as the next two"),
    Column("measure", Boolean),
    Column("train", Boolean),
    Column("consent_time", UtcTime, comment="since when this consent is in force"),
    Index(
        "ix_customers_train",
        "train",
        sqlite_where=text("train IS NOT NULL"),
        postgresql_where=text("train IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)

visitors = Table(
    "visitors",
    metadata,
    Column("visitor_id", String(128), primary_key=True, comment="the platform's id of a browser"),
    Column("customer_id", Key, ForeignKey("customers.customer_id"), nullable=False, index=True),
)

merged_visitors = Table(
    "merged_visitors",
    metadata,
    Column("visitor_key", BigInteger, primary_key=True, autoincrement=False, comment="key of a visitor's former row"),
    # Cascading, because the release before erases customers without knowing this table.
    Column("customer_id", Key, ForeignKey("customers.customer_id", ondelete="CASCADE"), nullable=False, index=True),
    comment="visitors who became customers: models may know their histories by the former keys",
)

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", Key, primary_key=True),
    Column("customer_id", Key, ForeignKey("customers.customer_id"), nullable=False),
    Column("external_id", String(128), comment="the platform's session; null where derived from 30 minutes of silence"),
    Column("started_at", UtcTime, nullable=False),
    Column("last_event_at", UtcTime, nullable=False),
    Column("event_count", Integer, nullable=False, default=0),
    UniqueConstraint("customer_id", "external_id"),
    Index("ix_sessions_customer_time", "customer_id", "last_event_at"),
    Index("ix_sessions_started_at", "started_at"),
    sqlite_autoincrement=True,
)

browsing_history = Table(
    "browsing_history",
    metadata,
    Column("id", Key, primary_key=True),
    Column("customer_id", Key, ForeignKey("customers.customer_id"), nullable=False),
    Column("product_id", Key, ForeignKey("products.product_id"), nullable=False),
    Column("session_id", Key, ForeignKey("sessions.session_id"), nullable=False, index=True),
    Column("view_time", UtcTime, nullable=False),
    Column("duration_seconds", Float, nullable=False, default=0.0),
    Column("page_actions", Json, nullable=False, default=dict, comment="scrolls, clicks, scroll_depth"),
    Index("ix_browsing_customer_time", "customer_id", "view_time"),
    Index("ix_browsing_product_time", "product_id", "view_time"),
    Index("ix_browsing_view_time", "view_time"),
)

page_events = Table(
    "page_events",
    metadata,
    Column("id", Key, primary_key=True),
    Column("customer_id", Key, ForeignKey("customers.customer_id"), nullable=False),
    Column("session_id", Key, ForeignKey("sessions.session_id"), nullable=False, index=True),
    Column(
        "kind", String(40), nullable=False, comment="home_view, category_view, search, cart_view, page_view, custom"
    ),
    Column("value", String(500), nullable=False, default="", comment="category, search text, page type or custom name"),
    Column("details", Json, nullable=False, default=dict),
    Column("occurred_at", UtcTime, nullable=False),
    Index("ix_page_events_customer_time", "customer_id", "occurred_at"),
)

cart_items = Table(
    "cart_items",
    metadata,
    Column("id", Key, primary_key=True),
    Column("customer_id", Key, ForeignKey("customers.customer_id"), nullable=False),
    Column("product_id", Key, ForeignKey("products.product_id"), nullable=False),
    Column("session_id", Key, ForeignKey("sessions.session_id"), nullable=False, index=True),
    Column("quantity", Float, nullable=False, comment="units added at once"),
    Column("removed_quantity", Float, nullable=False, default=0.0),
    Column("purchased_quantity", Float, nullable=False, default=0.0),
    Column("purchased", Boolean, nullable=False, default=False, server_default=false()),
    Column("open", Boolean, nullable=False, default=True, comment="whether any of it is in the cart still"),
    Column("added_timestamp", UtcTime, nullable=False),
    Index("ix_cart_customer_time", "customer_id", "added_timestamp"),
    Index("ix_cart_product_time", "product_id", "added_timestamp"),
    Index("ix_cart_open", "customer_id", sqlite_where=text("open"), postgresql_where=text("open")),
)

purchases = Table(
    "purchases",
    metadata,
    Column("purchase_id", Key, primary_key=True),
    Column("external_id", String(128), nullable=False, unique=True),
    Column("customer_id", Key, ForeignKey("customers.customer_id"), nullable=False),
    Column("session_id", Key, ForeignKey("sessions.session_id"), nullable=False, index=True),
    Column("timestamp", UtcTime, nullable=False),
    Column("total_amount", BigInteger, nullable=False, comment="minor units"),
    Column("refunded_amount", BigInteger, nullable=False, default=0, comment="minor units"),
    Column("currency", String(3), nullable=False),
    Index("ix_purchases_customer_time", "customer_id", "timestamp"),
    Index("ix_purchases_timestamp", "timestamp"),
    Index(
        "ix_purchases_refunded",
        "customer_id",
        "refunded_amount",
        sqlite_where=text("refunded_amount > 0"),
        postgresql_where=text("refunded_amount > 0"),
    ),
    sqlite_autoincrement=True,
)

purchase_items = Table(
    "purchase_items",
    metadata,
    Column("id", Key, primary_key=True),
    Column("purchase_id", Key, ForeignKey("purchases.purchase_id"), nullable=False, index=True),
    Column("product_id", Key, ForeignKey("products.product_id"), nullable=False, index=True),
    Column("quantity", Float, nullable=False),
    Column("amount", BigInteger, nullable=False, comment="minor units, the whole line"),
    Column("refunded_quantity", Float, nullable=False, default=0.0),
    Column("refunded_amount", BigInteger, nullable=False, default=0, comment="minor units"),
)

customer_embeddings = Table(
    "customer_embeddings",
    metadata,
    Column("customer_id", Key, ForeignKey("customers.customer_id"), primary_key=True, autoincrement=False),
    Column("embedding", LargeBinary, nullable=False, comment="float32, little endian, in the space of the products"),
    Column("space_version", String(64), nullable=False),
    Column("last_updated", UtcTime, nullable=False),
    Column("applied", BigInteger, comment="number of the log up to which events are in it"),
)

customer_segments = Table(
    "customer_segments",
    metadata,
    Column("segment_id", Key, primary_key=True),
    Column("segment_name", String(100), nullable=False, unique=True),
    Column("kind", String(20), nullable=False, comment="rfm or learned"),
    Column("segment_criteria", Json, nullable=False, default=dict),
    Column("created_at", UtcTime, nullable=False),
)

customer_segment_memberships = Table(
    "customer_segment_memberships",
    metadata,
    Column("id", Key, primary_key=True),
    Column("customer_id", Key, ForeignKey("customers.customer_id"), nullable=False),
    Column("segment_id", Key, ForeignKey("customer_segments.segment_id"), nullable=False, index=True),
    Column("confidence_score", Float, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    UniqueConstraint("customer_id", "segment_id"),
    CheckConstraint("confidence_score BETWEEN 0 AND 1", name="confidence"),
)

# --- product agent ------------------------------------------------------------------------------------------------

products = Table(
    "products",
    metadata,
    Column("product_id", Key, primary_key=True),
    Column("external_id", String(128), nullable=False, unique=True),
    Column("name", String(500), nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("category", String(200), nullable=False, default="", index=True),
    Column("subcategory", String(200), nullable=False, default=""),
    Column("brand", String(200), nullable=False, default=""),
    Column("price", BigInteger, comment="minor units; null when unknown"),
    Column("currency", String(3)),
    Column("attributes", Json, nullable=False, default=dict),
    Column("tags", Json, nullable=False, default=list),
    Column("image_urls", Json, nullable=False, default=list),
    Column("average_rating", Float),
    Column("inventory_status", String(20), nullable=False, default="IN_STOCK"),
    Column(
        "recommendable",
        Boolean,
        nullable=False,
        default=True,
        server_default=true(),
        comment="false for coupons, fuel, deposits and the like",
    ),
    Column("available_at", UtcTime, nullable=False, comment="when it entered the assortment"),
    Column("updated_at", UtcTime, nullable=False),
    Column("change_sequence", BigInteger, nullable=False, index=True, comment="counts changes of the catalogue up"),
    Column("group_id", String(128), nullable=False, default="", server_default="", comment="variants of one product"),
    Column("cost", BigInteger, comment="what it costs the shop, minor units of its currency; null when unknown"),
    Column("expire_at", UtcTime, comment="from when on it is not recommended; null for never"),
    Column("deleted_at", UtcTime, comment="null unless deleted; history refers to the row"),
    Column("price_updated_at", UtcTime, comment="when the price became true; null when never said"),
    Column("inventory_updated_at", UtcTime, comment="when the status became true; null when never said"),
    Column("content_sequence", BigInteger, comment="the last change of more than price and stock"),
    CheckConstraint("price IS NULL OR price >= 0", name="price"),
    Index(
        "ix_products_group", "group_id", sqlite_where=text("group_id <> ''"), postgresql_where=text("group_id <> ''")
    ),
    sqlite_autoincrement=True,
)

product_offers = Table(
    "product_offers",
    metadata,
    Column("place_id", String(128), primary_key=True, comment="the platform's id of a store or region"),
    Column("product_id", Key, ForeignKey("products.product_id"), primary_key=True, autoincrement=False, index=True),
    Column("price", BigInteger, comment="minor units; null where the product's own price holds"),
    Column("currency", String(3)),
    Column("inventory_status", String(20), comment="null where the product's own status holds"),
    Column("price_updated_at", UtcTime, comment="when the price became true; null when never said"),
    Column("inventory_updated_at", UtcTime, comment="when the status became true; null when never said"),
    Column("change_sequence", BigInteger, nullable=False, index=True, comment="the change of the catalogue it is from"),
    CheckConstraint("price IS NULL OR price >= 0", name="price"),
)

product_embeddings = Table(
    "product_embeddings",
    metadata,
    Column("product_id", Key, ForeignKey("products.product_id"), primary_key=True, autoincrement=False),
    Column("embedding", LargeBinary, nullable=False, comment="float32, little endian"),
    Column("space_version", String(64), nullable=False),
    Column("last_updated", UtcTime, nullable=False),
)

product_relations = Table(
    "product_relations",
    metadata,
    Column("product_id", Key, ForeignKey("products.product_id"), primary_key=True, autoincrement=False),
    Column("relation", String(20), primary_key=True, comment="similar or complementary"),
    Column("related_ids", LargeBinary, nullable=False, comment="product keys as int64, little endian, strongest first"),
    Column("scores", LargeBinary, nullable=False, comment="float32, little endian, 0 to 1"),
    Column("last_updated", UtcTime, nullable=False),
)

# --- recommendation agent (outcome columns: feedback agent) -------------------------------------------------------

recommendation_lists = Table(
    "recommendation_lists",
    metadata,
    Column(
        "id",
        Key,
        primary_key=True,
        autoincrement=False,
        comment="number of a recommendation without its position; below 0 where recommendations had none yet",
    ),
    Column("request_id", String(64), nullable=False, comment="one answer"),
    Column(
        "customer_id",
        Key,
        ForeignKey("customers.customer_id"),
        index=True,
        comment="null for a visitor nobody knew yet",
    ),
    Column("page_type", String(20), nullable=False),
    Column("strategy", String(40), nullable=False),
    Column("model_version", String(64), nullable=False),
    Column("generated_at", UtcTime, nullable=False, index=True),
    Column("by_algorithm", Json, nullable=False, comment="number of recommendations by the algorithm that gave most"),
    Column("packed_items", LargeBinary, nullable=False, comment="see shared.db.recommendation_items"),
    Column("placement_id", String(63), comment="the placement that was filled; null for that of the page itself"),
    Column("assignments", Json, comment="arm by experiment; null outside experiments"),
    Column("decision", Json, comment="what a bandit chose from and how, see shared.experiments; null without one"),
)

placements = Table(
    "placements",
    metadata,
    Column("placement_id", String(63), primary_key=True, comment="the platform's id"),
    Column("definition", LargeBinary, nullable=False, comment="quintet.type.v1.Placement, serialised"),
    Column("updated_at", UtcTime, nullable=False),
)

experiments = Table(
    "experiments",
    metadata,
    Column("experiment_id", String(63), primary_key=True, comment="the platform's id"),
    Column("definition", LargeBinary, nullable=False, comment="quintet.type.v1.Experiment, serialised"),
    Column("updated_at", UtcTime, nullable=False),
)

experiment_exposures = Table(
    "experiment_exposures",
    metadata,
    Column("experiment_id", String(63), primary_key=True),
    Column("unit", BigInteger, primary_key=True, autoincrement=False, comment="see shared.experiments.assignment"),
    Column("arm", String(63), primary_key=True, comment="whoever has two met both"),
    Column("customer_id", Key, ForeignKey("customers.customer_id"), index=True, comment="null while nobody is known"),
    Column("session", String(128), comment="the platform's session, where sessions are assigned"),
    Column("first_at", UtcTime, nullable=False, comment="the first list of the arm"),
)

merchandising_rules = Table(
    "merchandising_rules",
    metadata,
    Column("rule_id", String(63), primary_key=True, comment="the platform's id"),
    Column("definition", LargeBinary, nullable=False, comment="quintet.type.v1.Rule, serialised"),
    Column("updated_at", UtcTime, nullable=False),
)

recommendations = Table(
    "recommendations",
    metadata,
    Column("id", Key, primary_key=True),
    Column("customer_id", Key, ForeignKey("customers.customer_id"), comment="null for a visitor nobody knows yet"),
    Column("product_id", Key, ForeignKey("products.product_id"), nullable=False),
    Column("algorithm", String(64), nullable=False),
    Column("generated_at", UtcTime, nullable=False),
    Column("was_shown", Boolean, nullable=False, default=False, server_default=false()),
    Column("was_clicked", Boolean, nullable=False, default=False, server_default=false()),
    Column("was_added_to_cart", Boolean, nullable=False, default=False, server_default=false()),
    Column("was_purchased", Boolean, nullable=False, default=False, server_default=false()),
    Column("was_dismissed", Boolean, nullable=False, default=False, server_default=false()),
    Column("shown_at", UtcTime),
    Column("clicked_at", UtcTime),
    Column("list_id", Key, ForeignKey("recommendation_lists.id"), index=True, comment="never null"),
    Index("ix_recommendations_customer_product", "customer_id", "product_id", "generated_at"),
    Index("ix_recommendations_generated", "generated_at"),
    Index("ix_recommendations_product_generated", "product_id", "generated_at"),
    Index(
        "ix_recommendations_dismissed",
        "customer_id",
        "product_id",
        sqlite_where=text("was_dismissed"),
        postgresql_where=text("was_dismissed"),
    ),
    sqlite_autoincrement=True,
    comment="recommendations that somebody responded to; all others are in recommendation_lists only",
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("id", Key, primary_key=True),
    Column("kind", String(40), nullable=False, comment="recommender, embedding_space or segments"),
    Column("version", String(64), nullable=False),
    Column("checksum", String(64), nullable=False, comment="SHA-256 of the artefact, hexadecimal"),
    Column("size_bytes", BigInteger, nullable=False),
    Column("metadata", Json, nullable=False, default=dict),
    Column("created_at", UtcTime, nullable=False),
    Column("active", Boolean, nullable=False, default=False, server_default=false()),
    Column("location", Text, comment="address of the object that is the artefact; null where it is in model_chunks"),
    UniqueConstraint("kind", "version"),
    Index(
        "ix_model_versions_active", "kind", unique=True, sqlite_where=text("active"), postgresql_where=text("active")
    ),
)

model_chunks = Table(
    "model_chunks",
    metadata,
    Column("model_version_id", Key, ForeignKey("model_versions.id", ondelete="CASCADE"), primary_key=True),
    Column("chunk", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

shadow_models = Table(
    "shadow_models",
    metadata,
    Column("version", String(64), primary_key=True),
    Column("share", Float, nullable=False, comment="of the answers that it answers as well, 0 to 1"),
    Column("since", UtcTime, nullable=False),
    Column("dropped", BigInteger, nullable=False, default=0, server_default="0", comment="answers for want of time"),
)

shadow_lists = Table(
    "shadow_lists",
    metadata,
    Column(
        "list_id",
        Key,
        ForeignKey("recommendation_lists.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("version", String(64), primary_key=True),
    Column("overlap", Float, nullable=False, comment="share of the shown products that it has as well"),
    Column("correlation", Float, comment="of the ranks of what both have; null for fewer than two"),
    Column("products", Json, nullable=False, comment="keys, best first"),
    Index("ix_shadow_lists_version", "version"),
)

tuning_trials = Table(
    "tuning_trials",
    metadata,
    Column("fingerprint", String(100), primary_key=True, comment="the data and the questions it was measured on"),
    Column("algorithm", String(64), primary_key=True),
    Column("params_hash", String(64), primary_key=True, comment="SHA-256 of params as sorted JSON, hexadecimal"),
    Column("params", Json, nullable=False, comment="the whole configuration"),
    Column("value", Float, nullable=False, comment="mean NDCG at 20"),
    Column("gains", LargeBinary, nullable=False, comment="of each question, float32, little endian"),
    Column("questions", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("created_at", UtcTime, nullable=False, index=True),
)

tuned_parameters = Table(
    "tuned_parameters",
    metadata,
    Column("algorithm", String(64), primary_key=True),
    Column("params", Json, nullable=False, comment="what differs from the default configuration"),
    Column("evidence", Json, nullable=False, comment="values, interval, trials, questions"),
    Column("events", BigInteger, nullable=False, comment="interactions there were"),
    Column("tuned_at", UtcTime, nullable=False),
)

# --- feedback agent -----------------------------------------------------------------------------------------------

recommendation_outcomes = Table(
    "recommendation_outcomes",
    metadata,
    Column("id", Key, primary_key=True),
    Column("recommendation_id", Key, ForeignKey("recommendations.id"), nullable=False),
    Column(
        "kind",
        String(20),
        nullable=False,
        comment="shown, click, add_to_cart, dismiss, purchase, view_through, credit, refunded",
    ),
    Column("occurred_at", UtcTime, nullable=False),
    Column("event_sequence", BigInteger, nullable=False, comment="number of the event in the log"),
    Column("purchase_id", String(128), comment="the platform's id, for purchase, view_through and credit"),
    Column("touched_at", UtcTime, comment="the click or impression that takes the credit"),
    Column("amount", BigInteger, comment="minor units credited, refunds taken off"),
    Column("currency", String(3)),
    Column(
        "rule", String(20), comment="attribution rule of a credit; null in rows of earlier releases, and not credits"
    ),
    Column("share", Float, comment="share of the line that is credited, 0 to 1; null as for rule"),
    Column("margin", BigInteger, comment="amount less the cost of the goods, minor units; null when unknown"),
    Column("grade", Float, comment="of a click, 0 to 1; null where nothing is known of the time after it"),
    Column("dwell_seconds", Float, comment="of a click: longest reported time on the product's page; null when none"),
    Index("ix_outcomes_recommendation", "recommendation_id", "kind"),
    Index("ix_outcomes_time", "occurred_at"),
    Index("ix_outcomes_event", "event_sequence"),
    Index("ix_outcomes_purchase", "purchase_id"),
)

waiting_responses = Table(
    "waiting_responses",
    metadata,
    Column("recommendation_id", BigInteger, primary_key=True, autoincrement=False, comment="not written yet"),
    Column(
        "event_sequence",
        Key,
        ForeignKey("event_log.sequence", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("since", UtcTime, nullable=False, index=True),
)

bandit_statistics = Table(
    "bandit_statistics",
    metadata,
    Column("placement_id", String(63), primary_key=True),
    Column("variant_id", String(63), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False, comment="days since 1970 in UTC, of the lists"),
    Column("reward", String(64), nullable=False, comment="digest of the weights of the reward"),
    Column("gram", LargeBinary, nullable=False, comment="sum of x x', float64, little endian"),
    Column("moment", LargeBinary, nullable=False, comment="sum of x r, float64, little endian"),
    Column("squares", Float, nullable=False, comment="sum of r r"),
    Column("decisions", BigInteger, nullable=False),
)

bandit_posteriors = Table(
    "bandit_posteriors",
    metadata,
    Column("placement_id", String(63), primary_key=True),
    Column("variant_id", String(63), primary_key=True),
    Column("mean", LargeBinary, nullable=False, comment="of the coefficients, float64, little endian"),
    Column("covariance", LargeBinary, nullable=False, comment="of the coefficients, float64, little endian"),
    Column("decisions", BigInteger, nullable=False, comment="that it was learned from"),
    Column("learned_at", UtcTime, nullable=False),
)

session_facts = Table(
    "session_facts",
    metadata,
    Column(
        "session_id",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="of sessions; the fact outlives the session",
    ),
    Column("customer_id", Key, ForeignKey("customers.customer_id", ondelete="SET NULL"), comment="null once forgotten"),
    Column("started_at", UtcTime, nullable=False),
    Column("day", Integer, nullable=False, index=True, comment="of started_at, days since 1970-01-01 in UTC"),
    Column(
        "segment", String(100), nullable=False, comment="the first that the customer was known to be in; empty for none"
    ),
    Column("arm", String(200), nullable=False, comment="of all lists of the session; empty for none"),
    Column("orders", Integer, nullable=False),
    Column("units", Float, nullable=False, comment="bought, refunds not taken off"),
    Column("lists_shown", Integer, nullable=False, comment="lists made in the session of which anything was shown"),
    Column("shown", Integer, nullable=False, comment="recommendations, as the next six"),
    Column("clicked", Integer, nullable=False),
    Column("added_to_cart", Integer, nullable=False),
    Column("purchased", Integer, nullable=False),
    Column("purchased_after_view", Integer, nullable=False),
    Column("dismissed", Integer, nullable=False),
    Column("refunded", Integer, nullable=False),
    Index("ix_session_facts_customer_time", "customer_id", "started_at"),
)

session_amounts = Table(
    "session_amounts",
    metadata,
    Column(
        "session_id",
        BigInteger,
        ForeignKey("session_facts.session_id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("currency", String(3), primary_key=True),
    Column("orders", Integer, nullable=False),
    Column("revenue", BigInteger, nullable=False, comment="minor units, refunds not taken off"),
    Column("refunded", BigInteger, nullable=False, comment="minor units"),
    Column("costed", BigInteger, nullable=False, comment="minor units kept, of lines whose product has a cost"),
    Column("margin", BigInteger, nullable=False, comment="minor units: costed less the cost of what was kept"),
    Column("attributed", BigInteger, nullable=False, comment="minor units credited to lists made in the session"),
    comment="money of sessions that have any; a session with several currencies has a row for each",
)

list_facts = Table(
    "list_facts",
    metadata,
    Column(
        "list_id",
        Key,
        ForeignKey("recommendation_lists.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column(
        "customer_id",
        Key,
        ForeignKey("customers.customer_id", ondelete="SET NULL"),
        comment="for whom it was made, or who took it up; null for nobody known",
    ),
    Column("generated_at", UtcTime, nullable=False),
    Column("placement", String(63), nullable=False, comment="empty for that of the page itself"),
    Column("page_type", String(20), nullable=False),
    Column(
        "segment", String(100), nullable=False, comment="the first that the customer was known to be in; empty for none"
    ),
    Column("arm", String(200), nullable=False, comment="empty for none"),
    Column("model_version", String(64), nullable=False),
    Column("numbers", Json, nullable=False, comment="what it adds to metric_cells, see shared.db.list_facts"),
    Index("ix_list_facts_customer_time", "customer_id", "generated_at"),
)

metric_cells = Table(
    "metric_cells",
    metadata,
    Column("cell_id", Key, primary_key=True),
    Column("day", Integer, nullable=False, comment="in which the lists were made, days since 1970-01-01 in UTC"),
    Column("placement", String(63), nullable=False),
    Column("page_type", String(20), nullable=False),
    Column("algorithm", String(64), nullable=False, comment="empty: of all algorithms together"),
    Column("segment", String(100), nullable=False),
    Column("arm", String(200), nullable=False),
    Column("model_version", String(64), nullable=False),
    Column("lists", BigInteger, nullable=False, default=0, server_default="0", comment="in which it recommended"),
    Column("lists_shown", BigInteger, nullable=False, default=0, server_default="0"),
    Column("generated", BigInteger, nullable=False, default=0, server_default="0", comment="recommendations"),
    Column("shown", BigInteger, nullable=False, default=0, server_default="0"),
    Column("clicked", BigInteger, nullable=False, default=0, server_default="0"),
    Column("added_to_cart", BigInteger, nullable=False, default=0, server_default="0"),
    Column("purchased", BigInteger, nullable=False, default=0, server_default="0"),
    Column("purchased_after_view", BigInteger, nullable=False, default=0, server_default="0"),
    Column("dismissed", BigInteger, nullable=False, default=0, server_default="0"),
    Column("refunded", BigInteger, nullable=False, default=0, server_default="0"),
    Column(
        "diverse_lists", BigInteger, nullable=False, default=0, server_default="0", comment="with two or more shown"
    ),
    Column("diversity", BigInteger, nullable=False, default=0, server_default="0", comment="sum, in millionths"),
    Column(
        "diversity_squares", BigInteger, nullable=False, default=0, server_default="0", comment="sum, in millionths"
    ),
    UniqueConstraint("day", "placement", "page_type", "algorithm", "segment", "arm", "model_version"),
    sqlite_autoincrement=True,
)

metric_cell_amounts = Table(
    "metric_cell_amounts",
    metadata,
    Column(
        "cell_id", Key, ForeignKey("metric_cells.cell_id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("currency", String(3), primary_key=True),
    Column("revenue", BigInteger, nullable=False, comment="minor units credited, refunds taken off"),
    Column("costed", BigInteger, nullable=False, comment="minor units of it, of products that have a cost"),
    Column("margin", BigInteger, nullable=False, comment="minor units: costed less the cost"),
)

metric_cell_products = Table(
    "metric_cell_products",
    metadata,
    Column(
        "cell_id", Key, ForeignKey("metric_cells.cell_id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("product_id", BigInteger, primary_key=True, autoincrement=False, comment="shown in lists of the cell"),
    Column("shown", Integer, nullable=False, comment="recommendations of it"),
    Column("responded", Integer, nullable=False, comment="of these clicked, put into the cart or bought"),
)

lifetime_values = Table(
    "lifetime_values",
    metadata,
    Column(
        "customer_id",
        Key,
        ForeignKey("customers.customer_id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("currency", String(3), primary_key=True),
    Column("value", BigInteger, nullable=False, comment="minor units that the customer is expected to spend"),
    Column("orders", Float, nullable=False, comment="days with an order that are expected"),
    Column("alive", Float, nullable=False, comment="probability that the customer still buys"),
    Column("days", Integer, nullable=False, comment="over so many days"),
    Column("predicted_at", UtcTime, nullable=False),
)

metric_marks = Table(
    "metric_marks",
    metadata,
    Column("id", Key, primary_key=True),
    Column("kind", String(20), nullable=False, comment="lists, customers or events"),
    Column("keys", LargeBinary, nullable=False, comment="int64, little endian: what metrics are to be made anew of"),
    sqlite_autoincrement=True,
)

algorithm_weights = Table(
    "algorithm_weights",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False, comment="counts up; the highest is in force"),
    Column("algorithm", String(64), primary_key=True),
    Column("weight", Float, nullable=False),
    Column("rationale", Text, nullable=False, default=""),
    Column("created_at", UtcTime, nullable=False),
    CheckConstraint("weight >= 0", name="weight"),
)

input_counts = Table(
    "input_counts",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False, comment="days since 1970-01-01 in UTC"),
    Column("dimension", String(40), primary_key=True, comment="what is counted: see shared.db.input_counts"),
    Column("value", String(200), primary_key=True, comment="empty: nothing; the row says that the day was counted"),
    Column("count", BigInteger, nullable=False),
)

drift_checks = Table(
    "drift_checks",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False, comment="the day looked at, since 1970-01-01 in UTC"),
    Column("checked_at", UtcTime, nullable=False),
    Column("found", Boolean, nullable=False, comment="whether any test is a finding"),
    Column("model_version", String(64), nullable=False, comment="whose quality was looked at; empty for none"),
    Column("quality", Json, nullable=False, comment="the replay of the day's questions; empty for none"),
    Column("tests", Json, nullable=False, comment="every test: what, numbers, whether it is a finding"),
    Column("job_id", String(64), comment="the training that it triggered"),
)

# --- coordinator --------------------------------------------------------------------------------------------------

event_log = Table(
    "event_log",
    metadata,
    Column("sequence", Key, primary_key=True),
    Column("event_id", String(160), comment="the platform's, of feedback with a prefix; null in compact rows"),
    Column("customer_id", Key, ForeignKey("customers.customer_id")),
    Column("kind", String(40), nullable=False, comment="field of Event.detail, or feedback; in compact rows a letter"),
    Column("occurred_at", UtcTime, nullable=False),
    Column("received_at", UtcTime, comment="null in compact rows: see event_receipts"),
    Column("payload", LargeBinary, nullable=False, comment="quintet.type.v1.Event, or Feedback, serialised"),
    Column("order_id", String(128), comment="the platform's id of the order that a purchase records; else null"),
    Column("packed_id", LargeBinary, comment="the event's id in compact rows, see shared.db.event_rows"),
    Index(
        "ix_event_log_event_id",
        "event_id",
        unique=True,
        sqlite_where=text("event_id IS NOT NULL"),
        postgresql_where=text("event_id IS NOT NULL"),
    ),
    Index(
        "ix_event_log_packed_id",
        "packed_id",
        unique=True,
        sqlite_where=text("packed_id IS NOT NULL"),
        postgresql_where=text("packed_id IS NOT NULL"),
    ),
    Index("ix_event_log_customer_sequence", "customer_id", "sequence"),
    Index(
        "ix_event_log_order_id",
        "order_id",
        sqlite_where=text("order_id IS NOT NULL"),
        postgresql_where=text("order_id IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)

event_quality = Table(
    "event_quality",
    metadata,
    Column("hour", UtcTime, primary_key=True, autoincrement=False, comment="start of an hour in UTC"),
    Column("kind", String(40), primary_key=True, comment="field of Event.detail; empty for none"),
    Column("problem", String(20), primary_key=True, comment="malformed, unknown, refused, late or duplicate"),
    Column("field", String(100), primary_key=True, comment="path in the event; empty where it is whole"),
    Column("events", BigInteger, nullable=False),
    Column("examples", Json, nullable=False, comment="ids of the first such events"),
)

unjoined_events = Table(
    "unjoined_events",
    metadata,
    Column("id", Key, primary_key=True),
    Column("packed_id", LargeBinary, nullable=False, unique=True, comment="see shared.db.event_rows"),
    Column("kind", String(40), nullable=False, comment="field of Event.detail"),
    Column("customer_id", String(128), index=True, comment="the platform's, as the event says"),
    Column("visitor_id", String(128), index=True, comment="the platform's, as the event says"),
    Column("order_id", String(128), index=True, comment="of the order that a purchase records"),
    Column("occurred_at", UtcTime, nullable=False),
    Column("received_at", UtcTime, nullable=False, index=True),
    Column("payload", LargeBinary, nullable=False, comment="quintet.type.v1.Event, serialised"),
    Column(
        "expired",
        Boolean,
        nullable=False,
        default=False,
        server_default=false(),
        comment="joined only when that is asked for",
    ),
    sqlite_autoincrement=True,
)

missing_references = Table(
    "missing_references",
    metadata,
    Column("kind", String(10), primary_key=True, comment="customer, product or purchase"),
    Column("external_id", String(128), primary_key=True, comment="the platform's id"),
    Column(
        "unjoined_id",
        Key,
        ForeignKey("unjoined_events.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        index=True,
    ),
)

event_receipts = Table(
    "event_receipts",
    metadata,
    Column(
        "first_sequence", Key, primary_key=True, autoincrement=False, comment="number of an event received at the time"
    ),
    Column("received_at", UtcTime, nullable=False, index=True, comment="until the next row, at least a minute later"),
)

job_runs = Table(
    "job_runs",
    metadata,
    Column("job_id", String(64), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("state", String(20), nullable=False, comment="RUNNING, SUCCEEDED, FAILED or CANCELLED"),
    Column("stage", String(200), nullable=False, default=""),
    Column("progress", Float, nullable=False, default=0.0),
    Column("started_at", UtcTime, nullable=False),
    Column("heartbeat_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("error", Text, nullable=False, default=""),
    Column("result", Json, nullable=False, default=dict),
    Column("lease", String(80), comment="the work that it holds"),
    Column("lease_token", BigInteger),
    Column("cancel_requested_at", UtcTime),
    Index("ix_job_runs_kind_started", "kind", "started_at"),
)

improvement_runs = Table(
    "improvement_runs",
    metadata,
    Column("run_id", String(32), primary_key=True),
    Column("kind", String(10), nullable=False, comment="model or weights"),
    Column("state", String(20), nullable=False, comment="see shared.db.improvement_runs"),
    Column("trigger", String(10), nullable=False, comment="schedule, drift or operator"),
    Column("drift_day", Integer, comment="of the drift that triggered it"),
    Column("former", String(64), nullable=False, comment="version that it would replace"),
    Column("candidate", String(64), nullable=False, comment="version that it would put in use"),
    Column("cutoff", UtcTime, comment="what came after it was not learned from: the paired test asks it"),
    Column("experiment_id", String(63), comment="of the canary, then of the holdback"),
    Column("evidence", Json, nullable=False, comment="numbers by stage"),
    Column("reason", Text, nullable=False, comment="why it is in its state, for people"),
    Column("started_at", UtcTime, nullable=False),
    Column("state_since", UtcTime, nullable=False),
    Column("ended_at", UtcTime, comment="null while it goes on"),
    Index(
        "ix_improvement_runs_open",
        "kind",
        unique=True,
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index("ix_improvement_runs_started", "started_at", "run_id"),
)

improvement_control = Table(
    "improvement_control",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="1"),
    Column("paused", Boolean, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("reason", Text, nullable=False, comment="why, for people"),
)

erasure_receipts = Table(
    "erasure_receipts",
    metadata,
    Column("receipt_id", String(64), primary_key=True),
    Column("erased_at", UtcTime, nullable=False),
    Column("rows", Json, nullable=False, comment="rows by table; names nobody"),
    Column("checksum", String(64), comment="SHA-256, hexadecimal; null for receipts of earlier releases"),
    Column(
        "forgotten", Key, index=True, comment="number in forgotten_histories; null for receipts of earlier releases"
    ),
    Column("models_time", UtcTime, comment="since when no stored model has a history of the erased"),
)

forgotten_histories = Table(
    "forgotten_histories",
    metadata,
    Column("number", Key, primary_key=True),
    Column("customer_key", BigInteger, nullable=False, comment="key of a customer whose history models must not use"),
    Column("forgotten_at", UtcTime, nullable=False),
    sqlite_autoincrement=True,
)

# --- bookkeeping --------------------------------------------------------------------------------------------------

scheduled_jobs = Table(
    "scheduled_jobs",
    metadata,
    Column("kind", String(40), primary_key=True),
    Column("since", UtcTime, nullable=False, comment="when the kind was scheduled first: the start of its clock"),
    Column("next_at", UtcTime, comment="when it is due"),
    Column("period_seconds", Float, comment="in place of the setting; 0 is never"),
    Column("paused", Boolean, nullable=False, default=False, server_default=false()),
    Column("failures", Integer, nullable=False, default=0, server_default="0", comment="in a row, up to now"),
    Column("job_id", String(64), comment="the last run that the clock was set by"),
    Column("settled", Boolean, nullable=False, default=True, server_default=true(), comment="that run's end is known"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(80), primary_key=True, comment="the work that one process does"),
    Column("holder", String(64), nullable=False, comment="who does it; empty for nobody"),
    Column("token", BigInteger, nullable=False, comment="rises with every holder"),
    Column("expires_at", BigInteger, nullable=False, comment="microseconds since 1970; 0 for nobody"),
)

request_ids = Table(
    "request_ids",
    metadata,
    Column("request_id", String(128), primary_key=True, comment="the caller's id of the request"),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of what was asked for"),
    Column("result", String(200), nullable=False, comment="what is needed to answer again"),
    Column("created_at", UtcTime, nullable=False, index=True),
)

event_cursors = Table(
    "event_cursors",
    metadata,
    Column("consumer", String(40), primary_key=True, comment="the agent whose projection this is"),
    Column("sequence", BigInteger, nullable=False, comment="last event applied"),
    Column("updated_at", UtcTime, nullable=False),
)

event_partitions = Table(
    "event_partitions",
    metadata,
    Column("consumer", String(40), primary_key=True, comment="as in event_cursors; no rows: it is not divided"),
    Column("partition", Integer, primary_key=True, comment="rest of the customer's key divided by partitions"),
    Column("partitions", Integer, nullable=False, comment="how many there are"),
    Column("sequence", BigInteger, nullable=False, comment="last event applied of the partition's customers"),
)

failed_events = Table(
    "failed_events",
    metadata,
    Column("consumer", String(40), primary_key=True, comment="the agent that could not apply the event"),
    Column(
        "sequence",
        Key,
        ForeignKey("event_log.sequence", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        index=True,
    ),
    Column("kind", String(40), nullable=False, comment="as in event_log"),
    Column("reason", String(200), nullable=False, comment="class of the error and place in the code; no values"),
    Column("first_failed_at", UtcTime, nullable=False),
    Column("last_failed_at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

token_keys = Table(
    "token_keys",
    metadata,
    Column("key_id", Integer, primary_key=True, autoincrement=False),
    Column("secret", LargeBinary, nullable=False, comment="32 bytes; protects recommendation ids"),
    Column("created_at", UtcTime, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", String(32), primary_key=True),
    Column("role", String(20), nullable=False, comment="storefront, backend, merchandiser or admin"),
    Column("name", String(100), nullable=False, comment="what the operator calls it"),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the secret"),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("revoked_at", UtcTime),
    Column("last_used_at", UtcTime, comment="to about a minute"),
    Column("browser", Boolean, nullable=False),
    Column("origins", Json, nullable=False, comment="where pages with a browser key come from"),
    Column("rate_factor", Float, nullable=False, comment="multiplies the rate limits of the methods"),
)

import_checkpoints = Table(
    "import_checkpoints",
    metadata,
    Column("source", String(64), primary_key=True, comment="fingerprint of file, kind and mapping"),
    Column("rows_done", BigInteger, nullable=False),
    Column("rows_imported", BigInteger, nullable=False, default=0),
    Column("rows_duplicate", BigInteger, nullable=False, default=0),
    Column("rows_rejected", BigInteger, nullable=False, default=0),
    Column("shift_weeks", Integer, nullable=False, default=0, comment="weeks added to all times of the file"),
    Column("finished", Boolean, nullable=False, default=False, server_default=false()),
    Column("updated_at", UtcTime, nullable=False),
)

# --- every agent --------------------------------------------------------------------------------------------------

agent_samples = Table(
    "agent_samples",
    metadata,
    Column("agent", String(20), primary_key=True),
    Column("instance", String(64), primary_key=True, comment="one process of the agent"),
    Column("sampled_at", UtcTime, primary_key=True, autoincrement=False, comment="end of the period"),
    Column("clock_ahead_seconds", Float, nullable=False, comment="of the instance before the database's"),
    Column("seconds", Float, nullable=False, comment="length of the period"),
    Column("calls", BigInteger, nullable=False, comment="that somebody waits for"),
    Column("failed", BigInteger, nullable=False),
    Column("p50_ms", Float, nullable=False),
    Column("p99_ms", Float, nullable=False),
    Column("cpu_cores", Float, nullable=False),
    Column("memory_mb", Float, nullable=False),
    Column("answers", BigInteger, nullable=False, comment="lists of recommendations"),
    Column("empty", BigInteger, nullable=False),
    Column("fallbacks", BigInteger, nullable=False),
)
