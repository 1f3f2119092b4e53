"""Each rule of the contract on products and requests is checked, naming the field at fault."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.product.v1 import product_service_pb2 as pb
from quintet.type.v1 import product_pb2
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.product_pb2 import Product as Message

from services.product import convert
from services.product.agent import PageQuery, ProductPage, RelatedProduct
from shared.db.product_performance import ProductPerformance
from shared.db.products import NewProduct, Product
from shared.db.relations import COMPLEMENTARY, SIMILAR
from shared.errors import InvalidArgument
from shared.inventory import INVENTORY_STATUSES
from shared.jobs import Progress

SPRING = datetime(2026, 3, 1, tzinfo=UTC)


def stamp(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def message(**facts: Any) -> Message:
    return Message(**{"product_id": "p", "name": "Product", **facts})


def product(**facts: Any) -> Product:
    given = {"external_id": "p", "name": "Product", "inventory_status": "IN_STOCK", "available_at": SPRING, **facts}
    return Product(**given, key=1, updated_at=SPRING, change_sequence=1)


FULL = {
    "description": "d",
    "category": "c",
    "subcategory": "s",
    "brand": "b",
    "tags": ("x", "y"),
    "image_urls": ("u",),
    "attributes": {"k": "v"},
    "average_rating": 4.5,
}


def test_a_full_message_becomes_a_product_and_back() -> None:
    price = Money(currency_code="EUR", amount_minor=1999)
    status = product_pb2.INVENTORY_STATUS_BACKORDER
    full = message(**FULL, price=price, inventory_status=status, recommendable=False, available_time=stamp(SPRING))
    [new] = convert.new_products([full])
    facts = {**FULL, "price": 1999, "currency": "EUR", "inventory_status": "BACKORDER", "available_at": SPRING}
    facts["recommendable"] = False
    assert new == NewProduct(external_id="p", name="Product", **facts)  # type: ignore[arg-type]
    full.update_time.CopyFrom(stamp(SPRING))
    assert convert.to_product(product(**facts)) == full


def test_what_is_left_open_is_none_or_empty() -> None:
    assert convert.new_products([message()]) == [NewProduct(external_id="p", name="Product")]


def test_a_product_without_price_has_none_in_the_message() -> None:
    back = convert.to_product(product())
    assert not back.HasField("price")
    assert not back.HasField("average_rating")


def test_every_inventory_status_has_its_value() -> None:
    for status in INVENTORY_STATUSES:
        value = convert.to_product(product(inventory_status=status)).inventory_status
        assert convert.new_product(message(inventory_status=value), "product").inventory_status == status


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"product_id": ""}, "product_id"),
        ({"product_id": "x" * 129}, "product_id"),
        ({"product_id": "a\nb"}, "product_id"),
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x" * 501}, "name"),
        ({"description": "x" * 20_001}, "description"),
        ({"category": "x" * 201}, "category"),
        ({"subcategory": "x" * 201}, "subcategory"),
        ({"brand": "a\x00"}, "brand"),
        ({"price": Money(amount_minor=1)}, "price.currency_code"),
        ({"price": Money(currency_code="eur", amount_minor=1)}, "price.currency_code"),
        ({"price": Money(currency_code="EUR", amount_minor=-1)}, "price.amount_minor"),
        ({"tags": ["x"] * 101}, "tags"),
        ({"tags": ["x", "y" * 101]}, "tags[1]"),
        ({"image_urls": ["x"] * 51}, "image_urls"),
        ({"image_urls": ["x" * 2_001]}, "image_urls[0]"),
        ({"attributes": {str(n): "" for n in range(201)}}, "attributes"),
        ({"attributes": {"k" * 201: ""}}, "attributes"),
        ({"attributes": {"k": "\x00"}}, "attributes[k]"),
        ({"average_rating": 5.1}, "average_rating"),
        ({"average_rating": -0.1}, "average_rating"),
        ({"average_rating": float("nan")}, "average_rating"),
        ({"inventory_status": 99}, "inventory_status"),
        ({"available_time": Timestamp(seconds=-1)}, "available_time"),
        ({"available_time": stamp(datetime.now(UTC) + timedelta(days=2))}, "available_time"),
    ],
)
def test_a_bad_field_is_named_with_the_place_of_its_product(facts: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        convert.new_products([message(product_id="first"), message(**facts)])
    assert [violation.field for violation in caught.value.violations] == [f"products[1].{field}"]


def test_a_product_given_twice_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"products\[2\].product_id: must be given once only, got 'a'"):
        convert.new_products([message(product_id=name) for name in "aba"])


@pytest.mark.parametrize("count", [0, 1001])
def test_a_call_has_1_to_1000_products(count: int) -> None:
    with pytest.raises(InvalidArgument, match="products: must have 1 to 1000 entries"):
        convert.new_products([message(product_id=str(number)) for number in range(count)])


@pytest.mark.parametrize(("asked", "size"), [(0, 100), (1, 1), (1000, 1000), (5000, 1000)])
def test_page_sizes_have_a_default_and_a_bound(asked: int, size: int) -> None:
    request = pb.ListProductsRequest(page_size=asked, category="c", name_contains="n")
    assert convert.page_query(request) == PageQuery(size, "", "c", "n")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ListProductsRequest(page_size=-1), "page_size"),
        (pb.ListProductsRequest(category="x" * 201), "category"),
        (pb.ListProductsRequest(name_contains="x" * 201), "name_contains"),
    ],
)
def test_a_bad_page_request_is_refused(request_: pb.ListProductsRequest, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        convert.page_query(request_)
    assert caught.value.violations[0].field == field


def test_a_page_keeps_order_and_token() -> None:
    page = ProductPage([product(external_id="b"), product(external_id="a")], "next")
    told = convert.to_page(page)
    assert [each.product_id for each in told.products] == ["b", "a"]
    assert told.next_page_token == page.next_token


def test_an_unsaid_relation_is_similar() -> None:
    assert convert.relation(pb.GetRelatedProductsRequest()) == SIMILAR
    asked = pb.GetRelatedProductsRequest(relation=product_pb2.PRODUCT_RELATION_COMPLEMENTARY)
    assert convert.relation(asked) == COMPLEMENTARY
    with pytest.raises(InvalidArgument, match="relation"):
        convert.relation(pb.GetRelatedProductsRequest(relation=9))  # type: ignore[arg-type]


@pytest.mark.parametrize(("asked", "limit"), [(0, 10), (3, 3), (500, 100)])
def test_limits_have_a_default_and_a_bound(asked: int, limit: int) -> None:
    assert convert.related_limit(pb.GetRelatedProductsRequest(limit=asked)) == limit


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="limit: must not be negative, got -1"):
        convert.related_limit(pb.GetRelatedProductsRequest(limit=-1))


def test_an_empty_id_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="product_id: is required"):
        convert.product_id("")


def test_related_products_say_how() -> None:
    [related] = convert.to_related([RelatedProduct(product(), 0.5)], COMPLEMENTARY).related
    assert (related.product.product_id, related.relation, related.score) == (
        "p",
        product_pb2.PRODUCT_RELATION_COMPLEMENTARY,
        0.5,
    )


def test_performance_is_told_with_revenue_by_currency() -> None:
    told = convert.to_performance("p", ProductPerformance(4, 3, 2, 2.5, {"USD": 5, "EUR": 7}, 8, 2)).performance
    assert (told.product_id, told.views, told.cart_additions, told.purchases, told.units_sold) == ("p", 4, 3, 2, 2.5)
    assert [(each.currency_code, each.amount_minor) for each in told.revenue] == [("EUR", 7), ("USD", 5)]
    assert (told.conversion_rate, told.recommendation_ctr) == (0.5, 0.25)


def test_progress_has_its_result_at_the_end_only() -> None:
    assert convert.to_progress(Progress("reading", 0.25)).progress.result_json == ""
    last = convert.to_progress(Progress("done", 1.0, {"products": 2})).progress
    assert (last.progress, last.result_json) == (1.0, '{"products": 2}')
