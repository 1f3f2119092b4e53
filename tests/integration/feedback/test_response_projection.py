"""From events to marks, outcomes and credits: each number is set by the event that it names, and by no other."""

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from quintet.type.v1.event_pb2 import AddToCart, CartView, PageType, PageView, ProductQuantity, ProductView, Purchase

from services.feedback.attribution import Windows
from services.feedback.response_projection import CLOCK_SKEW
from shared.db import projection as history
from shared.db.algorithm_performance import AlgorithmCounts, algorithm_performance
from shared.db.engine import Connection, Database
from shared.db.event_log import LoggedEvent
from shared.db.log_consumer import LogConsumer
from shared.db.outcomes import credits_of
from shared.db.recommendations import read_recommendations
from shared.db.schema import customers
from shared.db.visitors import merge
from shared.telemetry import EVENTS, EVENTS_SET_ASIDE
from tests.integration.feedback.small_shop import ANN, BOB, NOON, Log, line, marks, open_shop, outcome_rows, recommend
from tests.support.dismissals import dismissed_products

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def log(sqlite_database: Database) -> Log:
    with sqlite_database.write() as connection:
        open_shop(connection)
    return Log(sqlite_database)


def made(log: Log, product: int = 1, customer: int | None = ANN, algorithm: str = "ease") -> int:
    with log.database.write() as connection:
        return recommend(connection, product, customer, algorithm)


def marks_of(log: Log, recommendation: int) -> set[str]:
    with log.database.read() as connection:
        return marks(connection, recommendation)


def outcomes_of(log: Log) -> list[tuple[int, str, int | None]]:
    with log.database.read() as connection:
        return outcome_rows(connection)


def measured(log: Log) -> AlgorithmCounts:
    with log.database.read() as connection:
        (counts,) = algorithm_performance(connection, NOON, NOON + DAY)
    return counts


def cart(*products: str) -> AddToCart:
    return AddToCart(items=[ProductQuantity(product_id=each) for each in products])


@pytest.mark.parametrize(
    ("respond", "expected"),
    [
        (lambda log, key: log.see(NOON, key), {"shown"}),
        (lambda log, key: log.respond(NOON, key, "SHOWN"), {"shown"}),
        (lambda log, key: log.respond(NOON, key, "CLICK"), {"shown", "clicked"}),
        (lambda log, key: log.respond(NOON, key, "ADD_TO_CART"), {"shown", "clicked", "added_to_cart"}),
        (lambda log, key: log.respond(NOON, key, "DISMISS"), {"shown", "dismissed"}),
        (lambda log, key: log.click(NOON, key), {"shown", "clicked"}),
        (lambda log, key: log.add(NOON, ANN, key, cart_view=CartView()), {"shown", "clicked"}),
        (
            lambda log, key: log.add(
                NOON, ANN, key, page_view=PageView(page_type=PageType.PAGE_TYPE_PRODUCT, product_id="p1")
            ),
            {"shown", "clicked"},
        ),
        (lambda log, key: log.add(NOON, ANN, key, add_to_cart=cart("p2", "p1")), {"shown", "clicked", "added_to_cart"}),
        (lambda log, key: log.add(NOON, ANN, key, add_to_cart=cart("p2")), {"shown", "clicked"}),
        (lambda log, key: log.add(NOON, ANN, add_to_cart=cart("p1")), set()),
        (lambda log, key: log.add(NOON, ANN, product_view=ProductView(product_id="p1")), set()),
        (lambda log, key: log.buy(NOON, "o-1"), set()),
    ],
)
def test_a_response_sets_the_marks_it_means(log: Log, respond: Callable[[Log, int], None], expected: set[str]) -> None:
    key, other = made(log), made(log, 2)
    respond(log, key)
    log.apply()
    assert marks_of(log, key) == expected
    assert marks_of(log, other) == set()


def test_an_impression_shows_each_of_its_recommendations_once(log: Log) -> None:
    keys = [made(log, product) for product in (1, 2, 3)]
    log.see(NOON, keys[0], keys[2], keys[0])
    log.apply()
    assert outcomes_of(log) == [(keys[0], "shown", None), (keys[2], "shown", None)]


