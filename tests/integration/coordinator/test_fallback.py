"""Best-sellers stand in for the recommendation agent and keep every rule, on both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from quintet.recommendation.v1.recommendation_service_pb2 import RecommendRequest
from quintet.type.v1.event_pb2 import Event, Purchase, PurchaseLine
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.recommendation_pb2 import RecommendationContext, RecommendationFilter

from services.coordinator.event_validation import submit_event
from services.coordinator.event_writer import EventWriter
from services.coordinator.fallback import BestSellers
from shared.db.engine import Database
from shared.db.recommendations import mark_dismissed, read_recommendations
from shared.errors import NotFound
from shared.recommendation_log import RecommendationLog
from shared.recommendation_tokens import Shopper
from tests.support.projecting import apply_all
from tests.support.shop import add_customers, add_products
from tests.support.tokens import KEYS


@pytest.fixture
def recommendation_log(database: Database) -> Iterator[RecommendationLog]:
    opened = RecommendationLog(database, "coordinator")
    opened.start()
    yield opened
    opened.stop()


@pytest.fixture
def best_sellers(database: Database, recommendation_log: RecommendationLog) -> BestSellers:
    """A shop where tea sells best, then cake, then milk; ann bought milk, the others everything."""
    add_customers(database, "ann", "bob", "cy", "di")
    add_products(database, "tea", "cake", "milk", price=300, category="food")
    add_products(database, "soap", price=900, category="care")
    add_products(database, "gone", inventory_status="OUT_OF_STOCK")
    add_products(database, "petrol", recommendable=False)
    buy(database, "bob", "tea", "cake", "milk", "soap", "gone", "petrol")
    buy(database, "cy", "tea", "cake", "gone", "petrol")
    buy(database, "di", "tea", "petrol")
    buy(database, "ann", "milk")
    return BestSellers(database, recommendation_log, KEYS)


def buy(database: Database, customer: str, *names: str) -> None:
    purchase = Purchase(
        purchase_id=f"{customer}-{'-'.join(names)}", items=[PurchaseLine(product_id=name) for name in names]
    )
    event = Event(customer_id=customer, purchase=purchase)
    event.event_time.FromDatetime(datetime.now(UTC) - timedelta(days=1))
    [outcome] = EventWriter(database, KEYS).commit([submit_event(event)])
    assert outcome.error is None
    apply_all(database)


def shown(best_sellers: BestSellers, **request: object) -> list[str]:
    answer = best_sellers.answer(RecommendRequest(**{"customer_id": "ann", **request}))  # type: ignore[arg-type]
    return [each.product_id for each in answer.recommendations]


def test_best_sellers_come_first_and_nothing_bought_or_out_of_stock(best_sellers: BestSellers) -> None:
    assert shown(best_sellers) == ["tea", "cake", "soap"]


def test_a_product_that_stops_being_recommendable_is_not_shown(best_sellers: BestSellers, database: Database) -> None:
    assert "tea" in shown(best_sellers)
    add_products(database, "tea", recommendable=False)
    assert shown(best_sellers) == ["cake", "soap"]


def test_the_answer_says_what_it_is(best_sellers: BestSellers) -> None:
    answer = best_sellers.answer(RecommendRequest(customer_id="ann", limit=1))
    assert list(answer.fallbacks) == ["recommendation_agent_unavailable"]
    [only] = answer.recommendations
    assert (only.product_name, only.price.amount_minor, only.algorithm) == ("Product tea", 300, "popular")
    assert only.reason.text


@pytest.mark.parametrize(
    ("request_fields", "expected"),
    [
        ({"filter": RecommendationFilter(categories=["care"])}, ["soap"]),
        ({"filter": RecommendationFilter(exclude_product_ids=["tea"])}, ["cake", "soap"]),
        ({"filter": RecommendationFilter(max_price=Money(currency_code="USD", amount_minor=300))}, ["tea", "cake"]),
        ({"filter": RecommendationFilter(min_price=Money(currency_code="USD", amount_minor=301))}, ["soap"]),
        ({"filter": RecommendationFilter(min_price=Money(currency_code="EUR", amount_minor=1))}, []),
        ({"context": RecommendationContext(category="care")}, ["soap"]),
        ({"context": RecommendationContext(category="care"), "filter": RecommendationFilter(categories=["food"])}, []),
        ({"context": RecommendationContext(product_id="tea")}, ["cake", "soap"]),
        ({"context": RecommendationContext(cart_product_ids=["cake"])}, ["tea", "soap"]),
        ({"limit": 2}, ["tea", "cake"]),
        ({"customer_id": "", "visitor_id": "nobody-yet"}, ["tea", "cake", "milk", "soap"]),
    ],
)
def test_rules_hold(best_sellers: BestSellers, request_fields: dict[str, object], expected: list[str]) -> None:
    assert shown(best_sellers, **request_fields) == expected


def test_each_is_logged_and_a_dismissed_one_does_not_come_back(
    best_sellers: BestSellers, database: Database, recommendation_log: RecommendationLog
) -> None:
    first = best_sellers.answer(RecommendRequest(customer_id="ann")).recommendations[0]
    number = KEYS.verify(first.recommendation_id, Shopper("ann"), "recommendation_id")
    assert recommendation_log.wait_until_written(10.0)
    with database.write() as connection:
        assert number in read_recommendations(connection, [number])
        mark_dismissed(connection, [number])
    assert shown(best_sellers) == ["cake", "soap"]


def test_an_unknown_customer_is_not_found(best_sellers: BestSellers) -> None:
    with pytest.raises(NotFound, match="zed"):
        shown(best_sellers, customer_id="zed")


def test_an_empty_shop_has_an_empty_answer(database: Database, recommendation_log: RecommendationLog) -> None:
    add_customers(database, "ann")
    assert shown(BestSellers(database, recommendation_log, KEYS)) == []


def test_an_answer_does_not_wait_for_a_writer(best_sellers: BestSellers, database: Database) -> None:
    with database.write():  # holds the write lock
        start = monotonic()
        assert shown(best_sellers) == ["tea", "cake", "soap"]
        assert monotonic() - start < 5.0  # a writer gives up after 15
