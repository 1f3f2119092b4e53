"""Lists of recommendations are one row each; only recommendations that were responded to have rows of their own."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.db.batches import batches
from shared.db.recommendation_items import ListItem, pack, unpack
from shared.recommendation_tokens import MOST_POSITIONS, POSITION_BITS, WRITER_BITS

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROWS_AT_ONCE = 5_000
FIRST_NUMBER = 1 << 63 - WRITER_BITS
"""Smallest number of a recommendation; recommendations of revisions before 0003 have smaller ids."""
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
SHARED = ("request_id", "customer_id", "page_type", "strategy", "model_version", "generated_at")
MARKS = ("was_shown", "was_clicked", "was_added_to_cart", "was_purchased", "was_dismissed")
LISTS = sa.table(
    "recommendation_lists",
    sa.column("id", sa.BigInteger),
    *(sa.column(name) for name in SHARED),
    sa.column("by_algorithm", JSON),
    sa.column("packed_items", sa.LargeBinary),
)
RECOMMENDATIONS = sa.table(
    "recommendations",
    sa.column("id", sa.BigInteger),
    *(sa.column(name) for name in SHARED),
    sa.column("list_id", sa.BigInteger),
    sa.column("product_id", sa.BigInteger),
    sa.column("position", sa.Integer),
    sa.column("score", sa.Float),
    sa.column("algorithm", sa.String),
    sa.column("contributions", JSON),
    sa.column("reason", JSON),
    *(sa.column(name, sa.Boolean) for name in MARKS),
)
OUTCOMES = sa.table("recommendation_outcomes", sa.column("recommendation_id", sa.BigInteger))


def upgrade() -> None:
    op.create_table(
        "recommendation_lists",
        sa.Column(
            "id",
            KEY,
            autoincrement=False,
            nullable=False,
            comment="number of a recommendation without its position; below 0 where recommendations had none yet",
        ),
        sa.Column("request_id", sa.String(length=64), nullable=False, comment="one answer"),
        sa.Column("customer_id", KEY, nullable=True, comment="null for a visitor nobody knew yet"),
        sa.Column("page_type", sa.String(length=20), nullable=False),
        sa.Column("strategy", sa.String(length=40), nullable=False),
        sa.Column("model_version", sa.String(length=64), nullable=False),
        sa.Column("generated_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "by_algorithm", JSON, nullable=False, comment="number of recommendations by the algorithm that gave most"
        ),
        sa.Column("packed_items", sa.LargeBinary(), nullable=False, comment="see shared.db.recommendation_items"),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.customer_id"], name=op.f("fk_recommendation_lists_customer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recommendation_lists")),
    )
    # In one statement for both databases; SQLite takes a new foreign key only on a column that may be null.
    op.execute(
        "ALTER TABLE recommendations ADD COLUMN list_id BIGINT"
        " CONSTRAINT fk_recommendations_list_id REFERENCES recommendation_lists (id)"
    )
    connection = op.get_bind()
    for some in batches(list(rows) for _, rows in groupby(_old_rows(), key=_old_list)):
        connection.execute(LISTS.insert(), [_list_of(rows) for rows in some])
        _refer_by_list(connection, [rows for rows in some if not _is_numbered(rows[0])])
    columns = RECOMMENDATIONS.c
    answered = sa.or_(*(columns[name] for name in MARKS), sa.exists().where(OUTCOMES.c.recommendation_id == columns.id))
    connection.execute(RECOMMENDATIONS.delete().where(~answered))
    op.execute(f"UPDATE recommendations SET list_id = id >> {POSITION_BITS} WHERE id >= {FIRST_NUMBER}")  # noqa: S608
    op.create_index(op.f("ix_recommendation_lists_customer_id"), "recommendation_lists", ["customer_id"])
    op.create_index(op.f("ix_recommendation_lists_generated_at"), "recommendation_lists", ["generated_at"])
    op.create_index(op.f("ix_recommendations_list_id"), "recommendations", ["list_id"])
    for name in _DETAILS:
        op.drop_column("recommendations", name)


def downgrade() -> None:
    for name, of_type in _DETAILS.items():
        default = "{}" if of_type is JSON else "0" if name in ("position", "score") else ""
        op.add_column("recommendations", sa.Column(name, of_type, nullable=False, server_default=default))
    connection = op.get_bind()
    for each in _lists():
        _move_back(connection, each)
    op.drop_index(op.f("ix_recommendations_list_id"), table_name="recommendations")
    op.drop_column("recommendations", "list_id")
    op.drop_table("recommendation_lists")


_DETAILS: dict[str, Any] = {
    "request_id": sa.String(length=64),
    "position": sa.Integer(),
    "score": sa.Float(),
    "contributions": JSON,
    "reason": JSON,
    "page_type": sa.String(length=20),
    "strategy": sa.String(length=40),
    "model_version": sa.String(length=64),
}


def _old_rows() -> Iterator[Any]:
    """Yield the rows of recommendations in the order of their ids, some thousands at a time."""
    columns = RECOMMENDATIONS.c
    last = 0
    query = sa.select(RECOMMENDATIONS).order_by(columns.id).limit(ROWS_AT_ONCE)
    while rows := op.get_bind().execute(query.where(columns.id > last)).all():
        yield from rows
        last = rows[-1].id


def _is_numbered(row: Any) -> bool:
    return bool(row.id >= FIRST_NUMBER)


def _old_list(row: Any) -> tuple[str, int]:
    """Return what the recommendations of one list have in common: the request and, if they have one, the number."""
    return (row.request_id, row.id >> POSITION_BITS if _is_numbered(row) else 0)


def _list_number(rows: Sequence[Any]) -> int:
    return int(rows[0].id >> POSITION_BITS if _is_numbered(rows[0]) else -rows[0].id)


def _list_of(rows: Sequence[Any]) -> dict[str, Any]:
    """Return one list made of the rows of its recommendations."""
    items = [
        ListItem(
            row.id & MOST_POSITIONS if _is_numbered(row) else row.position,
            row.product_id,
            row.score,
            row.algorithm,
            row.contributions,
            row.reason,
        )
        for row in rows
    ]
    # Where they have different owners nobody was known when the list was made: some were taken up later.
    owners = {row.customer_id for row in rows}
    return {
        "id": _list_number(rows),
        **{name: rows[0]._mapping[name] for name in SHARED},
        "customer_id": None if len(owners) > 1 else rows[0].customer_id,
        "by_algorithm": dict(Counter(item.algorithm for item in items)),
        "packed_items": pack(items),
    }


def _refer_by_list(connection: sa.Connection, lists: Sequence[Sequence[Any]]) -> None:
    """Say in the rows of recommendations without numbers which lists they are in."""
    pairs = [{"of": row.id, "list": _list_number(rows)} for rows in lists for row in rows]
    statement = RECOMMENDATIONS.update().where(RECOMMENDATIONS.c.id == sa.bindparam("of"))
    if pairs:
        connection.execute(statement.values(list_id=sa.bindparam("list")), pairs)


def _lists() -> Iterator[Any]:
    """Yield the lists in the order of their numbers, some at a time."""
    columns = LISTS.c
    query = sa.select(LISTS).order_by(columns.id).limit(ROWS_AT_ONCE // 10)
    rows = op.get_bind().execute(query).all()
    while rows:
        yield from rows
        rows = op.get_bind().execute(query.where(columns.id > rows[-1].id)).all()


def _move_back(connection: sa.Connection, each: Any) -> None:
    """Give every recommendation of a list a row with everything in it."""
    columns = RECOMMENDATIONS.c
    query = sa.select(columns.product_id, columns.id).where(columns.list_id == each.id)
    kept = {row.product_id: row.id for row in connection.execute(query)}
    for item in unpack(each.packed_items):
        whole = {name: each._mapping[name] for name in ("request_id", "page_type", "strategy", "model_version")}
        whole |= {name: value for name, value in item._asdict().items() if name != "propensity"}
        product = whole.pop("product_key")
        if product in kept:
            connection.execute(RECOMMENDATIONS.update().where(columns.id == kept[product]).values(whole))
        else:
            number = (each.id << POSITION_BITS | item.position) if each.id > 0 else -each.id + item.position - 1
            connection.execute(
                RECOMMENDATIONS.insert().values(
                    id=number,
                    customer_id=each.customer_id,
                    product_id=product,
                    generated_at=each.generated_at,
                    **whole,
                )
            )