def test_a_recommendation_shown_or_clicked_often_counts_once(log: Log) -> None:
    key = made(log)
    for minute in range(3):
        log.see(NOON + minute * MINUTE, key)
        log.click(NOON + minute * MINUTE, key)
    log.apply()
    assert measured(log) == AlgorithmCounts("ease", generated=1, shown=1, clicked=1)
    with log.database.read() as connection:
        assert read_recommendations(connection, [key])[key].clicked_at == NOON + 2 * MINUTE


def test_a_dismissed_product_is_known_as_such(log: Log) -> None:
    log.respond(NOON, made(log, 3), "DISMISS")
    log.apply()
    with log.database.read() as connection:
        assert dismissed_products(connection, ANN) == {3}
        assert dismissed_products(connection, BOB) == set()


@pytest.mark.parametrize("unknown", ["999", "abc", "9" * 40])
def test_an_unknown_recommendation_does_no_harm(log: Log, unknown: str) -> None:
    log.add(NOON, ANN, 999, product_view=ProductView(product_id="p1"))
    for response in ("DISMISS", "SHOWN", "ADD_TO_CART"):
        log.respond(NOON, unknown, response)
    before = EVENTS.labels("product_view", "recommendation_not_written")._value.get()
    log.apply()
    assert outcomes_of(log) == []
    assert EVENTS.labels("product_view", "recommendation_not_written")._value.get() == before + 1


def test_a_recommendation_for_nobody_becomes_the_responders(log: Log) -> None:
    key = made(log, customer=None)
    log.click(NOON, key)
    log.buy(NOON + HOUR, "o-1")
    log.apply()
    assert marks_of(log, key) == {"shown", "clicked", "purchased"}
    with log.database.read() as connection:
        assert read_recommendations(connection, [key])[key].customer_key == ANN


def test_a_click_by_nobody_known_is_counted_and_credits_nothing(log: Log) -> None:
    key = made(log, customer=None)
    log.click(NOON, key, customer=None)
    log.add(NOON + MINUTE, None, add_to_cart=cart("p1"))
    log.buy(NOON + HOUR, "o-1")
    log.apply()
    assert marks_of(log, key) == {"shown", "clicked"}


def test_a_cart_addition_is_credited_to_the_last_click_on_the_product(log: Log) -> None:
    first, last, other = made(log), made(log), made(log, 2)
    for minute, key in enumerate((first, last, other)):
        log.click(NOON + minute * MINUTE, key)
    log.add(NOON + HOUR, ANN, add_to_cart=cart("p1", "p1"))
    log.add(NOON + HOUR, BOB, add_to_cart=cart("p2"))
    log.apply()
    carted = [key for key in (first, last, other) if "added_to_cart" in marks_of(log, key)]
    assert carted == [last]


def test_a_cart_addition_long_after_the_click_is_not_credited(log: Log) -> None:
    key = made(log)
    log.click(NOON, key)
    log.add(NOON + 7 * DAY + MINUTE, ANN, add_to_cart=cart("p1"))
    log.apply()
    assert marks_of(log, key) == {"shown", "clicked"}


def test_a_purchase_is_credited_to_the_last_click_with_its_amount(log: Log) -> None:
    first, last = made(log, algorithm="content"), made(log)
    log.click(NOON, first)
    log.click(NOON + MINUTE, last)
    log.buy(NOON + HOUR, "o-1", line("p1", 250, 2), line("p2", 999), line("p1", 30))
    log.apply()
    assert marks_of(log, first) == {"shown", "clicked"}
    assert marks_of(log, last) == {"shown", "clicked", "purchased"}
    with log.database.read() as connection:
        (credit,) = credits_of(connection, ["o-1"])
    assert (credit.recommendation_id, credit.kind, credit.touched_at) == (last, "purchase", NOON + MINUTE)
    assert (credit.product_id, credit.amount, credit.currency) == ("p1", 280, "EUR")


def test_a_line_without_amount_is_worth_its_price(log: Log) -> None:
    priced, unpriced = made(log, 2), made(log, 5)
    log.click(NOON, priced)
    log.click(NOON, unpriced)
    log.buy(NOON + HOUR, "o-1", line("p2", quantity=1.5), line("p5"))
    log.apply()
    assert outcomes_of(log)[2:] == [(priced, "purchase", 300), (unpriced, "purchase", None)]
    assert measured(log).purchased == 2
    assert measured(log).revenue == {"EUR": 300}


