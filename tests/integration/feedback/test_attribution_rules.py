"""Credits of every rule in the database: side by side, each the whole of a line, refunded alike, made anew alike."""

import random
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from quintet.type.v1.event_pb2 import AddToCart, ProductQuantity, ProductView
from sqlalchemy import select, update

from services.feedback.attribution import Windows
from services.feedback.late_recommendations import apply_late
from services.feedback.rebuild import ResponseRebuild
from shared.attribution_rules import BESIDE, LAST_TOUCH
from shared.db.engine import Database
from shared.db.recommendations import log_recommendations
from shared.db.schema import products, recommendation_outcomes, recommendations
from tests.integration.feedback.small_shop import ANN, BOB, NOON, Log, line, marks, open_shop, outcome_rows, recommend
from tests.support.recommendations import list_of_one
from tests.support.tokens import next_number

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
ALL_RULES = Windows(rules=BESIDE)
FIRST, LATE = next_number(), next_number()
COST = 30
"""Cost of each product but `p2`, in cents of a Euro."""


@pytest.fixture
def log(database: Database) -> Log:
    return opened(database)


def opened(database: Database, batch: int = 500, windows: Windows = ALL_RULES) -> Log:
    with database.write() as connection:
        open_shop(connection)
        priced = update(products).where(products.c.external_id != "p2")
        connection.execute(priced.values(cost=COST, currency="EUR"))
    return Log(database, batch, windows)


def made(log: Log, product: int = 1, customer: int | None = ANN) -> int:
    with log.database.write() as connection:
        return recommend(connection, product, customer)


Row = tuple[int, str, float, int | None, int | None, str]


def credited(database: Database) -> dict[str, list[Row]]:
    """Return the credits by rule: recommendation, kind, share, amount, margin, purchase."""
    columns = recommendation_outcomes.c
    found: defaultdict[str, list[Row]] = defaultdict(list)
    names = (
        columns.recommendation_id,
        columns.kind,
        columns.share,
        columns.amount,
        columns.margin,
        columns.purchase_id,
    )
    query = select(columns.rule, *names).where(columns.rule.is_not(None)).order_by(columns.id)
    with database.read() as connection:
        for rule, *row in connection.execute(query):
            found[rule].append(tuple(row))
    return dict(found)


def content(database: Database) -> tuple[list[str], list[Any]]:
    columns = [column for column in recommendation_outcomes.c if column.name != "id"]
    with database.read() as connection:
        marked = connection.execute(select(recommendations).order_by(recommendations.c.id))
        return sorted(map(repr, connection.execute(select(*columns)))), list(map(tuple, marked))


def test_each_rule_credits_the_whole_line_and_a_refund_is_taken_back_under_each(log: Log) -> None:
    first, second, third = made(log), made(log), made(log)
    for hour, key in enumerate((first, second, third)):
        log.click(NOON + hour * HOUR, key)
    log.buy(NOON + 3 * HOUR, "o-1", line("p1", 101, 2))
    log.apply()
    assert credited(log.database) == {
        "last_touch": [(third, "purchase", 1.0, 101, 41, "o-1")],
        "first_touch": [(first, "credit", 1.0, 101, 41, "o-1")],
        "linear": [
            (first, "credit", pytest.approx(1 / 3), 33, 13, "o-1"),
            (second, "credit", pytest.approx(1 / 3), 34, 14, "o-1"),
            (third, "credit", pytest.approx(1 / 3), 34, 14, "o-1"),
        ],
        "position": [
            (first, "credit", 0.4, 40, 16, "o-1"),
            (second, "credit", 0.2, 20, 8, "o-1"),
            (third, "credit", 0.4, 41, 17, "o-1"),
        ],
    }
    log.refund(NOON + 4 * HOUR, "o-1", p1=1)
    log.apply()
    left = credited(log.database)
    assert {rule: sum(row[3] or 0 for row in rows) for rule, rows in left.items()} == dict.fromkeys(left, 50)
    assert {rule: sum(row[4] or 0 for row in rows) for rule, rows in left.items()} == dict.fromkeys(left, 20)
    log.refund(NOON + 5 * HOUR, "o-1")
    log.refund(NOON + 6 * HOUR, "o-1", 100)
    log.apply()
    assert {row[1:2] + row[3:5] for rows in credited(log.database).values() for row in rows} == {("refunded", 0, 0)}
    with log.database.read() as connection:
        assert "purchased" not in marks(connection, third)


def test_only_the_last_touch_sets_the_mark(log: Log) -> None:
    first, last = made(log), made(log)
    log.click(NOON, first)
    log.click(NOON + HOUR, last)
    log.buy(NOON + 2 * HOUR, "o-1")
    log.apply()
    with log.database.read() as connection:
        assert "purchased" not in marks(connection, first)
        assert "purchased" in marks(connection, last)


def test_view_through_stands_apart_and_has_no_other_rules(log: Log) -> None:
    log.see(NOON, made(log))
    log.buy(NOON + HOUR, "o-1")
    log.apply()
    assert [*credited(log.database)] == ["view_through"]


def test_the_margin_is_unknown_without_a_cost(log: Log) -> None:
    log.click(NOON, made(log, 2), "p2")
    log.buy(NOON + HOUR, "o-1", line("p2", 100))
    log.apply()
    log.refund(NOON + HOUR, "o-1", 40)
    log.apply()
    assert {(row[3], row[4]) for rows in credited(log.database).values() for row in rows} == {(60, None)}


