"""Which of a file's columns is which of ours."""

import pytest

from shared.column_mapping import ColumnMapping
from shared.errors import InvalidArgument


def test_names_of_ours_need_no_option() -> None:
    mapping = ColumnMapping("customers")
    names = ["customer_id", "demographics.region", "demographics.attributes.income", "age", "shoe_size"]
    assert mapping.resolve(names) == {
        "customer_id": "customer_id",
        "demographics.region": "demographics.region",
        "demographics.attributes.income": "demographics.attributes.income",
        "demographics.age": "age",
    }
    assert mapping.ignored(names) == ["shoe_size"]


def test_options_go_before_names() -> None:
    mapping = ColumnMapping("events", ["InvoiceNo=order_id", "when=event_time", "InvoiceNo=session_id"])
    assert mapping.resolve(["InvoiceNo", "order_id", "when", "timestamp"]) == {
        "order_id": "InvoiceNo",
        "session_id": "InvoiceNo",
        "timestamp": "when",
    }


def test_a_mapped_column_loses_its_own_name() -> None:
    assert ColumnMapping("products", ["name=description", "title=name"]).resolve(["name", "title"]) == {
        "description": "name",
        "name": "title",
    }


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("SKU", "theirs=ours"),
        ("=product_id", "theirs=ours"),
        ("SKU=prodct_id", "did you mean product_id"),
        ("SKU=region", "there are product_id"),
        ("SKU=attributes.", "no column"),
    ],
)
def test_options_that_make_no_sense(option: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        ColumnMapping("products", [option])


def test_two_columns_cannot_be_one_of_ours() -> None:
    with pytest.raises(InvalidArgument, match="already"):
        ColumnMapping("products", ["a=name", "b=name"])


def test_columns_that_must_be_there() -> None:
    with pytest.raises(InvalidArgument, match=r"no column 'name', but SKU: .*--map THEIRS=name"):
        ColumnMapping("products", ["SKU=product_id"]).require(["SKU"])
    with pytest.raises(InvalidArgument, match="no column 'sku', but SKU"):
        ColumnMapping("products", ["sku=product_id"]).require(["SKU"])
    with pytest.raises(InvalidArgument, match="event_type"):
        ColumnMapping("events").require(["timestamp"], ["event_type"])
    ColumnMapping("events").require(["timestamp"])
