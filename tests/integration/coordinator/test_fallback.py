"""Best-sellers stand in for the recommendation agent and keep every rule, on both databases."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from quintet.recommendation.v1.recommendation_service_pb2 import (
    BatchRecommendRequest,
    RankProductsRequest,
    RecommendRequest,
)
from quintet.type.v1.consent_pb2 import Consent as ConsentMessage
from quintet.type.v1.consent_pb2 import ConsentState
from quintet.type.v1.event_pb2 import AddToCart, Event, PageType, ProductQuantity, Purchase, PurchaseLine
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.placement_pb2 import Placement, PlacementRequest, Rule, RuleCondition
from quintet.type.v1.recommendation_pb2 import RecommendationContext, RecommendationFilter, RecommendationList
from sqlalchemy import select, text

from services.coordinator.best_sellers import BestSellerCache
from services.coordinator.event_validation import submit_event
from services.coordinator.event_writer import EventWriter
from services.coordinator.fallback import MERCHANDISING_NOT_READ, UNAVAILABLE, Fallback, given_order
from services.coordinator.shopper_reader import READS_AT_ONCE, ShopperReader
from shared.consent import Consent
from shared.db import consents, product_offers
from shared.db.customers import resolve_customers
from shared.db.engine import Database
from shared.db.placements import PLACEMENTS, RULES, DefinitionTable, Stored
from shared.db.product_offers import InventoryChange, PriceChange
from shared.db.recommendations import mark_dismissed, read_recommendations
from shared.db.schema import recommendation_lists
from shared.errors import NotFound
from shared.recommendation_log import RecommendationLog
from shared.recommendation_tokens import Shopper, counts
from shared.telemetry import BACKGROUND_ERRORS, EMPTY_ANSWERS, FALLBACKS
from tests.support.projecting import apply_all
from tests.support.shop import add_customers, add_products
from tests.support.tokens import KEYS
from tests.support.waiting import wait_until

BUY_AGAIN = RecommendationContext(page_type=PageType.PAGE_TYPE_BUY_AGAIN)


@contextmanager
def started_log(database: Database) -> Iterator[RecommendationLog]:
    opened = RecommendationLog(database, "coordinator")
    opened.start()
    yield opened
    opened.stop()


@pytest.fixture
def recommendation_log(database: Database) -> Iterator[RecommendationLog]:
    with started_log(database) as opened:
        yield opened


@pytest.fixture
def sqlite_log(sqlite_database: Database) -> Iterator[RecommendationLog]:
    with started_log(sqlite_database) as opened:
        yield opened


@pytest.fixture
def postgres_log(postgres_database: Database) -> Iterator[RecommendationLog]:
    with started_log(postgres_database) as opened:
        yield opened


@pytest.fixture
def shop(database: Database, recommendation_log: RecommendationLog) -> Iterator["Shop"]:
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
    with open_shop(database, database, recommendation_log) as opened:
        opened.cache.count()
        yield opened


class Shop:
    """A fallback with best-sellers from one database, and shoppers from the same or another."""

    def __init__(self, counted: Database, asked: Database, log: RecommendationLog, seconds: float = 10.0) -> None:
        self.cache = BestSellerCache(counted)
        self.reader = ShopperReader(asked, seconds)
        self.fallback = Fallback(self.cache, self.reader, log, KEYS)

    def ask(self, **request: Any) -> RecommendationList:
        return asyncio.run(self.fallback.answer(RecommendRequest(**{"customer_id": "ann", **request})))

    def shown(self, **request: Any) -> list[str]:
        return ids(self.ask(**request))


@contextmanager
def open_shop(counted: Database, asked: Database, log: RecommendationLog, seconds: float = 10.0) -> Iterator[Shop]:
    shop = Shop(counted, asked, log, seconds)
    yield shop
    shop.reader.stop()
    shop.cache.stop()


def ids(answer: RecommendationList) -> list[str]:
    return [each.product_id for each in answer.recommendations]


def buy(database: Database, customer: str, *names: str) -> None:
    record(database, purchase(customer, *names))
    apply_all(database)


def purchase(customer: str, *names: str) -> Event:
    lines = [PurchaseLine(product_id=name) for name in names]
    return Event(customer_id=customer, purchase=Purchase(purchase_id=f"{customer}-{'-'.join(names)}", items=lines))


def record(database: Database, event: Event) -> None:
    event.event_time.FromDatetime(datetime.now(UTC) - timedelta(days=1))
    [outcome] = EventWriter(database, KEYS).commit([submit_event(event)])
    assert outcome.error is None


def test_best_sellers_come_first_and_nothing_bought_or_out_of_stock(shop: Shop) -> None:
    assert shop.shown() == ["tea", "cake", "soap"]


def test_changes_of_stock_price_and_name_are_followed(shop: Shop, database: Database) -> None:
    assert "tea" in shop.shown()
    add_products(database, "tea", recommendable=False, category="food")
    add_products(database, "cake", price=None, category="care")
    add_products(database, "soap", price=950, category="care", name="Better soap", image_urls=("s.jpg",))
    shop.cache.follow()
    cake, soap = shop.ask().recommendations
    assert (cake.product_id, cake.HasField("price"), cake.category) == ("cake", False, "care")
    assert (soap.product_name, soap.price.amount_minor, soap.image_url) == ("Better soap", 950, "s.jpg")


def test_a_product_that_is_no_best_seller_changes_nothing(shop: Shop, database: Database) -> None:
    before = shop.shown()
    add_products(database, "new", "gone", inventory_status="IN_STOCK")
    shop.cache.follow()
    assert shop.shown() == before
    shop.cache.count()
    assert shop.shown() == ["tea", "cake", "gone", "soap"]


def test_the_keeper_counts_by_itself_and_follows_within_seconds(shop: Shop, database: Database) -> None:
    cache = BestSellerCache(database)
    cache.start()
    try:
        wait_until(lambda: len(cache.best_sellers) == 4)
        add_products(database, "tea", price=1, category="food")
        wait_until(lambda: 1 in cache.best_sellers.price.tolist())
    finally:
        cache.stop()


def test_the_answer_says_what_it_is(shop: Shop) -> None:
    answer = shop.ask(limit=1)
    assert list(answer.fallbacks) == ["recommendation_agent_unavailable"]
    [only] = answer.recommendations
    assert (only.product_name, only.price.amount_minor, only.algorithm) == ("Product tea", 300, "popular")
    assert only.reason.text


CARE = RecommendationContext(page_type=PageType.PAGE_TYPE_CATEGORY, category="care")


@pytest.mark.parametrize(
    ("request_fields", "expected"),
    [
        ({"filter": RecommendationFilter(categories=["care"])}, ["soap"]),
        ({"filter": RecommendationFilter(exclude_product_ids=["tea"])}, ["cake", "soap"]),
        ({"filter": RecommendationFilter(max_price=Money(currency_code="USD", amount_minor=300))}, ["tea", "cake"]),
        ({"filter": RecommendationFilter(min_price=Money(currency_code="USD", amount_minor=301))}, ["soap"]),
        ({"filter": RecommendationFilter(min_price=Money(currency_code="EUR", amount_minor=1))}, []),
        ({"context": CARE}, ["soap"]),
        ({"context": CARE, "filter": RecommendationFilter(categories=["food"])}, []),
        ({"context": CARE, "filter": RecommendationFilter(categories=["food", "care"])}, ["soap"]),
        ({"context": RecommendationContext(product_id="tea")}, ["cake", "soap"]),
        ({"context": RecommendationContext(cart_product_ids=["cake"])}, ["tea", "soap"]),
        ({"limit": 2}, ["tea", "cake"]),
        ({"customer_id": "", "visitor_id": "nobody-yet"}, ["tea", "cake", "milk", "soap"]),
        ({"context": BUY_AGAIN}, ["milk"]),
        ({"customer_id": "bob", "context": BUY_AGAIN}, ["tea", "cake", "milk", "soap"]),
        ({"customer_id": "cy", "context": BUY_AGAIN, "filter": RecommendationFilter(categories=["care"])}, []),
        ({"customer_id": "", "visitor_id": "nobody-yet", "context": BUY_AGAIN}, []),
    ],
)
def test_rules_hold(shop: Shop, request_fields: dict[str, object], expected: list[str]) -> None:
    assert shop.shown(**request_fields) == expected


def test_what_is_in_the_cart_is_not_shown_and_counts_before_it_is_projected(shop: Shop, database: Database) -> None:
    record(database, Event(customer_id="ann", add_to_cart=AddToCart(items=[ProductQuantity(product_id="tea")])))
    assert shop.shown() == ["cake", "soap"]
    apply_all(database)
    assert shop.shown() == ["cake", "soap"]


def test_a_purchase_counts_before_it_is_projected(shop: Shop, database: Database) -> None:
    record(database, purchase("ann", "tea"))
    for _ in range(2):
        assert shop.shown() == ["cake", "soap"]
        assert shop.shown(context=BUY_AGAIN) == ["tea", "milk"]
        after = RecommendationContext(page_type=PageType.PAGE_TYPE_POST_PURCHASE)
        assert shop.shown(context=after) == ["cake", "soap"]
        apply_all(database)


def at(place: str, **rule: Any) -> dict[str, Any]:
    return {"context": RecommendationContext(place_id=place), "filter": RecommendationFilter(**rule)}


def offer(database: Database, *changes: PriceChange | InventoryChange) -> None:
    with database.write() as connection:
        product_offers.apply_changes(connection, changes)


def test_a_place_has_stock_and_prices_of_its_own(shop: Shop, database: Database) -> None:
    now = datetime.now(UTC)
    offer(
        database, InventoryChange("soap", "", "OUT_OF_STOCK", now), InventoryChange("soap", "berlin", "IN_STOCK", now)
    )
    offer(database, InventoryChange("tea", "berlin", "OUT_OF_STOCK", now))
    offer(database, PriceChange("cake", "berlin", 70, "EUR", now))
    shop.cache.follow()
    answer = shop.ask(**at("berlin"))
    assert ids(answer) == ["cake", "soap"]
    assert (answer.recommendations[0].price.currency_code, answer.recommendations[0].price.amount_minor) == ("EUR", 70)
    assert shop.shown(**at("berlin", max_price=Money(currency_code="EUR", amount_minor=100))) == ["cake"]
    assert shop.shown(**at("paris")) == shop.shown() == ["tea", "cake"]


def test_without_a_database_a_place_is_as_everywhere_and_the_answer_says_so(
    shop: Shop, database: Database, recommendation_log: RecommendationLog
) -> None:
    with open_shop(database, Database(NOWHERE[database.dialect]), recommendation_log) as without:
        without.cache.count()
        answer = without.ask(**at("berlin"))
    assert ids(answer) == ["tea", "cake", "milk", "soap"]
    assert list(answer.fallbacks) == ["recommendation_agent_unavailable", "shopper_not_read", "place_not_read"]


def test_one_variant_of_a_group_is_shown_and_none_of_what_was_bought(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_products(database, "tea", "cake", price=300, group_id="sweet")
    add_products(database, "soap", "ash", price=900, group_id="clean")
    shop.cache.follow()
    assert shop.shown() == ["tea", "soap"]
    buy(database, "ann", "ash")
    monkeypatch.setattr("services.coordinator.best_sellers.MOST", 4)
    shop.cache.count()
    assert shop.cache.best_sellers.row_of_id("ash") is None, "its group is read from the database"
    assert shop.shown() == ["tea"]
    record(database, purchase("ann", "cake"))
    assert shop.shown() == [], "nor a variant of what is bought and not projected yet"
    assert set(shop.shown(context=BUY_AGAIN)) == {"milk", "ash", "cake"}


def test_what_is_out_of_season_is_not_shown(shop: Shop, database: Database) -> None:
    now = datetime.now(UTC)
    add_products(database, "tea", price=300, expire_at=now - timedelta(hours=1))
    add_products(database, "cake", price=300, available_at=now + timedelta(hours=1))
    shop.cache.follow()
    assert shop.shown() == ["soap"]


def test_what_was_bought_and_sells_too_little_to_be_in_memory_is_shown_again(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.coordinator.best_sellers.MOST", 2)
    buy(database, "ann", "soap", "gone", "petrol", "tea")
    shop.cache.count()
    assert len(shop.cache.best_sellers) == 2
    assert shop.shown(context=BUY_AGAIN) == ["tea", "milk", "soap"]
    record(database, purchase("ann", "cake"))  # not projected yet
    assert shop.shown(context=BUY_AGAIN) == ["tea", "cake", "milk", "soap"]
    assert shop.shown(context=BUY_AGAIN, filter=RecommendationFilter(categories=["care"])) == ["soap"]
    answer = shop.ask(context=BUY_AGAIN)
    assert [each.product_name for each in answer.recommendations][-1] == "Product soap"
    assert list(answer.fallbacks) == ["recommendation_agent_unavailable"]


def test_each_is_logged_and_a_dismissed_one_does_not_come_back(
    shop: Shop, database: Database, recommendation_log: RecommendationLog
) -> None:
    answer = shop.ask()
    first = answer.recommendations[0]
    numbers = [KEYS.verify(each.recommendation_id, Shopper("ann"), "id") for each in answer.recommendations]
    assert KEYS.verify_list(answer.attribution_token, Shopper("ann"), "token") == numbers
    number = KEYS.verify(first.recommendation_id, Shopper("ann"), "recommendation_id")
    assert recommendation_log.wait_until_written(10.0)
    with database.write() as connection:
        assert number in read_recommendations(connection, [number])
        mark_dismissed(connection, [number])
    assert shop.shown() == ["cake", "soap"]


def test_an_unknown_customer_or_product_is_not_found(shop: Shop) -> None:
    with pytest.raises(NotFound, match="zed"):
        shop.ask(customer_id="zed")
    with pytest.raises(NotFound) as caught:
        shop.ask(context=RecommendationContext(cart_product_ids=["tea", "no"]))
    assert caught.value.violations[0].field == "context.cart_product_ids[1]"


def test_an_empty_shop_has_an_empty_answer(database: Database, recommendation_log: RecommendationLog) -> None:
    add_customers(database, "ann")
    with open_shop(database, database, recommendation_log) as shop:
        shop.cache.count()
        assert shop.shown() == []


def test_an_answer_does_not_wait_for_a_writer(shop: Shop, database: Database) -> None:
    with database.write():  # holds the write lock
        answer = shop.ask()
    assert ids(answer) == ["tea", "cake", "soap"]
    assert list(answer.fallbacks) == ["recommendation_agent_unavailable"]


NOWHERE = {"sqlite": "sqlite:////no such folder/quintet.db", "postgresql": "postgresql://127.0.0.1:1/quintet"}


def test_without_a_database_best_sellers_answer_and_say_what_they_do_not_know(
    shop: Shop, database: Database, recommendation_log: RecommendationLog
) -> None:
    away = Database(NOWHERE[database.dialect])
    with open_shop(database, away, recommendation_log) as without:
        without.cache.count()
        before = counted("shopper_not_read")
        answer = without.ask(filter=RecommendationFilter(exclude_product_ids=["cake"]))
        empty = EMPTY_ANSWERS.labels("coordinator")._value.get()
        again = without.ask(context=BUY_AGAIN)
    assert EMPTY_ANSWERS.labels("coordinator")._value.get() == empty + 1
    assert ids(answer) == ["tea", "milk", "soap"], "what the call itself says holds"
    assert ids(again) == [], "nothing is known to have been bought"
    for each in (answer, again):
        assert list(each.fallbacks) == ["recommendation_agent_unavailable", "shopper_not_read"]
    assert counted("shopper_not_read") == before + 2


@pytest.mark.postgres
def test_a_database_that_hangs_costs_the_time_limit(
    postgres_database: Database, postgres_log: RecommendationLog
) -> None:
    add_customers(postgres_database, "ann")
    add_products(postgres_database, "tea")
    buy(postgres_database, "ann", "tea")
    with open_shop(postgres_database, postgres_database, postgres_log, seconds=0.05) as shop:
        shop.cache.count()
        with postgres_database.write() as connection:
            connection.execute(text("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE"))
            answers = asyncio.run(many(shop, 3 * READS_AT_ONCE))
    assert [ids(each) for each in answers] == [["tea"]] * len(answers)
    assert all("shopper_not_read" in each.fallbacks for each in answers)


def test_a_keeper_whose_database_is_gone_keeps_what_it_has(
    sqlite_database: Database, sqlite_log: RecommendationLog
) -> None:
    add_customers(sqlite_database, "ann", "bob")
    add_products(sqlite_database, "tea")
    buy(sqlite_database, "bob", "tea")
    with open_shop(sqlite_database, sqlite_database, sqlite_log) as shop:
        shop.cache.count()
        failures = background_errors()
        sqlite_database.close()  # no connection keeps the file open
        for suffix in ("", "-wal", "-shm"):
            Path(f"{sqlite_database.file}{suffix}").unlink(missing_ok=True)
        shop.cache.start()
        wait_until(lambda: background_errors() > failures)
        answer = shop.ask()
    assert ids(answer) == ["tea"]
    assert list(answer.fallbacks) == ["recommendation_agent_unavailable", "shopper_not_read"]


async def many(shop: Shop, count: int) -> list[RecommendationList]:
    request = RecommendRequest(customer_id="ann")
    return await asyncio.gather(*(shop.fallback.answer(request) for _ in range(count)))


def counted(reason: str) -> float:
    return FALLBACKS.labels("coordinator", reason)._value.get()


def background_errors() -> float:
    return BACKGROUND_ERRORS.labels("coordinator", "best_sellers")._value.get()


def say(database: Database, customer: str, said: Consent) -> None:
    with database.write() as connection:
        key = resolve_customers(connection, [customer])[customer]
        consents.store(connection, key, said, datetime.now(UTC))


def test_without_personalise_only_the_request_counts(shop: Shop, database: Database) -> None:
    say(database, "ann", Consent(personalise=False))
    assert shop.shown() == ["tea", "cake", "milk", "soap"]
    context = RecommendationContext(cart_product_ids=["cake"])
    assert shop.shown(context=context) == ["tea", "milk", "soap"]
    bought = RecommendationContext(page_type=PageType.PAGE_TYPE_BUY_AGAIN)
    assert shop.shown(context=bought) == []
    denied = ConsentMessage(personalise=ConsentState.CONSENT_STATE_DENIED)
    assert shop.shown(customer_id="bob", consent=denied) == ["tea", "cake", "milk", "soap"]
    request = BatchRecommendRequest(customer_id="bob", requests=[PlacementRequest()], consent=denied)
    assert ids(asyncio.run(shop.fallback.answer_all(request))[0]) == ["tea", "cake", "milk", "soap"]


def test_without_measure_nothing_is_logged_and_the_ids_count_nothing(
    shop: Shop, database: Database, recommendation_log: RecommendationLog
) -> None:
    say(database, "ann", Consent(measure=False))
    answer = shop.ask()
    assert ids(answer) == ["tea", "cake", "soap"]
    numbers = [KEYS.verify(each.recommendation_id, Shopper("ann"), "id") for each in answer.recommendations]
    assert not any(counts(number) for number in numbers)
    shop.ask(customer_id="di")
    assert recommendation_log.wait_until_written(10)
    with database.read() as connection:
        di = resolve_customers(connection, ["di"])["di"]
        owners = connection.execute(select(recommendation_lists.c.customer_id)).scalars().all()
    assert owners == [di]


def test_the_fallback_fills_placements_and_keeps_their_filters_and_what_rules_exclude(
    shop: Shop, database: Database
) -> None:
    put(database, PLACEMENTS, Placement(placement_id="cheap", count=2, filter="price < 5"))
    excludes = RuleCondition(segments=["somebody else"])
    put(database, RULES, Rule(rule_id="no_cake", exclude={}, filter='product_id = "cake"', condition=excludes))
    put(database, RULES, Rule(rule_id="up", boost={"factor": 9}, filter='product_id = "soap"'))
    shop.cache.follow_merchandising()
    answer = shop.ask(customer_id="", visitor_id="v", placement_id="cheap")
    assert ids(answer) == ["tea", "milk"]
    assert (answer.placement_id, list(answer.fallbacks)) == ("cheap", [UNAVAILABLE])
    assert ids(shop.ask(customer_id="", visitor_id="v", placement_id="cheap", strategy="ease")) == ["tea", "milk"]
    with pytest.raises(NotFound, match="no placement 'nowhere'"):
        shop.ask(customer_id="", visitor_id="v", placement_id="nowhere")


def test_before_merchandising_was_read_the_page_itself_answers_and_says_so(shop: Shop) -> None:
    shop.cache._merchandising = None
    answer = shop.ask(customer_id="", visitor_id="v", placement_id="cheap")
    assert answer.placement_id == "home"
    assert list(answer.fallbacks) == [UNAVAILABLE, MERCHANDISING_NOT_READ]


def test_the_fallback_goes_on_with_a_list_and_fills_several_without_repeats(shop: Shop) -> None:
    first = shop.ask(customer_id="", visitor_id="v", limit=2)
    rest = shop.ask(customer_id="", visitor_id="v", limit=2, page_token=first.next_page_token)
    assert ids(first) + ids(rest) == ["tea", "cake", "milk", "soap"]
    requests = [PlacementRequest(limit=2), PlacementRequest(limit=1), PlacementRequest(placement_id="cart", limit=3)]
    lists = asyncio.run(shop.fallback.answer_all(BatchRecommendRequest(visitor_id="v", requests=requests)))
    assert [ids(answer) for answer in lists] == [["tea", "cake"], ["milk"], ["soap"]]


def test_a_given_list_comes_back_as_it_is() -> None:
    answer = given_order(RankProductsRequest(visitor_id="v", product_ids=["b", "a", "c"], limit=2), UNAVAILABLE)
    assert [(each.product_id, each.position, each.given_position) for each in answer.products] == [
        ("b", 1, 1),
        ("a", 2, 2),
    ]
    assert (answer.strategy, list(answer.fallbacks)) == ("given_order", [UNAVAILABLE])


def put(database: Database, table: DefinitionTable, message: Any) -> None:
    name = message.rule_id if isinstance(message, Rule) else message.placement_id
    with database.write() as connection:
        table.put(connection, Stored(name, message.SerializeToString(), datetime.now(UTC)))
