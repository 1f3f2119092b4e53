"""Converts messages of the contract to the agent's values, with checks of each field, and back."""

from collections.abc import Iterable, Sequence
from datetime import UTC
from math import inf

import numpy as np
from quintet.product.v1 import product_service_pb2 as pb
from quintet.type.v1 import product_pb2
from quintet.type.v1.money_pb2 import Money

from services.product.agent import PageQuery, ProductPage, RelatedProduct
from services.product.convert_products import STATUS_PREFIX, patches, status
from shared import limits
from shared.db.product_facts import AttributeValue
from shared.db.product_patch import ProductPatch
from shared.db.product_performance import ProductPerformance
from shared.db.product_retirement import CompleteList
from shared.db.products import Product, ProductFilter
from shared.db.relations import COMPLEMENTARY, SIMILAR, Relation
from shared.errors import InvalidArgument
from shared.events.check import check_choice, check_id, check_number, check_text, check_time
from shared.timestamps import to_timestamp

_RELATIONS: dict[int, Relation] = {
    product_pb2.PRODUCT_RELATION_UNSPECIFIED: SIMILAR,
    product_pb2.PRODUCT_RELATION_SIMILAR: SIMILAR,
    product_pb2.PRODUCT_RELATION_COMPLEMENTARY: COMPLEMENTARY,
}
_RELATION_VALUES = {
    SIMILAR: product_pb2.PRODUCT_RELATION_SIMILAR,
    COMPLEMENTARY: product_pb2.PRODUCT_RELATION_COMPLEMENTARY,
}


def to_product(product: Product) -> product_pb2.Product:
    """Return a stored product as the contract's message."""
    message = product_pb2.Product(
        product_id=product.external_id,
        name=product.name,
        description=product.description,
        category=product.category,
        subcategory=product.subcategory,
        brand=product.brand,
        tags=product.tags,
        image_urls=product.image_urls,
        attributes={name: _to_attribute(value) for name, value in product.attributes.items()},
        average_rating=product.average_rating,
        inventory_status=product_pb2.InventoryStatus.Value(f"{STATUS_PREFIX}{product.inventory_status}"),
        recommendable=product.recommendable,
        group_id=product.group_id,
        available_time=to_timestamp(product.available_at),
        update_time=to_timestamp(product.updated_at),
    )
    if product.expire_at is not None:
        message.expire_time.CopyFrom(to_timestamp(product.expire_at))
    if product.price is not None:
        message.price.CopyFrom(Money(currency_code=product.currency or "", amount_minor=product.price))
    return message


def page_query(request: pb.ListProductsRequest) -> PageQuery:
    """Return the requested page. Raises InvalidArgument."""
    check_text(request.category, "category", limits.MAX_CATEGORY)
    check_text(request.name_contains, "name_contains", limits.MAX_NAME_CONTAINS)
    check_text(request.brand, "brand", limits.MAX_BRAND)
    check_text(request.page_token, "page_token", limits.MAX_PAGE_TOKEN)
    check_id(request.group_id, "group_id", required=False)
    since = None
    if request.HasField("updated_since"):
        check_time(request.updated_since, "updated_since")
        since = request.updated_since.ToDatetime(tzinfo=UTC)
    only = ProductFilter(
        category=request.category,
        name_contains=request.name_contains,
        group_id=request.group_id,
        brand=request.brand,
        inventory_status=status(request.inventory_status, "inventory_status") or "",
        updated_since=since,
    )
    return PageQuery(page_size(request.page_size), request.page_token, only)


def page_size(size: int) -> int:
    """Return how many entries a page has. Raises InvalidArgument."""
    return _bounded(size, "page_size", default=limits.DEFAULT_PAGE_SIZE, most=limits.MAX_PAGE_SIZE)


def offers_page(request: pb.ListOffersRequest) -> tuple[int, str]:
    """Return size and token of the requested page of offers. Raises InvalidArgument."""
    check_text(request.page_token, "page_token", limits.MAX_OFFER_TOKEN)
    return page_size(request.page_size), request.page_token


