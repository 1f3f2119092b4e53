"""Converts messages of the contract to the agent's values, with checks of each field, and back."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC

import numpy as np
from quintet.product.v1 import product_service_pb2 as pb
from quintet.type.v1 import job_pb2, product_pb2
from quintet.type.v1.money_pb2 import Money

from services.product.agent import PageQuery, ProductPage, RelatedProduct
from services.product.convert_products import MOST_PRODUCTS, STATUS_PREFIX, patches, status
from shared.db.product_facts import AttributeValue
from shared.db.product_patch import ProductPatch
from shared.db.product_performance import ProductPerformance
from shared.db.product_retirement import CompleteList
from shared.db.products import Product, ProductFilter
from shared.db.relations import COMPLEMENTARY, SIMILAR, Relation
from shared.errors import InvalidArgument
from shared.events.check import check_id, check_number, check_text, check_time
from shared.jobs import Progress
from shared.timestamps import to_timestamp

MOST_RELATED = 100
LONGEST_FILTER = 200
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
    for name in ("category", "name_contains", "brand"):
        check_text(getattr(request, name), name, LONGEST_FILTER)
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
    return _bounded(size, "page_size", default=100, most=MOST_PRODUCTS)


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


def to_page(page: ProductPage) -> pb.ListProductsResponse:
    """Return a page of products as a response."""
    return pb.ListProductsResponse(products=map(to_product, page.products), next_page_token=page.next_token)


def product_id(value: str) -> str:
    """Return `value` if it is a valid product id. Raises InvalidArgument if it is not."""
    check_id(value, "product_id")
    return value


def relation(request: pb.GetRelatedProductsRequest) -> Relation:
    """Return the requested relation; similar by default. Raises InvalidArgument."""
    if request.relation not in _RELATIONS:
        raise InvalidArgument.of("relation", request.relation, "must be one of the product relations")
    return _RELATIONS[request.relation]


def related_limit(request: pb.GetRelatedProductsRequest) -> int:
    """Return the requested number of related products: 10 by default, at most 100. Raises InvalidArgument."""
    return _bounded(request.limit, "limit", default=10, most=MOST_RELATED)


def to_related(related: Iterable[RelatedProduct], kind: Relation) -> pb.GetRelatedProductsResponse:
    """Return related products as a response."""
    value = _RELATION_VALUES[kind]
    messages = (
        product_pb2.RelatedProduct(product=to_product(each.product), relation=value, score=each.score)
        for each in related
    )
    return pb.GetRelatedProductsResponse(related=messages)


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


def to_progress(progress: Progress) -> pb.RefreshCatalogResponse:
    """Return the progress of a job as a response."""
    result = "" if progress.result is None else json.dumps(progress.result)
    return pb.RefreshCatalogResponse(
        progress=job_pb2.JobProgress(stage=progress.stage, progress=progress.fraction, result_json=result)
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
    if value < 0:
        raise InvalidArgument.of(field, value, "must not be negative")
    return min(value or default, most)