def test_a_purchase_after_an_impression_alone_is_reported_apart(log: Log) -> None:
    key = made(log)
    log.see(NOON, key)
    log.buy(NOON + HOUR, "o-1")
    log.apply()
    assert outcomes_of(log)[1:] == [(key, "view_through", 100)]
    by_rule = {"view_through": {"EUR": 100}}
    assert measured(log) == AlgorithmCounts(
        "ease", generated=1, shown=1, purchased_after_view=1, revenue_by_rule=by_rule
    )


@pytest.mark.parametrize(
    ("click_after", "buy_after", "credited"),
    [(0 * HOUR, 7 * DAY, True), (0 * HOUR, 7 * DAY + MINUTE, False), (2 * HOUR, 1 * HOUR, False)],
)
def test_only_a_click_before_the_purchase_and_inside_the_window_counts(
    log: Log, click_after: timedelta, buy_after: timedelta, credited: bool
) -> None:
    key = made(log)
    log.click(NOON + click_after, key)
    log.buy(NOON + buy_after, "o-1")
    log.apply()
    assert ("purchased" in marks_of(log, key)) == credited


def test_a_click_recorded_after_its_purchase_comes_too_late(log: Log) -> None:
    key = made(log)
    log.buy(NOON + HOUR, "o-1")
    log.click(NOON, key)
    log.apply()
    assert marks_of(log, key) == {"shown", "clicked"}


def test_the_windows_can_be_set(sqlite_database: Database) -> None:
    with sqlite_database.write() as connection:
        open_shop(connection)
        clicked, seen = recommend(connection, 1), recommend(connection, 2)
    log = Log(sqlite_database, windows=Windows(click=timedelta(hours=2), view=timedelta(hours=3)))
    log.click(NOON, clicked)
    log.see(NOON, seen)
    log.buy(NOON + 2 * HOUR + MINUTE, "o-1", line("p1", 1), line("p2", 2))
    log.apply()
    assert outcomes_of(log)[2:] == [(seen, "view_through", 2)]


def test_another_customers_click_and_another_product_are_not_credited(log: Log) -> None:
    bobs, other = made(log, 1, BOB), made(log, 2)
    log.click(NOON, bobs, customer=BOB)
    log.click(NOON, other)
    log.buy(NOON + HOUR, "o-1")
    log.apply()
    assert [kind for _, kind, _ in outcomes_of(log)] == ["click", "click"]


def test_a_purchase_recorded_twice_is_credited_once(log: Log) -> None:
    key = made(log)
    log.click(NOON, key)
    log.buy(NOON + HOUR, "o-1")
    log.buy(NOON + HOUR, "o-1")
    log.apply()
    log.buy(NOON + 2 * HOUR, "o-1")
    log.apply()
    assert measured(log).revenue == {"EUR": 100}


def visitors_made(log: Log, *keys: int) -> None:
    with log.database.write() as connection:
        for key in keys:
            connection.execute(customers.insert().values(customer_id=key, registration_date=NOON))


def counted(kind: str, outcome: str) -> float:
    return EVENTS.labels(kind, outcome)._value.get()


@pytest.mark.parametrize("batch", [1, 500])
def test_what_another_customer_does_is_no_response(database: Database, batch: int) -> None:
    with database.write() as connection:
        open_shop(connection)
        anns, nobodys = recommend(connection, 1), recommend(connection, 2, None)
    log = Log(database, batch)
    before = counted("product_view", "recommendation_of_another")
    log.click(NOON, anns, customer=BOB)
    log.see(NOON, anns, customer=BOB)
    log.add(NOON, BOB, anns, add_to_cart=cart("p1"))
    log.add(NOON, BOB, anns, purchase=Purchase(purchase_id="o-1", items=[line("p1", 70)]))
    log.buy(NOON + HOUR, "o-2")
    log.click(NOON, nobodys, "p2", customer=ANN)
    log.click(NOON, nobodys, "p2", customer=BOB)
    log.apply()
    assert outcomes_of(log) == [(nobodys, "click", None)]
    assert marks_of(log, anns) == set()
    assert counted("product_view", "recommendation_of_another") == before + 2