def random_life(log: Log, seed: int) -> None:
    """Two customers click, look, buy and return at random, times up to a day out of order."""
    chance = random.Random(seed)
    keys = [made(log, chance.randint(1, 3), chance.choice([ANN, BOB, None])) for _ in range(12)]
    for number in range(150):
        at, who = NOON + chance.randint(0, 3_600 * 8) * SECOND, chance.choice([ANN, BOB])
        product = f"p{chance.randint(1, 3)}"
        match chance.choice(["see", "click", "click", "click", "respond", "cart", "buy", "refund", "view", "view"]):
            case "see":
                log.see(at, *chance.sample(keys, 4), customer=who)
            case "click":
                log.click(at, chance.choice(keys), product, who)
            case "respond":
                log.respond(at, chance.choice(keys), chance.choice(["CLICK", "ADD_TO_CART", "DISMISS"]))
            case "cart":
                log.add(at, who, add_to_cart=AddToCart(items=[ProductQuantity(product_id=product)]))
            case "buy":
                log.buy(at, f"o-{number}", line(product, chance.choice([None, 0, 99, 250]), 2), customer=who)
            case "refund":
                log.refund(at, f"o-{chance.randint(0, number)}", chance.choice([None, 7]), **{product: 1})
            case _:
                seconds = chance.choice([0, 3, 60])
                log.add(at, who, product_view=ProductView(product_id=product, duration_seconds=seconds, scrolls=1))


@pytest.fixture
def fresh(migrated_file: Path, tmp_path: Path) -> Iterator[Callable[[], Database]]:
    """Makes fresh SQLite databases."""
    made_here: list[Database] = []

    def make() -> Database:
        path = tmp_path / f"fresh-{len(made_here)}.db"
        shutil.copy(migrated_file, path)
        made_here.append(Database(f"sqlite:///{path}"))
        return made_here[-1]

    yield make
    for database in made_here:
        database.close()


def lived(database: Database, seed: int, batch: int, windows: Windows = ALL_RULES) -> Database:
    log = opened(database, batch, windows)
    random_life(log, seed)
    log.apply()
    return database


@pytest.mark.parametrize("seed", range(3))
def test_where_a_batch_ends_makes_no_difference(fresh: Callable[[], Database], seed: int) -> None:
    at_once = lived(fresh(), seed, 500)
    expected = content(at_once)
    found = credited(at_once)
    assert {*found} >= {*BESIDE, LAST_TOUCH}
    totals = {rule: by_purchase(rows) for rule, rows in found.items() if rule != "view_through"}
    assert all(each == totals[LAST_TOUCH] for each in totals.values())
    for batch in (1, 7):
        assert content(lived(fresh(), seed, batch)) == expected
    list(ResponseRebuild(at_once, ALL_RULES).run())
    assert content(at_once) == expected


def by_purchase(rows: list[Row]) -> dict[str, tuple[Any, ...]]:
    """Return the sums of share, amount and margin by purchase."""
    found: dict[str, tuple[float, int | None, int | None]] = {}
    for _, _, share, amount, margin, purchase in rows:
        one, two, three = found.get(purchase, (0.0, None, None))
        known = (None if amount is None else amount + (two or 0), None if margin is None else margin + (three or 0))
        found[purchase] = (one + share, *known)
    return {purchase: (round(share, 9), *sums) for purchase, (share, *sums) in found.items()}


@pytest.mark.parametrize("seed", range(3))
def test_the_last_touch_is_the_same_whatever_is_computed_beside_it(fresh: Callable[[], Database], seed: int) -> None:
    with_all, alone = lived(fresh(), seed, 500), lived(fresh(), seed, 500, Windows())
    rows, marked = content(with_all)
    assert ([row for row in rows if "'credit'" not in row and not beside(row)], marked) == content(alone)


def beside(row: str) -> bool:
    return any(f"'{rule}'" in row for rule in BESIDE)


@pytest.mark.postgres
def test_both_databases_tell_the_same(postgres_database: Database, fresh: Callable[[], Database]) -> None:
    assert content(lived(postgres_database, 5, 50)) == content(lived(fresh(), 5, 50))


def write(database: Database, number: int) -> None:
    with database.write() as connection:
        log_recommendations(connection, [list_of_one(number, ANN, 1, NOON)])


def test_what_was_refunded_before_its_recommendation_was_written_is_not_credited(log: Log) -> None:
    other = made(log, 3)
    log.respond(NOON, other, "CLICK")
    log.respond(NOON, LATE, "CLICK")
    log.buy(NOON + MINUTE, "o-1", line("p1", 100, 2), line("p3", 60, 2))
    log.refund(NOON + 2 * MINUTE, "o-1", p1=1, p3=1)
    log.apply()
    write(log.database, LATE)
    apply_late(log.database, ALL_RULES)
    rows = credited(log.database)
    assert [(rule, [row[3] for row in parts]) for rule, parts in rows.items()] == [
        (rule, [30, 50]) for rule in (LAST_TOUCH, *BESIDE)
    ]
    before = content(log.database)
    list(ResponseRebuild(log.database, ALL_RULES).run())
    assert content(log.database) == before


def test_a_line_that_was_refunded_is_not_credited_again_by_a_late_click(log: Log) -> None:
    write(log.database, FIRST)
    log.respond(NOON, FIRST, "CLICK")
    log.respond(NOON + SECOND, LATE, "CLICK")
    log.buy(NOON + MINUTE, "o-1")
    log.refund(NOON + 2 * MINUTE, "o-1")
    log.apply()
    write(log.database, LATE)
    apply_late(log.database, ALL_RULES)
    with log.database.read() as connection:
        kinds = [kind for _, kind, _ in outcome_rows(connection)]
    assert sorted(kinds) == ["click", "click", "refunded", "refunded", "refunded", "refunded"]
