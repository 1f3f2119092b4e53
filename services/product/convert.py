"""Converts messages of the contract to the agent's values, with checks of each field, and back."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from math import inf

from google.protobuf.timestamp_pb2 import Timestamp
from quintet.product.v1 import product_service_pb2 as pb
from quintet.type.v1 import job_pb2, product_pb2
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.money_pb2 import Money

from services.product.agent import PageQuery, ProductPage, RelatedProduct
from shared import limits
from shared.db.product_performance import ProductPerformance
from shared.db.products import NewProduct, Product
from shared.db.relations import COMPLEMENTARY, SIMILAR, Relation
from shared.errors import InvalidArgument
from shared.events.check import (
    check_choice,
    check_count,
    check_id,
    check_money,
    check_number,
    check_size,
    check_text,
    check_time,
)
from shared.jobs import Progress
from shared.timestamps import to_timestamp

STATUS_PREFIX = "INVENTORY_STATUS_"

_TEXTS = {
    "description": limits.MAX_DESCRIPTION,
    "category": limits.MAX_CATEGORY,
    "subcategory": limits.MAX_CATEGORY,
    "brand": limits.MAX_BRAND,
}
_LISTS = (("tags", limits.MAX_TAGS, limits.MAX_TAG), ("image_urls", limits.MAX_IMAGES, limits.MAX_IMAGE_URL))
_RELATIONS: dict[int, Relation] = {
    product_pb2.PRODUCT_RELATION_UNSPECIFIED: SIMILAR,
    product_pb2.PRODUCT_RELATION_SIMILAR: SIMILAR,
    product_pb2.PRODUCT_RELATION_COMPLEMENTARY: COMPLEMENTARY,
}
_RELATION_VALUES = {
    SIMILAR: product_pb2.PRODUCT_RELATION_SIMILAR,
    COMPLEMENTARY: product_pb2.PRODUCT_RELATION_COMPLEMENTARY,
}


def new_products(messages: Sequence[product_pb2.Product], field: str = "products") -> list[NewProduct]:
    """Return products to upsert. Raises InvalidArgument naming the first invalid field."""
    check_count(messages, field, limits.MAX_BATCH, least=1)
    found: dict[str, NewProduct] = {}
    for index, message in enumerate(messages):
        product = new_product(message, f"{field}[{index}]")
        if product.external_id in found:
            problem = "must be given once only"
            place = f"{field}[{index}].product_id"
            raise InvalidArgument.of(place, product.external_id, problem, ErrorReason.DUPLICATE_ELEMENT)
        found[product.external_id] = product
    return list(found.values())


def new_product(message: product_pb2.Product, field: str) -> NewProduct:
    """Return one product to upsert. Raises InvalidArgument. `field` is the product's path in the request."""
    check_size(message, field)
    check_id(message.product_id, f"{field}.product_id")
    check_text(message.name, f"{field}.name", limits.MAX_PRODUCT_NAME, required=True)
    for name, longest in _TEXTS.items():
        check_text(getattr(message, name), f"{field}.{name}", longest)
    _check_lists(message, field)
    _check_numbers(message, field)
    return NewProduct(
        external_id=message.product_id,
        name=message.name,
        description=message.description,
        category=message.category,
        subcategory=message.subcategory,
        brand=message.brand,
        price=message.price.amount_minor if message.HasField("price") else None,
        currency=message.price.currency_code if message.HasField("price") else None,
        attributes=dict(message.attributes),
        tags=tuple(message.tags),
        image_urls=tuple(message.image_urls),
        average_rating=message.average_rating if message.HasField("average_rating") else None,
        inventory_status=_status(message.inventory_status, f"{field}.inventory_status"),
        recommendable=message.recommendable if message.HasField("recommendable") else None,
        available_at=_moment(message.available_time) if message.HasField("available_time") else None,
    )


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
        attributes=product.attributes,
        average_rating=product.average_rating,
        inventory_status=product_pb2.InventoryStatus.Value(f"{STATUS_PREFIX}{product.inventory_status}"),
        recommendable=product.recommendable,
        available_time=to_timestamp(product.available_at),
        update_time=to_timestamp(product.updated_at),
    )
    if product.price is not None:
        message.price.CopyFrom(Money(currency_code=product.currency or "", amount_minor=product.price))
    return message


def page_query(request: pb.ListProductsRequest) -> PageQuery:
    """Return the requested page. Raises InvalidArgument."""
    check_text(request.category, "category", limits.MAX_CATEGORY)
    check_text(request.name_contains, "name_contains", limits.MAX_NAME_CONTAINS)
    check_text(request.page_token, "page_token", limits.MAX_PAGE_TOKEN)
    size = _bounded(request.page_size, "page_size", default=limits.DEFAULT_PAGE_SIZE, most=limits.MAX_PAGE_SIZE)
    return PageQuery(size, request.page_token, request.category, request.name_contains)


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


def to_progress(progress: Progress) -> pb.RefreshCatalogResponse:
    """Return the progress of a job as a response."""
    result = "" if progress.result is None else json.dumps(progress.result)
    return pb.RefreshCatalogResponse(
        progress=job_pb2.JobProgress(stage=progress.stage, progress=progress.fraction, result_json=result)
    )


def _check_lists(message: product_pb2.Product, field: str) -> None:
    for name, most, longest in _LISTS:
        values = getattr(message, name)
        check_count(values, f"{field}.{name}", most)
        for index, value in enumerate(values):
            check_text(value, f"{field}.{name}[{index}]", longest)
    check_count(message.attributes, f"{field}.attributes", limits.MAX_PRODUCT_ATTRIBUTES)
    for name, value in message.attributes.items():
        check_text(name, f"{field}.attributes", limits.MAX_PRODUCT_ATTRIBUTE_NAME)
        check_text(value, f"{field}.attributes[{name}]", limits.MAX_PRODUCT_ATTRIBUTE)


def _check_numbers(message: product_pb2.Product, field: str) -> None:
    if message.HasField("price"):
        check_money(message.price, f"{field}.price", limits.MAX_PRICE_MINOR)
    if message.HasField("average_rating"):
        check_number(message.average_rating, f"{field}.average_rating", 0, limits.MAX_RATING)
    if message.HasField("available_time"):
        check_time(message.available_time, f"{field}.available_time")


def _status(value: int, field: str) -> str | None:
    if value == product_pb2.INVENTORY_STATUS_UNSPECIFIED:
        return None
    check_choice(value, field, product_pb2.InventoryStatus.values(), "one of the inventory statuses")
    return product_pb2.InventoryStatus.Name(product_pb2.InventoryStatus.ValueType(value)).removeprefix(STATUS_PREFIX)


def _bounded(value: int, field: str, *, default: int, most: int) -> int:
    check_number(value, field, 0, inf)
    return min(value or default, most)


def _moment(value: Timestamp) -> datetime:
    return value.ToDatetime(tzinfo=UTC)
