"""Messages to plain values and back; bad fields are named with their values."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.recommendation.v1 import recommendation_service_pb2 as pb
from quintet.type.v1.event_pb2 import PageType
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.recommendation_pb2 import ReasonKind as MessageReason
from quintet.type.v1.recommendation_pb2 import RecommendationContext, RecommendationFilter

from services.recommendation import convert
from services.recommendation.algorithms.base import ReasonKind
from services.recommendation.request import (
    Answer,
    Choice,
    Explanation,
    Filters,
    Page,
    PageContext,
    Pick,
    Price,
    Query,
    ReadyPage,
)
from shared.db.models import ModelVersion
from shared.db.recommendation_items import ListItem, PackedItems
from shared.errors import InvalidArgument
from shared.recommendation_tokens import Shopper, number_at
from tests.support.tokens import KEYS


def money(amount: int, currency: str = "EUR") -> Money:
    """Return an amount."""
    return Money(currency_code=currency, amount_minor=amount)


def asked(
    context: dict[str, Any] | None = None, rule: dict[str, Any] | None = None, **fields: Any
) -> pb.RecommendRequest:
    """Return a request of customer `c`."""
    return pb.RecommendRequest(
        **{"customer_id": "c", **fields},
        context=RecommendationContext(**(context or {})),
        filter=RecommendationFilter(**(rule or {})),
    )


def test_an_empty_request_is_the_start_page_for_ten() -> None:
    assert convert.to_query(asked()) == Query("c", context=PageContext(Page.HOME), limit=10)


def test_everything_is_taken_over() -> None:
    context = {
        "page_type": PageType.PAGE_TYPE_CATEGORY,
        "product_id": "p",
        "category": "Tea",
        "cart_product_ids": ["a"],
        "purchased_product_ids": ["b"],
        "search_query": "s",
        "session_id": "x",
    }
    rule = {
        "categories": ["Tea"],
        "min_price": money(1),
        "max_price": money(2),
        "exclude_product_ids": ["q"],
        "in_stock_only": True,
    }
    query = convert.to_query(asked(context, rule, visitor_id="v", limit=7))
    assert query == Query(
        "c",
        "v",
        PageContext(Page.CATEGORY, "p", "Tea", ("a",), ("b",), "s", "x"),
        7,
        Filters(frozenset({"Tea"}), "", Price(1, "EUR"), Price(2, "EUR"), frozenset({"q"}), True),
    )
    assert query.all_filters.page_category == "Tea"


@pytest.mark.parametrize(("limit", "taken"), [(0, 10), (1, 1), (100, 100), (101, 100), (2**31 - 1, 100)])
def test_the_limit_is_brought_into_range(limit: int, taken: int) -> None:
    assert convert.to_query(asked(limit=limit)).limit == taken


def test_every_page_of_the_contract_is_known() -> None:
    pages = [PageType.Name(number).removeprefix("PAGE_TYPE_") for number in PageType.values()]
    assert set(pages) - {"UNSPECIFIED"} == {page.value for page in Page}


PRODUCT = PageType.PAGE_TYPE_PRODUCT
CATEGORY = PageType.PAGE_TYPE_CATEGORY


@pytest.mark.parametrize(
    ("request_", "field", "value"),
    [
        (asked(customer_id=""), "customer_id", "''"),
        (asked(customer_id="x" * 129), "customer_id", "xxx"),
        (asked(customer_id="", visitor_id="a\nb"), "visitor_id", "b"),
        (asked(limit=-1), "limit", "-1"),
        (asked({"page_type": 99}), "context.page_type", "99"),
        (asked({"page_type": PRODUCT}), "context.product_id", "''"),
        (asked({"page_type": CATEGORY}), "context.category", "''"),
        (asked({"category": "x" * 201}), "context.category", "xxx"),
        (asked({"search_query": "x" * 501}), "context.search_query", "xxx"),
        (asked({"session_id": "x" * 129}), "context.session_id", "xxx"),
        (asked({"cart_product_ids": ["a", ""]}), "context.cart_product_ids[1]", "''"),
        (asked({"cart_product_ids": ["a"] * 201}), "context.cart_product_ids", "201"),
        (asked({"purchased_product_ids": ["a"] * 201}), "context.purchased_product_ids", "201"),
        (asked(rule={"categories": ["a"] * 101}), "filter.categories", "101"),
        (asked(rule={"categories": ["a", " "]}), "filter.categories[1]", "' '"),
        (asked(rule={"exclude_product_ids": ["a"] * 1001}), "filter.exclude_product_ids", "1001"),
        (asked(rule={"min_price": money(1, "")}), "filter.min_price.currency_code", "''"),
        (asked(rule={"max_price": money(-1)}), "filter.max_price.amount_minor", "-1"),
        (asked(rule={"min_price": money(2), "max_price": money(1)}), "filter.max_price.amount_minor", "1"),
        (
            asked(rule={"min_price": money(1), "max_price": money(2, "USD")}),
            "filter.max_price.currency_code",
            "USD",
        ),
    ],
)
def test_a_bad_field_is_named_with_its_value(request_: pb.RecommendRequest, field: str, value: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        convert.to_query(request_)
    (violation,) = caught.value.violations
    assert violation.field == field
    assert value in violation.description


def ready(choice: Choice) -> ReadyPage:
    items = [ListItem(position, pick.product_key, 0.5, "ease") for position, pick in enumerate(choice.picks, start=1)]
    return ReadyPage(convert.to_message(choice), PackedItems.of(items), choice.strategy)


def test_the_answer_as_a_message() -> None:
    why = Explanation("similar_to", ("b",), "", "Similar to B")
    pick = Pick(1, "a", "A", "Tea", Price(5, "EUR"), "http://i", 0.5, why, {"content": 0.3, "ease": 0.2})
    plain = Pick(2, "b", "B", "", None, "", 0.1, Explanation("unspecified", text="t"))
    now = datetime(2026, 1, 2, tzinfo=UTC)
    answer = Answer(ready(Choice((pick, plain), "hybrid")), 7, "v1", ("no_model",), now)
    message = convert.to_response(answer, Shopper("ann"), KEYS).list
    first, second = message.recommendations
    assert (first.product_id, first.product_name) == ("a", "A")
    assert KEYS.verify(first.recommendation_id, Shopper("ann"), "field") == number_at(7, 1)
    assert (first.price, first.image_url, first.category, first.position) == (money(5), "http://i", "Tea", 1)
    assert (first.reason.kind, list(first.reason.product_ids)) == (MessageReason.REASON_KIND_SIMILAR_TO, ["b"])
    assert [(each.algorithm, each.contribution) for each in first.contributions] == [("content", 0.3), ("ease", 0.2)]
    assert not second.HasField("price")
    assert second.reason.kind == MessageReason.REASON_KIND_UNSPECIFIED
    assert (message.model_version, message.strategy, list(message.fallbacks)) == ("v1", "hybrid", ["no_model"])
    assert message.generate_time.ToDatetime(tzinfo=UTC) == now


def test_one_page_answers_several_calls_with_ids_of_their_own() -> None:
    page = ready(Choice((Pick(1, "a", "A", "", None, "", 0.1, Explanation("unspecified")),), "hybrid"))
    now = datetime(2026, 1, 2, tzinfo=UTC)
    calls = ((7, "ann", ("log_dropped",)), (8, "bob", ()))
    for number, who, fallbacks in calls:
        message = convert.to_response(Answer(page, number, "v1", fallbacks, now), Shopper(who), KEYS).list
        [first] = message.recommendations
        assert KEYS.verify(first.recommendation_id, Shopper(who), "field") == number_at(number, 1)
        assert (first.product_id, tuple(message.fallbacks)) == ("a", fallbacks)


@pytest.mark.parametrize("kind", list(ReasonKind))
def test_every_reason_has_its_kind_in_the_contract(kind: ReasonKind) -> None:
    pick = Pick(1, "a", "A", "", None, "", 0.1, Explanation(kind.value))
    answer = Answer(ready(Choice((pick,), "")), 1, "", (), datetime(2026, 1, 1, tzinfo=UTC))
    sent = convert.to_response(answer, Shopper("ann"), KEYS).list.recommendations[0].reason.kind
    assert MessageReason.Name(sent) == f"REASON_KIND_{kind.value.upper()}"


FACTS = {
    "n_products": 12,
    "params": {"ease": {}},
    "evaluation": {"home": {"questions": 3, "best": "ease", "ndcg_at_20.hybrid": 0.5}},
    "unnamed": 1,
}


def test_versions_as_messages() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    message = convert.to_version(ModelVersion("recommender", "v", "c" * 64, 5, FACTS, now, True))
    assert (message.version, message.active, message.size_bytes, message.products) == ("v", True, 5, 12)
    assert list(message.training.algorithms) == ["ease"]
    assert message.training.evaluation["home"].metrics == {"ndcg_at_20.hybrid": 0.5}
    assert message.create_time.ToDatetime(tzinfo=UTC) == now


@pytest.mark.parametrize("day", [-1, 1_000_000, 2**31 - 1])
def test_a_day_of_drift_is_a_day_that_was(day: int) -> None:
    with pytest.raises(InvalidArgument, match="drift_day"):
        convert.to_drift_day(day)
    assert convert.to_drift_day(0) == 0


def test_a_span_has_a_start_before_its_end() -> None:
    def span(**seconds: int) -> pb.ReplayQuestionsRequest:
        return pb.ReplayQuestionsRequest(**{name: Timestamp(seconds=value) for name, value in seconds.items()})

    start, end = convert.to_span(span(start_time=10, end_time=20))
    assert (end - start).total_seconds() == 10
    for wrong, field in (
        (span(end_time=20), "start_time"),
        (span(start_time=20), "end_time"),
        (span(start_time=20, end_time=20), "end_time"),
        (span(start_time=2**62, end_time=20), "start_time"),
        (span(start_time=-5, end_time=20), "start_time"),
    ):
        with pytest.raises(InvalidArgument, match=field):
            convert.to_span(wrong)
