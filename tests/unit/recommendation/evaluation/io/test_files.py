"""Files of events are read alike in all formats, and what cannot be used is named by file, row, column and value."""

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.recommendation.algorithms.base import Kind
from services.recommendation.evaluation.io.files import ColumnNames, Events, MissingColumn, read_events
from services.recommendation.evaluation.io.tables import UnreadableRow
from shared.errors import InvalidArgument
from shared.files import UnreadableFile

MICRO = 1_000_000
NOON = 1_769_860_800 * MICRO
"""2026-01-31T12:00:00Z."""

NAMES = ["customer_id", "product_id", "event_type", "timestamp", "quantity"]
ROWS = [
    dict(zip(NAMES, values, strict=True))
    for values in (
        ("a", "p1", "view", "2026-01-31T12:00:00Z", 1),
        ("a", "p2", "purchase", "2026-01-31T13:00:00+01:00", 2.5),
        ("b", "p1", "Add to cart", "2026-01-31T12:00:01Z", 3),
        ("b", None, "search", "2026-01-31T12:00:01Z", None),
    )
]


def written(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def as_csv(path: Path, separator: str = ",") -> Path:
    lines = [separator.join("" if row[name] is None else str(row[name]) for name in NAMES) for row in ROWS]
    return written(path, "\n".join([separator.join(NAMES), *lines]) + "\n")


def as_jsonl(path: Path) -> Path:
    return written(path, "".join(json.dumps(row) + "\n" for row in ROWS))


def as_parquet(path: Path) -> Path:
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    return path


def read(tmp_path: Path, text: str, name: str = "events.csv") -> Events:
    return read_events(written(tmp_path / name, text))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_all_formats_say_the_same(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if "parquet" in name:
        as_parquet(path)
    elif "jsonl" in name:
        as_jsonl(path)
    else:
        as_csv(path, "\t" if "tsv" in name else ",")
    events = read_events(path)
    assert events.customers.to_pylist() == ["a", "a", "b"]
    assert events.products.to_pylist() == ["p1", "p2", "p1"]
    assert events.kinds.tolist() == [Kind.VIEW, Kind.PURCHASE, Kind.CART]
    assert events.quantities.tolist() == [1.0, 2.5, 3.0]
    assert events.times is not None
    assert events.times.tolist() == [NOON, NOON, NOON + MICRO]
    assert (events.order, events.sessions, events.orders, events.left_out) == (None, None, None, 1)


def test_what_is_not_said_has_defaults(tmp_path: Path) -> None:
    events = read(tmp_path, "customer_id,product_id,price\n7, 9 ,oops\n8,9,\n")
    assert events.products.to_pylist() == ["9", "9"]
    assert events.kinds.tolist() == [Kind.PURCHASE] * 2
    assert events.quantities.tolist() == [1.0, 1.0]
    assert events.times is None


@pytest.mark.parametrize(
    "text",
    [
        "1769860800",
        "1769860800.0",
        "1769860800000",
        "1769860800000000",
        "2026-01-31T12:00:00Z",
        "2026-01-31 12:00:00",
        "2026-01-31T12:00",
        "20260131T120000Z",
        "2026-01-31T14:00:00.000000+02:00",
    ],
)
@pytest.mark.parametrize("column", ["timestamp", "event_time"])
def test_times_in_all_notations(tmp_path: Path, text: str, column: str) -> None:
    # The second row is of another notation, so that the exact reader is asked as well.
    for other in (text, "20260131"):
        events = read(tmp_path, f"customer_id,product_id,{column}\na,p,{text}\na,p,{other}\n")
        assert events.times is not None
        assert events.times[0] == NOON


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1769860800]),
        pa.array([1769860800.0]),
        pa.array([1769860800000]),
        pa.array([NOON], pa.timestamp("us")),
        pa.array([NOON * 1000], pa.timestamp("ns", "Europe/Vienna")),
        pa.array(["2026-01-31T12:00:00Z"]).dictionary_encode(),
    ],
)
def test_times_of_parquet(tmp_path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"customer_id": [1.0], "product_id": [2], "timestamp": column}), tmp_path / "a.parquet")
    events = read_events(tmp_path / "a.parquet")
    assert events.times is not None
    assert events.times.tolist() == [NOON]
    assert (events.customers.to_pylist(), events.products.to_pylist()) == (["1"], ["2"])