def upsert_changes(request: pb.UpsertProductsRequest) -> list[ProductPatch]:
    """Return the changes that a request asks for. Raises InvalidArgument."""
    return patches(
        request.products,
        request.update_mask if request.HasField("update_mask") else None,
        request.effective_time if request.HasField("effective_time") else None,
    )


def complete_list(messages: Sequence[pb.RetireProductsRequest]) -> CompleteList:
    """Return a complete list from its pieces. Raises InvalidArgument."""
    first = messages[0] if messages else pb.RetireProductsRequest()
    if not first.HasField("start_time"):
        raise InvalidArgument.of("start_time", None, "is required in the first message")
    check_time(first.start_time, "start_time")
    check_number(first.max_retired_share, "max_retired_share", 0, 1)
    listed = [np.array(each.listed, np.uint64) for each in messages]
    return CompleteList(
        np.concatenate(listed), first.start_time.ToDatetime(tzinfo=UTC), first.max_retired_share, first.validate_only
    )


def product_bytes(product: Product) -> int:
    """Return the bytes of a stored product in an answer."""
    return to_product(product).ByteSize()


def to_page(page: ProductPage) -> pb.ListProductsResponse:
    """Return a page of products as a response."""
    return pb.ListProductsResponse(products=map(to_product, page.products), next_page_token=page.next_token)


def product_id(value: str) -> str:
    """Return `value` if it is a valid product id. Raises InvalidArgument if it is not."""
    check_id(value, "product_id")
    return value


def relation(request: pb.GetRelatedProductsRequest) -> Relation:
    """Return the requested relation; similar by default. Raises InvalidArgument."""
    check_choice(request.relation, "relation", _RELATIONS, "one of the product relations")
    return _RELATIONS[request.relation]


def related_limit(request: pb.GetRelatedProductsRequest) -> int:
    """Return the requested number of related products: 10 by default, at most 100. Raises InvalidArgument."""
    return _bounded(request.limit, "limit", default=limits.DEFAULT_RELATED, most=limits.MAX_RELATED)


def to_related(related: Iterable[RelatedProduct], kind: Relation) -> pb.GetRelatedProductsResponse:
    """Return related products as a response, the strongest first; only as many as one answer may hold."""
    value = _RELATION_VALUES[kind]
    response, room = pb.GetRelatedProductsResponse(), limits.MAX_PAGE_BYTES
    for each in related:
        message = product_pb2.RelatedProduct(product=to_product(each.product), relation=value, score=each.score)
        room -= message.ByteSize()
        if room < 0 and response.related:
            break
        response.related.append(message)
    return response


def to_performance(name: str, performance: ProductPerformance) -> pb.GetProductPerformanceResponse:
    """Return the performance of the product with the id `name` as a response."""
    revenue = (
        Money(currency_code=currency, amount_minor=amount) for currency, amount in sorted(performance.revenue.items())
    )
    return pb.GetProductPerformanceResponse(
        performance=product_pb2.ProductPerformance(
            product_id=name,
            views=performance.views,
            cart_additions=performance.cart_additions,
            purchases=performance.purchases,
            units_sold=performance.units_sold,
            revenue=revenue,
            conversion_rate=performance.conversion_rate,
            recommendations_shown=performance.recommendations_shown,
            recommendations_clicked=performance.recommendations_clicked,
            recommendation_ctr=performance.recommendation_ctr,
        )
    )


def _to_attribute(value: AttributeValue) -> product_pb2.AttributeValue:
    if isinstance(value, bool):
        return product_pb2.AttributeValue(flag=value)
    if isinstance(value, int | float):
        return product_pb2.AttributeValue(number=value)
    if isinstance(value, str):
        return product_pb2.AttributeValue(text=value)
    return product_pb2.AttributeValue(texts=product_pb2.TextList(values=value))


def _bounded(value: int, field: str, *, default: int, most: int) -> int:
    check_number(value, field, 0, inf)
    return min(value or default, most)
