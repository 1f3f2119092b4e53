"""Errors name the field and the value."""

import pytest
from quintet.type.v1.error_pb2 import ErrorReason

from shared.errors import AlreadyExists, InvalidArgument, NotFound, QuintetError, shown


def test_an_error_names_field_and_value() -> None:
    error = InvalidArgument.of("limit", -1, "must not be negative")
    assert error.message == "limit: must not be negative, got -1"
    assert (error.violations[0].field, error.violations[0].description) == ("limit", "must not be negative, got -1")
    assert NotFound.of("product", "p").violations == ()
    assert AlreadyExists.of("customer", "c", "customer_id").violations[0].field == "customer_id"


def test_a_long_value_is_cut() -> None:
    assert len(shown("x" * 1000)) == 101


def test_a_field_is_renamed_for_another_request() -> None:
    error = InvalidArgument.of("products[0].price", 1, "bad").renamed("products[0]", "product")
    assert error.violations[0].field == "product.price"
    assert error.message.startswith("product.price:")
    assert error.metadata == {"field": "product.price"}


@pytest.mark.parametrize(
    ("error", "reason", "metadata"),
    [
        (InvalidArgument("odd"), "FIELD_INVALID", {}),
        (
            InvalidArgument.of("name", "x", "is too long", ErrorReason.FIELD_TOO_LONG, limit=5),
            "FIELD_TOO_LONG",
            {"field": "name", "limit": "5"},
        ),
        (
            NotFound.of("product", "p", "product_id"),
            "PRODUCT_NOT_FOUND",
            {"resource": "product", "field": "product_id"},
        ),
        (NotFound.of("star", "x"), "RESOURCE_NOT_FOUND", {"resource": "star"}),
        (AlreadyExists.of("purchase", "o"), "PURCHASE_ALREADY_EXISTS", {"resource": "purchase"}),
        (QuintetError("later", reason=9_999), "9999", {}),  # type: ignore[arg-type]
    ],
)
def test_an_error_gives_a_reason_and_its_facts(error: QuintetError, reason: str, metadata: dict[str, str]) -> None:
    assert (error.reason_name, error.metadata) == (reason, metadata)