def test_ids_with_a_fraction_keep_it(tmp_path: Path) -> None:
    pq.write_table(pa.table({"customer_id": [1.5, 2.0], "product_id": [1, 2]}), tmp_path / "a.parquet")
    assert read_events(tmp_path / "a.parquet").customers.to_pylist() == ["1.5", "2"]


def test_days_of_parquet(tmp_path: Path) -> None:
    day = pa.array([NOON // MICRO // 86_400], pa.int32()).cast(pa.date32())
    pq.write_table(pa.table({"customer_id": ["a"], "product_id": ["b"], "timestamp": day}), tmp_path / "a.parquet")
    events = read_events(tmp_path / "a.parquet")
    assert events.times is not None
    assert events.times.tolist() == [NOON - 12 * 3600 * MICRO]


def test_order_sessions_and_orders(tmp_path: Path) -> None:
    events = read(tmp_path, "customer_id,product_id,order,session_id,basket_id\na,p,2,s,\na,p,1.5,,o1\n")
    assert events.order is not None
    assert events.order.tolist() == [2.0, 1.5]
    assert events.sessions.to_pylist() == ["s", None]
    assert events.orders.to_pylist() == [None, "o1"]


def test_visitors_and_sessions_stand_for_customers(tmp_path: Path) -> None:
    events = read(tmp_path, "customer_id,visitor_id,session_id,product_id\na,b,c,p\n,b,c,p\n,,c,p\n")
    assert events.customers.to_pylist() == ["a", "visitor:b", "session:c"]
    assert read(tmp_path, "session_id,product_id\n5,p\n").customers.to_pylist() == ["session:5"]


def test_json_of_mixed_types(tmp_path: Path) -> None:
    lines = ['{"customer_id": 1, "product_id": "p", "quantity": "2"}', '{"customer_id": "1", "product_id": 7.0}']
    events = read(tmp_path, "\n".join([*lines, "", ""]), "a.jsonl")
    assert events.customers.to_pylist() == ["1", "1"]
    assert events.products.to_pylist() == ["p", "7"]
    assert events.quantities.tolist() == [2.0, 1.0]


def test_json_ids_that_look_like_dates_stay_texts(tmp_path: Path) -> None:
    events = read(tmp_path, '{"customer_id": "2026-01-31", "product_id": "2026-01-31 12:00:00"}\n', "a.jsonl")
    assert events.customers.to_pylist() == ["2026-01-31"]
    assert events.products.to_pylist() == ["2026-01-31 12:00:00"]


def test_an_empty_column_is_none(tmp_path: Path) -> None:
    events = read(tmp_path, "customer_id,product_id,timestamp,order,session_id\na,p,,,\n")
    assert (events.times, events.order, events.sessions) == (None, None, None)


def test_a_header_alone(tmp_path: Path) -> None:
    assert len(read(tmp_path, "customer_id,product_id,event_type\n")) == 0


BAD = [
    (
        "event_type,timestamp,quantity",
        "like,1,1",
        "column event_type: .*; --event-type THEIRS=OURS says .*, got 'like'",
    ),
    ("event_type,timestamp,quantity", "view,soon,1", "column timestamp: is not a time .*, got 'soon'"),
    ("event_type,timestamp,quantity", "view,,1", "column timestamp: is required, got None"),
    ("event_type,timestamp,quantity", "view, ,1", "column timestamp: is required"),
    ("event_type,timestamp,quantity", "view,99999999999999999999,1", "column timestamp: is not a time"),
    ("event_type,timestamp,quantity", "view,300000000000000000,1", "column timestamp: is not a time before"),
    ("event_type,timestamp,quantity", "view,1,two", "column quantity: is not a number, got 'two'"),
    ("event_type,timestamp,quantity", "view,1,inf", "column quantity: is not a number, got 'inf'"),
    ("event_type,timestamp,quantity", "view,1,-1", "column quantity: must be from 0 to 1,000,000, got '-1'"),
    ("event_type,timestamp,quantity", "buy,1,-1", "column quantity: .*; --negative-quantity refund .*, got '-1'"),
    ("event_type,order,quantity", "view,,1", "column order: is required"),
    ("event_type,order,quantity", "view,x,1", "column order: is not a number, got 'x'"),
]


@pytest.mark.parametrize(("header", "row", "problem"), BAD)
def test_a_bad_value_is_named(tmp_path: Path, header: str, row: str, problem: str) -> None:
    # The row of a search is left out, but keeps its number.
    text = f"customer_id,product_id,{header}\na,p,search,1,1\na,p,view,1,1\na,p,{row}\n"
    with pytest.raises(InvalidArgument, match=f"events.csv, row 3, {problem}"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("row", "column"), [(",p", "customer_id"), ("a,", "product_id"), ("a,  ", "product_id"), (" ,p", "customer_id")]
)
def test_ids_are_required(tmp_path: Path, row: str, column: str) -> None:
    with pytest.raises(InvalidArgument, match=f"row 2, column {column}: is required"):
        read(tmp_path, f"customer_id,product_id\na,p\n{row}\n")


def test_an_id_that_is_a_list(tmp_path: Path) -> None:
    with pytest.raises(UnreadableRow, match="line 2, column product_id: must be a single value"):
        read(tmp_path, '{"customer_id": 1, "product_id": 2}\n{"customer_id": 1, "product_id": [2]}\n', "a.jsonl")
    pq.write_table(pa.table({"customer_id": ["a"], "product_id": [["b"]]}), tmp_path / "a.parquet")
    with pytest.raises(InvalidArgument, match="column product_id: must be a text or a number"):
        read_events(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.csv", "customer_id,product_id\n1,2\n1\n", "Expected 2 columns, got 1"),
        ("a.csv", "", "is empty"),
        ("a.csv", "a,a\n", "'a' twice"),
        ("a.parquet", "customer_id\n", "PAR1"),
        ("a.xlsx", "PK", "cannot tell the format"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, text: str, problem: str) -> None:
    with pytest.raises(UnreadableFile, match=problem):
        read(tmp_path, text, name)


@pytest.mark.parametrize("name", ["events.csv", "events.csv.gz"])
def test_a_quote_that_is_never_closed_swallows_nothing(tmp_path: Path, name: str) -> None:
    text = 'customer_id,product_id,name\na,"p1",one\na,p2,"two\n' + "".join(f"b,p{n},more\n" for n in range(50_000))
    with pytest.raises(UnreadableFile, match="the row from line 3 has a quote that is never closed"):
        read_events(written(tmp_path / name, text))


def test_a_single_quote_inside_a_value_is_no_quote(tmp_path: Path) -> None:
    path = written(tmp_path / "events.csv", 'customer_id,product_id,name\na,p1,5" nail\na,"p2","two\nlines"\n')
    assert read_events(path).products.to_pylist() == ["p1", "p2"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="No such file"):
        read_events(tmp_path / "a.csv")


@pytest.mark.parametrize("line", ['{"customer_id": ', "[1]"])
def test_lines_that_are_not_objects(tmp_path: Path, line: str) -> None:
    with pytest.raises(UnreadableRow, match=r"a\.jsonl, line 2"):
        read(tmp_path, '{"customer_id": "a", "product_id": "b"}\n' + line, "a.jsonl")


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("price", "'product_id'"),
        ("customer_id,price", "'product_id'"),
        ("product_id", "'customer_id'"),
        ("product_id,price", "'session_id'"),
    ],
)
def test_columns_that_are_missing(tmp_path: Path, header: str, problem: str) -> None:
    with pytest.raises(MissingColumn, match=problem):
        read(tmp_path, f"{header}\n1,2\n" if "," in header else f"{header}\n1\n")


def test_many_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 200_000
    table = pa.table(
        {
            "customer_id": rng.integers(0, 1000, n),
            "product_id": pa.array(rng.integers(0, 1000, n)).cast(pa.string()),
            "timestamp": rng.integers(1_600_000_000, 1_700_000_000, n),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    events = read_events(tmp_path / "a.parquet")
    assert len(events) == n
    assert events.times is not None
    assert (events.times // MICRO == table["timestamp"].to_numpy()).all()


def test_files_may_say_things_in_their_own_words(tmp_path: Path) -> None:
    text = (
        "buyer,StockCode,what,quantity\na,p1,fav,1\na,p1,,2\na,p2,buy,-1\nb,p2,view,-1\nb,p3,wish,1\nb,p4,purchase,1\n"
    )
    columns = (
        "buyer=customer_id",
        "StockCode=product_id",
        "what=event_type",
        "Price=price",
        "colour=attributes.colour",
    )
    names = ColumnNames(columns, ("fav=cart", "view", "wish=custom:wish"), returns=True)
    with pytest.raises(InvalidArgument, match="row 4, column quantity: must be from 0"):
        read_events(written(tmp_path / "events.csv", text), names)  # a view of -1 units is no return
    events = read_events(written(tmp_path / "events.csv", text.replace("view,-1", "view,1")), names)
    assert events.customers.to_pylist() == ["a", "a", "b", "b"]
    assert events.products.to_pylist() == ["p1", "p1", "p2", "p4"]
    assert events.kinds.tolist() == [Kind.CART, Kind.VIEW, Kind.VIEW, Kind.PURCHASE]
    assert events.left_out == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("events.csv", "InvoiceNo,customer_id,product_id,quantity\n7,a,p,2.5\n"),
        ("events.jsonl", '{"InvoiceNo": 7, "customer_id": "a", "product_id": "p", "quantity": 2.5}\n'),
    ],
)
def test_one_column_may_say_two_things_and_no_longer_says_its_own(tmp_path: Path, name: str, text: str) -> None:
    names = ColumnNames(("InvoiceNo=order_id", "InvoiceNo=session_id", "customer_id=visitor_id", "quantity=price"))
    events = read_events(written(tmp_path / name, text), names)
    assert (events.orders.to_pylist(), events.sessions.to_pylist()) == (["7"], ["7"])
    assert (events.customers.to_pylist(), events.quantities.tolist()) == (["visitor:a"], [1.0])


def test_a_mapped_column_must_be_there(tmp_path: Path) -> None:
    path = written(tmp_path / "events.csv", "customer_id,product_id\na,p\n")
    with pytest.raises(MissingColumn, match=r"--map buyer=customer_id: .* has no column 'buyer'"):
        read_events(path, ColumnNames(("buyer=customer_id",)))


def test_an_order_stands_for_a_guest_where_that_is_wanted(tmp_path: Path) -> None:
    path = written(tmp_path / "events.csv", "customer_id,order_id,session_id,product_id\na,1,,p\n,2,s,p\n,2,,p\n")
    with pytest.raises(InvalidArgument, match="row 3, column customer_id: is required; --guests visitor makes"):
        read_events(path)
    assert read_events(path, ColumnNames(guests=True)).customers.to_pylist() == ["a", "guest:2", "guest:2"]
    path = written(tmp_path / "events.csv", "order_id,product_id\n1,p\n,p\n")
    with pytest.raises(MissingColumn, match="customer_id"):
        read_events(path)
    with pytest.raises(InvalidArgument, match="row 2, column customer_id: is required, got None"):
        read_events(path, ColumnNames(guests=True))


@pytest.mark.parametrize(
    ("columns", "types", "problem"),
    [
        (("sku=prodct_id",), (), "--map sku=prodct_id: .* did you mean product_id"),
        (("customer_id",), (), "--map customer_id: write theirs=ours"),
        (("a=customer_id", "b=customer_id"), (), "--map b=customer_id: customer_id is mapped from 'a' already"),
        ((), ("fav=like",), "--event-type: event_type: must be one of product_view"),
        ((), ("fav=",), "--event-type: event_type: is required"),
    ],
)
def test_words_that_mean_nothing_here(columns: tuple[str, ...], types: tuple[str, ...], problem: str) -> None:
    with pytest.raises(InvalidArgument, match=problem):
        ColumnNames(columns, types)
