"""Each rule of the contract on products and requests is checked, naming the field at fault."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.product.v1 import product_service_pb2 as pb
from quintet.type.v1 import product_pb2
from quintet.type.v1.money_pb2 import Money

from services.product import convert
from services.product.agent import PageQuery, ProductPage, RelatedProduct
from shared.db.product_performance import ProductPerformance
from shared.db.products import Product, ProductFilter
from shared.db.relations import COMPLEMENTARY, SIMILAR
from shared.errors import InvalidArgument

SPRING = datetime(2026, 3, 1, tzinfo=UTC)


def stamp(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def product(**facts: Any) -> Product:
    given = {"external_id": "p", "name": "Product", "inventory_status": "IN_STOCK", "available_at": SPRING, **facts}
    return Product(**given, key=1, updated_at=SPRING, change_sequence=1)


ATTRIBUTES = {"k": "v", "grams": 500.0, "organic": True, "colours": ["red", "blue"]}


def test_a_stored_product_becomes_a_message() -> None:
    stored = product(
        description="d",
        tags=("x", "y"),
        attributes=ATTRIBUTES,
        price=1999,
        currency="EUR",
        group_id="g",
        expire_at=SPRING,
        average_rating=4.5,
    )
    told = convert.to_product(stored)
    assert (told.product_id, told.description, list(told.tags), told.group_id) == ("p", "d", ["x", "y"], "g")
    assert told.price == Money(currency_code="EUR", amount_minor=1999)
    assert (told.expire_time, told.available_time, told.update_time) == (stamp(SPRING), stamp(SPRING), stamp(SPRING))
    assert (told.attributes["k"].text, told.attributes["grams"].number) == ("v", 500.0)
    assert told.attributes["organic"].WhichOneof("value") == "flag"
    assert list(told.attributes["colours"].texts.values) == ["red", "blue"]


def test_a_product_without_price_rating_and_end_has_none_in_the_message() -> None:
    back = convert.to_product(product())
    assert not any(back.HasField(name) for name in ("price", "average_rating", "expire_time"))


@pytest.mark.parametrize(("asked", "size"), [(0, 100), (1, 1), (1000, 1000), (5000, 1000)])
def test_page_sizes_have_a_default_and_a_bound(asked: int, size: int) -> None:
    request = pb.ListProductsRequest(page_size=asked, category="c", name_contains="n", group_id="g", brand="b")
    request.inventory_status = product_pb2.INVENTORY_STATUS_PREORDER
    request.updated_since.CopyFrom(stamp(SPRING))
    assert convert.page_query(request) == PageQuery(size, "", ProductFilter("c", "n", "g", "b", "PREORDER", SPRING))


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ListProductsRequest(page_size=-1), "page_size"),
        (pb.ListProductsRequest(category="x" * 201), "category"),
        (pb.ListProductsRequest(name_contains="x" * 201), "name_contains"),
        (pb.ListProductsRequest(brand="x" * 201), "brand"),
        (pb.ListProductsRequest(group_id="x" * 129), "group_id"),
        (pb.ListProductsRequest(inventory_status=99), "inventory_status"),
        (pb.ListProductsRequest(updated_since=Timestamp(seconds=-1)), "updated_since"),
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