@pytest.mark.parametrize(
    ("owner", "responder", "counts"),
    [
        (ANN, ANN, True),
        (ANN, BOB, False),
        (ANN, 7, True),
        (7, ANN, True),
        (7, 7, True),
        (7, 8, False),
        (ANN, None, True),
    ],
)
def test_a_visitor_may_be_the_customer_but_not_another_visitor(
    log: Log, owner: int, responder: int | None, counts: bool
) -> None:
    visitors_made(log, 7, 8)
    key = made(log, customer=owner)
    log.click(NOON, key, customer=responder)
    log.apply()
    assert marks_of(log, key) == ({"shown", "clicked"} if counts else set())


def test_what_a_visitor_did_before_a_merge_is_the_customers(log: Log) -> None:
    visitors_made(log, 7)
    key = made(log, customer=7)
    log.click(NOON, key, customer=7)
    log.record()
    with log.database.write() as connection:
        merge(connection, 7, ANN)
    log.click(NOON + MINUTE, key, customer=BOB)
    log.buy(NOON + HOUR, "o-1")
    log.apply()
    assert outcomes_of(log) == [(key, "click", None), (key, "purchase", 100)]


def test_feedback_names_nobody_and_counts(log: Log) -> None:
    key = made(log)
    log.respond(NOON, key, "DISMISS")
    log.apply()
    assert marks_of(log, key) == {"shown", "dismissed"}


@pytest.mark.parametrize(("before", "counts"), [(timedelta(0), True), (CLOCK_SKEW, True), (6 * MINUTE, False)])
def test_a_response_before_the_recommendation_was_made_is_none(log: Log, before: timedelta, counts: bool) -> None:
    keys = [made(log, product, customer) for product, customer in ((1, ANN), (1, ANN), (2, ANN), (3, None))]
    log.see(NOON - before, keys[0])
    log.click(NOON - before, keys[1])
    log.respond(NOON - before, keys[2], "ADD_TO_CART")
    log.click(NOON - before, keys[3])
    log.buy(NOON + HOUR, "o-1")
    log.apply()
    expected = [
        {"shown"},
        {"shown", "clicked", "purchased"},
        {"shown", "clicked", "added_to_cart"},
        {"shown", "clicked"},
    ]
    assert [marks_of(log, key) for key in keys] == (expected if counts else [set()] * 4)
    with log.database.read() as connection:
        assert read_recommendations(connection, keys)[keys[3]].customer_key == (ANN if counts else None)


def test_a_dismissal_is_heard_whenever_it_was(log: Log) -> None:
    log.respond(NOON - DAY, made(log, 3), "DISMISS")
    log.apply()
    with log.database.read() as connection:
        assert dismissed_products(connection, ANN) == {3}


@pytest.mark.parametrize("batch", [1, 500])
@pytest.mark.parametrize("first", [ANN, BOB])
@pytest.mark.parametrize("projected", ["nothing", "the first", "all"])
def test_a_purchase_belongs_to_the_first_event_that_records_it(
    database: Database, batch: int, first: int, projected: str
) -> None:
    with database.write() as connection:
        open_shop(connection)
        key = recommend(connection, 1)
    log = Log(database, batch)
    log.buy(NOON + HOUR, "o-1", customer=first)
    if projected == "the first":
        project_history(log)
    log.click(NOON + HOUR, key)
    log.buy(NOON + 2 * HOUR, "o-1")
    log.buy(NOON + 2 * HOUR, "o-2")
    if projected == "all":
        project_history(log)
    log.apply()
    with database.read() as connection:
        assert [credits_of(connection, [order]) == [] for order in ("o-1", "o-2")] == [True, False]


def test_a_purchase_given_back_in_full_is_not_credited_again(log: Log) -> None:
    key = made(log)
    log.click(NOON, key)
    log.buy(NOON + HOUR, "o-1")
    log.refund(NOON + 2 * HOUR, "o-1")
    log.buy(NOON + 3 * HOUR, "o-1")
    log.apply()
    assert measured(log).purchased == 0


