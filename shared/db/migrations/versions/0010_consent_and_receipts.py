"""Consent by purpose, e-mails of two customers, receipts that can be verified, histories that models must forget."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def customer_columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column(
            "duplicate_email",
            sa.String(320),
            comment="in place of email where another customer has that one in email",
        ),
        sa.Column("personalise", sa.Boolean(), comment="consent; null where nobody has said, as the next two"),
        sa.Column("measure", sa.Boolean()),
        sa.Column("train", sa.Boolean()),
        sa.Column("consent_time", sa.BigInteger(), comment="since when this consent is in force"),
    )


def receipt_columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("checksum", sa.String(64), comment="SHA-256, hexadecimal; null for receipts of earlier releases"),
        sa.Column("forgotten", KEY, comment="number in forgotten_histories; null for receipts of earlier releases"),
        sa.Column("models_time", sa.BigInteger(), comment="since when no stored model has a history of the erased"),
    )


def upgrade() -> None:
    for column in customer_columns():
        op.add_column("customers", column)
    said = sa.text("train IS NOT NULL")
    op.create_index("ix_customers_train", "customers", ["train"], sqlite_where=said, postgresql_where=said)
    for column in receipt_columns():
        op.add_column("erasure_receipts", column)
    op.create_index(op.f("ix_erasure_receipts_forgotten"), "erasure_receipts", ["forgotten"])
    op.create_table(
        "forgotten_histories",
        sa.Column("number", KEY, nullable=False),
        sa.Column(
            "customer_key",
            sa.BigInteger(),
            nullable=False,
            comment="key of a customer whose history models must not use",
        ),
        sa.Column("forgotten_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_forgotten_histories")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "merged_visitors",
        sa.Column(
            "visitor_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="key of a visitor's former row",
        ),
        sa.Column("customer_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.customer_id"],
            name=op.f("fk_merged_visitors_customer_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("visitor_key", name=op.f("pk_merged_visitors")),
        comment="visitors who became customers: models may know their histories by the former keys",
    )
    op.create_index(op.f("ix_merged_visitors_customer_id"), "merged_visitors", ["customer_id"])


def downgrade() -> None:
    op.drop_table("merged_visitors")
    op.drop_table("forgotten_histories")
    op.drop_index(op.f("ix_erasure_receipts_forgotten"), "erasure_receipts")
    for column in receipt_columns():
        op.drop_column("erasure_receipts", column.name)
    op.drop_index("ix_customers_train", "customers")
    for column in customer_columns():
        op.drop_column("customers", column.name)
