"""The migration to compact recommendations carries old rows over, there and back, on both databases."""

import json
from typing import Any

from alembic import command
from sqlalchemy import select, text

from shared.db.engine import Connection, Database
from shared.db.migrate import alembic_config, migrate
from shared.db.recommendations import read_recommendations, recommendations_of
from shared.db.schema import recommendation_lists, recommendations
from shared.db.types import from_micros, to_micros
from tests.integration.feedback.small_shop import ANN, BOB, NOON, open_shop
from tests.support.tokens import next_number

NUMBERED = next_number()
NOBODYS = next_number()
OLD = 7


def row(key: int, request: str, customer: int | None, product: int, position: int, **marks: Any) -> dict[str, Any]:
    names = ("was_shown", "was_clicked", "was_added_to_cart", "was_purchased", "was_dismissed")
    return {
        "id": key,
        "request_id": request,
        "customer_id": customer,
        "product_id": product,
        "position": position,
        "score": 0.1 * position,
        "algorithm": "ease" if position == 1 else "similar",
        "contributions": {"ease": 0.5, "similar": 0.25},
        "reason": {"kind": "viewed", "product_ids": ["p1"], "group": ""},
        "page_type": "HOME",
        "strategy": "hybrid",
        "model_version": "m1",
        "generated_at": to_micros(NOON),
        **{name: marks.get(name, False) for name in names},
        "shown_at": marks.get("shown_at"),
        "clicked_at": None,
    }


ROWS = [
    row(OLD, "before numbers", ANN, 1, 1, was_shown=True, shown_at=to_micros(NOON)),
    row(OLD + 1, "before numbers", ANN, 2, 2),
    row(NUMBERED, "numbered", ANN, 3, 1),
    row(NUMBERED + 1, "numbered", ANN, 4, 2, was_shown=True, was_dismissed=True),
    row(NOBODYS, "nobody's", None, 1, 1),
    row(NOBODYS + 1, "nobody's", BOB, 2, 2, was_shown=True),
]


def fill(connection: Connection) -> None:
    columns = ", ".join(ROWS[0])
    values = ", ".join(f":{name}" for name in ROWS[0])
    as_text = [{**each, **{name: json.dumps(each[name]) for name in ("contributions", "reason")}} for each in ROWS]
    connection.execute(text(f"INSERT INTO recommendations ({columns}) VALUES ({values})"), as_text)  # noqa: S608
    outcome = "INSERT INTO recommendation_outcomes (recommendation_id, kind, occurred_at, event_sequence) VALUES"
    connection.execute(text(f"{outcome} ({NUMBERED + 1}, 'dismiss', 1, 1)"))


def filled(database: Database) -> None:
    """Go back to the revision before, with ROWS."""
    with database.write() as connection:
        open_shop(connection)
        command.downgrade(alembic_config(connection), "0004")
    with database.write() as connection:
        fill(connection)


def expected(customer: int, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    moments = ("generated_at", "shown_at", "clicked_at")
    return [
        {**each, **{name: None if each[name] is None else from_micros(each[name]) for name in moments}}
        | {"customer_id": customer}
        for each in rows
    ]


def test_old_rows_read_the_same_after_the_migration(database: Database) -> None:
    filled(database)
    migrate(database)
    with database.read() as connection:
        [first, second], third, fourth = ROWS[:2], ROWS[2], ROWS[3]
        # Nobody can name a recommendation without a number any more.
        assert list(recommendations_of(connection, ANN)) == expected(ANN, first, {**second, "id": None}, third, fourth)
        assert list(recommendations_of(connection, BOB)) == expected(BOB, ROWS[5])
        read = read_recommendations(connection, [each["id"] for each in ROWS])
        assert {key: found.product_id for key, found in read.items()} == {
            OLD: "p1",
            NUMBERED: "p3",
            NUMBERED + 1: "p4",
            NOBODYS: "p1",
            NOBODYS + 1: "p2",
        }
        assert read[NOBODYS].customer_key is None
        kept = connection.execute(select(recommendations.c.id).order_by(recommendations.c.id)).scalars().all()
        assert kept == [OLD, NUMBERED + 1, NOBODYS + 1]
        assert connection.execute(select(recommendation_lists.c.by_algorithm)).scalars().first() == {
            "ease": 1,
            "similar": 1,
        }


def test_the_way_back_has_every_row_again(database: Database) -> None:
    filled(database)
    migrate(database)
    with database.write() as connection:
        command.downgrade(alembic_config(connection), "0004")
        names = ", ".join(name for name in ROWS[0] if name not in ("contributions", "reason"))
        found = connection.execute(text(f"SELECT {names} FROM recommendations ORDER BY id")).all()  # noqa: S608
        rows = [dict(each._mapping) for each in found]
    assert rows == [{name: each[name] for name in rows[0]} for each in ROWS]
    migrate(database)