def project_history(log: Log) -> None:
    """Record what was gathered and let the customer agent's projection apply it."""
    log.record()

    def project(connection: Connection, events: Sequence[LoggedEvent]) -> None:
        history.project(connection, history.decode(events))

    LogConsumer(log.database, "customer", project).apply()


def test_bought_at_once_from_the_recommendation_is_credited(log: Log) -> None:
    key = made(log)
    log.add(NOON, ANN, key, purchase=Purchase(purchase_id="o-1", items=[line("p1", 70)]))
    log.apply()
    assert outcomes_of(log) == [(key, "click", None), (key, "purchase", 70)]


def test_a_refund_in_part_takes_its_share_off(log: Log) -> None:
    key = made(log)
    log.click(NOON, key)
    log.buy(NOON + HOUR, "o-1", line("p1", 300, 3), line("p2", 700))
    log.refund(NOON + DAY, "o-1", p1=1)
    log.refund(NOON + DAY, "o-1", 100)
    log.apply()
    assert measured(log).revenue == {"EUR": 300 - 100 - 30}
    assert "purchased" in marks_of(log, key)


@pytest.mark.parametrize("batch", [1, 500])
def test_a_refund_in_full_ends_the_credit(database: Database, batch: int) -> None:
    with database.write() as connection:
        open_shop(connection)
        key, seen = recommend(connection, 1), recommend(connection, 2)
    log = Log(database, batch)
    log.click(NOON, key)
    log.see(NOON, seen)
    log.buy(NOON + HOUR, "o-1", line("p1"), line("p2", 50))
    log.buy(NOON + HOUR, "o-2", line("p2", 60))
    log.refund(NOON + DAY, "o-1")
    log.refund(NOON + DAY, "o-1")
    log.apply()
    by_rule = {"view_through": {"EUR": 60}}
    assert measured(log) == AlgorithmCounts(
        "ease", generated=2, shown=2, clicked=1, purchased_after_view=1, revenue_by_rule=by_rule
    )
    with database.read() as connection:
        assert credits_of(connection, ["o-1"]) == []


def test_a_recommendation_with_another_purchase_stays_bought_after_a_refund(log: Log) -> None:
    key = made(log)
    log.click(NOON, key)
    log.buy(NOON + HOUR, "o-1")
    log.buy(NOON + 2 * HOUR, "o-2")
    log.refund(NOON + DAY, "o-1", p1=1)
    log.apply()
    assert (measured(log).purchased, measured(log).revenue) == (1, {"EUR": 100})


def test_a_refund_of_what_nobody_recommended_changes_nothing(log: Log) -> None:
    key = made(log)
    log.click(NOON, key)
    log.buy(NOON + HOUR, "o-1", line("p1", 10), line("p2", 10))
    log.buy(NOON + HOUR, "o-2", line("p3", 10))
    log.refund(NOON + DAY, "o-2")
    log.refund(NOON + DAY, "o-1", p2=1)
    log.apply()
    assert measured(log).revenue == {"EUR": 10}


def test_a_broken_payload_is_set_aside_and_the_rest_applied(log: Log) -> None:
    key = made(log)
    log.append("product_view", NOON, ANN, b"\xff\xff\xff")
    log.click(NOON, key)
    before = EVENTS_SET_ASIDE.labels("feedback")._value.get()
    log.apply()
    assert marks_of(log, key) == {"shown", "clicked"}
    assert EVENTS_SET_ASIDE.labels("feedback")._value.get() == before + 1


def random_life(log: Log, seed: int) -> None:
    """Two customers see, click, cart, buy and return at random, events up to a day out of order."""
    chance = random.Random(seed)
    with log.database.write() as connection:
        open_shop(connection)
        keys = [
            recommend(connection, chance.randint(1, 5), chance.choice([ANN, BOB, None]), chance.choice("xyz"))
            for _ in range(20)
        ]
    for number in range(120):
        at = NOON + number * HOUR - chance.randint(0, 24) * HOUR
        customer = chance.choice([ANN, BOB])
        products = [f"p{n}" for n in chance.sample(range(1, 6), 2)]
        match chance.choice(["see", "click", "respond", "cart", "buy", "refund"]):
            case "see":
                log.see(at, *chance.sample(keys, 4), customer=customer)
            case "click":
                log.click(at, chance.choice(keys), products[0], customer)
            case "respond":
                log.respond(at, chance.choice(keys), chance.choice(["SHOWN", "CLICK", "ADD_TO_CART", "DISMISS"]))
            case "cart":
                log.add(at, customer, chance.choice([None, *keys]), add_to_cart=cart(*products))
            case "buy":
                amounts = [chance.choice([None, 0, 99, 250]) for _ in products]
                lines = [line(each, amount, 2) for each, amount in zip(products, amounts, strict=True)]
                log.buy(at, f"o-{number}", *lines, customer=customer)
            case "refund":
                log.refund(at, f"o-{chance.randint(0, number)}", **{products[0]: 1})


