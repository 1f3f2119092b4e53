"""Errors name the field and the value."""

from shared.errors import AlreadyExists, InvalidArgument, NotFound, shown


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
