"""Two files become one data set: the same rows, times that lie after each other, and a moment between them."""

from pathlib import Path

import numpy as np
import pytest

from services.recommendation.algorithms.base import Kind
from services.recommendation.evaluation.io.files import Events, read_events
from services.recommendation.evaluation.io.train_test_split import TrainTestSplit, split_files
from shared.errors import InvalidArgument


@pytest.fixture
def file(tmp_path: Path) -> "File":
    return File(tmp_path)


class File:
    """Writes CSV and reads it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "events.csv"

    def __call__(self, text: str) -> Events:
        self._path.write_text(text.replace(" ", "\n") + "\n")
        return read_events(self._path)


def split(train: Events, test: Events, **options: object) -> TrainTestSplit:
    return split_files(train, test, by_session=False, **options)  # type: ignore[arg-type]


def test_rows_are_the_sorted_ids_of_both(file: File) -> None:
    made = split(file("customer_id,product_id b,y a,x"), file("customer_id,product_id c,z a,y"))
    assert (made.train.n_customers, made.train.n_products) == (3, 3) == (made.test.n_customers, made.test.n_products)
    assert list(zip(made.train.customers.tolist(), made.train.products.tolist(), strict=True)) == [(1, 1), (0, 0)]
    assert list(zip(made.test.customers.tolist(), made.test.products.tolist(), strict=True)) == [(2, 2), (0, 1)]
    assert made.counts["test"] == {"events": 2, "customers": 2, "products": 2, "left_out": 0}


def test_without_times_the_order_of_rows_is_time(file: File) -> None:
    made = split(file("customer_id,product_id a,x a,y"), file("customer_id,product_id a,x a,x"))
    assert (made.train.times.tolist(), made.test.times.tolist()) == ([0, 1], [2, 3])
    assert (made.timed, made.cutoff, made.train.now) == (False, 2, 2)
    assert set(made.train.baskets).isdisjoint(made.test.baskets)
    assert made.train.added.tolist() == [0, 0]


def test_an_order_column_sorts(file: File) -> None:
    train = file("customer_id,product_id,order a,x,9 a,y,2.5 b,y,2.5")
    made = split(train, file("customer_id,product_id,order a,x,1"))
    assert made.train.products.tolist() == [1, 1, 0]
    assert made.train.times.tolist() == [0, 0, 1]
    assert made.test.times.tolist() == [2]


def test_times_are_seconds_and_the_order_settles_equal_ones(file: File) -> None:
    train = file("customer_id,product_id,timestamp,order a,x,20,1 a,y,10,2 a,z,10,1")
    made = split(train, file("customer_id,product_id,timestamp a,x,30 a,y,25"))
    assert made.train.products.tolist() == [2, 1, 0]
    assert made.train.times.tolist() == [10, 10, 20]
    assert (made.timed, made.cutoff, made.train.now) == (True, 25, 25)
    assert made.train.added.tolist() == [20, 10, 10]


def test_milliseconds_order_events_of_a_second(file: File) -> None:
    made = split(
        file("customer_id,product_id,timestamp a,x,10.9 a,y,10.1"), file("customer_id,product_id,timestamp a,x,30")
    )
    assert made.train.products.tolist() == [1, 0]
    assert made.train.times.tolist() == [10, 10]


def test_nobody_asks_before_the_end_of_train(file: File) -> None:
    made = split(file("customer_id,product_id,timestamp a,x,20"), file("customer_id,product_id,timestamp b,x,10"))
    assert made.cutoff == 21


def test_the_cutoff_can_be_said(file: File) -> None:
    train, test = file("customer_id,product_id,timestamp a,x,20"), file("customer_id,product_id,timestamp a,x,30")
    assert split(train, test, cutoff=22).train.now == 22
    with pytest.raises(InvalidArgument, match="cutoff: means nothing: train has no timestamps"):
        split(file("customer_id,product_id a,x"), test, cutoff=22)


def test_a_test_with_times_after_a_train_without(file: File) -> None:
    made = split(file("customer_id,product_id a,x"), file("customer_id,product_id,timestamp a,x,30"))
    assert (made.timed, made.cutoff, made.test.times.tolist()) == (False, 1, [30])


def test_a_product_of_test_alone_was_never_added(file: File) -> None:
    train, test = file("customer_id,product_id,timestamp a,x,20"), file("customer_id,product_id,timestamp a,new,30")
    assert split(train, test).train.added.tolist() == [0, 20]


def test_kinds_and_quantities_follow_their_rows(file: File) -> None:
    train = file("customer_id,product_id,event_type,quantity,order a,x,view,,2 a,y,cart,3,1")
    made = split(train, file("customer_id,product_id a,x"))
    assert made.train.kinds.tolist() == [Kind.CART, Kind.VIEW]
    assert made.train.quantities.dtype == np.float32
    assert made.train.quantities.tolist() == [3.0, 1.0]


@pytest.mark.parametrize("empty", ["train", "test"])
def test_a_file_without_events(file: File, empty: str) -> None:
    files = {"train": file("customer_id,product_id a,x"), "test": file("customer_id,product_id a,x")}
    files[empty] = file("customer_id,product_id,event_type a,x,search")
    with pytest.raises(InvalidArgument, match=f"{empty}: there is no view, cart or purchase"):
        split(files["train"], files["test"])


def test_a_train_that_goes_on_after_test_began_is_warned_of(file: File) -> None:
    head = "customer_id,product_id,timestamp "
    test = file(head + " ".join(f"c{n},x,100" for n in range(200)))
    early = " ".join(f"c{n},x,100" for n in range(2, 200))  # at the very moment is not after it
    few, many = (
        file(f"{head}{early} {late} stranger,x,900") for late in ("c0,x,101 c1,x,500", "c0,x,101 c1,x,500 c2,x,101")
    )
    assert split(few, test).counts["warnings"] == []
    assert split(many, test).counts["warnings"] == [
        "3 of 200 customers have events in train after their first in test: what is asked for may be known"
    ]
    assert split(many, file("customer_id,product_id c0,x c1,x c2,x")).counts["warnings"] == []