Projected = tuple[list[tuple[int, str, int | None]], list[set[str]], list[AlgorithmCounts]]


def projected(database: Database, batch: int, seed: int) -> Projected:
    """Return all that a random life leaves behind: outcomes, marks, and the performance of the algorithms."""
    log = Log(database, batch)
    random_life(log, seed)
    log.apply()
    with database.read() as connection:
        counts = algorithm_performance(connection, NOON, NOON + DAY)
        return outcome_rows(connection), [marks(connection, key) for key in range(1, 21)], counts


@pytest.fixture
def fresh(migrated_file: Path, tmp_path: Path) -> Iterator[Callable[[], Database]]:
    """Makes fresh SQLite databases."""
    made: list[Database] = []

    def make() -> Database:
        path = tmp_path / f"fresh-{len(made)}.db"
        shutil.copy(migrated_file, path)
        made.append(Database(f"sqlite:///{path}"))
        return made[-1]

    yield make
    for database in made:
        database.close()


@pytest.mark.parametrize("seed", range(4))
def test_where_a_batch_ends_makes_no_difference(fresh: Callable[[], Database], seed: int) -> None:
    outcomes, flags, counts = projected(fresh(), 1, seed)
    for batch in (7, 500):
        assert projected(fresh(), batch, seed) == (outcomes, flags, counts)
    for each in counts:
        assert each.generated >= each.shown >= each.clicked >= max(each.added_to_cart, each.purchased)
        assert all(amount >= 0 for amount in each.revenue.values())
    assert {kind for _, kind, _ in outcomes} >= {"shown", "click", "purchase", "view_through"}


@pytest.mark.postgres
def test_both_databases_tell_the_same(postgres_database: Database, fresh: Callable[[], Database]) -> None:
    assert projected(postgres_database, 50, 4) == projected(fresh(), 50, 4)


@pytest.mark.parametrize("by_default", [True, False])
def test_nothing_counts_of_a_shopper_who_does_not_permit_it(sqlite_database: Database, by_default: bool) -> None:
    with sqlite_database.write() as connection:
        open_shop(connection)
        denied = None if not by_default else False
        connection.execute(customers.update().where(customers.c.customer_id == ANN).values(measure=denied))
        connection.execute(customers.update().where(customers.c.customer_id == BOB).values(measure=True))
    log = Log(sqlite_database, windows=Windows(measured=by_default))
    anns, bobs, dismissed = made(log), made(log, customer=BOB), made(log, 2)
    for key, who in ((anns, ANN), (bobs, BOB)):
        log.click(NOON, key, customer=who)
        log.buy(NOON + HOUR, f"o-{who}", customer=who)
        log.respond(NOON, key, "ADD_TO_CART")
    log.respond(NOON, dismissed, "DISMISS")
    log.apply()
    assert marks_of(log, anns) == set()
    assert "dismissed" in marks_of(log, dismissed)
    assert {"clicked", "added_to_cart", "purchased"} <= marks_of(log, bobs)


def test_a_purchase_is_attributed_to_nothing_once_measure_is_withdrawn(log: Log) -> None:
    key = made(log)
    log.click(NOON, key)
    log.apply()
    with log.database.write() as connection:
        connection.execute(customers.update().where(customers.c.customer_id == ANN).values(measure=False))
    log.buy(NOON + HOUR, "o-1")
    log.apply()
    assert marks_of(log, key) == {"shown", "clicked"}
    assert [kind for _, kind, _ in outcomes_of(log)] == ["click"]
