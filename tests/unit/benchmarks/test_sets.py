"""The data sets of the benchmark, from tiny files in their original formats."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.quality import sets
from benchmarks.quality.sets import (
    amazon_beauty_5core,
    completejourney,
    gowalla_lightgcn,
    online_retail_2010_2011,
    retailrocket_sessions,
    serenade_example,
    tmall_multibehavior,
)
from benchmarks.quality.sets.dataset import Dataset, Evaluation, MissingData, Split, write
from benchmarks.quality.sets.lines import Lists, shuffled
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.evaluation.io.files import read_events
from services.recommendation.evaluation.io.train_test_split import TrainTestSplit, split_files
from services.recommendation.holdout.protocols import eval_cases
from services.recommendation.holdout.tasks import EvalCase, Protocol


def packed(path: Path, *lines: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("\n".join(lines))


def split_of(split: Split, folder: Path, evaluation: Evaluation) -> TrainTestSplit:
    """The split through interchange files, as the benchmark evaluates it."""
    dataset = Dataset("set", "Set", "", lambda _: split, (0, 0), ())
    write(dataset, folder, folder)
    train, test = (read_events(folder / f"{part}.parquet") for part in ("train", "test"))
    return split_files(train, test, by_session=evaluation.protocol is Protocol.SESSION)


def asked(data: TrainTestSplit, evaluation: Evaluation, target: Kind, *, exclude_seen: bool = False) -> list[EvalCase]:
    return eval_cases(
        evaluation.protocol,
        data.train,
        data.test,
        target=target,
        exclude_seen=exclude_seen,
        cutoff=data.cutoff,
        shortest_session=evaluation.shortest_session,
    )


def pairs(table: pa.Table) -> list[tuple[object, object]]:
    return list(zip(table["customer_id"].to_pylist(), table["product_id"].to_pylist(), strict=True))


def test_gowalla_has_a_customer_a_line_and_no_order(tmp_path: Path):
    packed(tmp_path / "train.txt.gz", "0 10 11 12 13 14 15 16 17", "1 11")
    packed(tmp_path / "test.txt.gz", "0 18 19", "1 10")
    split = gowalla_lightgcn.read(tmp_path)
    assert sorted(pairs(split.train)) == [*((0, product) for product in range(10, 18)), (1, 11)]
    assert [product for customer, product in pairs(split.train) if customer == 0] != list(range(10, 18))
    assert sorted(pairs(split.test)) == [(0, 18), (0, 19), (1, 10)]
    assert split.train.equals(gowalla_lightgcn.read(tmp_path).train)


def test_a_customer_without_test_products_is_no_question(tmp_path: Path):
    packed(tmp_path / "train.txt.gz", "0 10 11", "1 11")
    packed(tmp_path / "test.txt.gz", "0 11", "1")
    assert gowalla_lightgcn.read(tmp_path).test.num_rows == 1


def test_shuffling_keeps_customers_together():
    lists = Lists(np.array([3, 3, 3, 1, 1]), np.array([5, 6, 7, 8, 9]))
    found = shuffled(lists)
    assert found.customers.tolist() == [1, 1, 3, 3, 3]
    assert sorted(found.products[:2].tolist()) == [8, 9]
    assert sorted(found.products[2:].tolist()) == [5, 6, 7]


def test_beauty_holds_out_the_last_product_and_keeps_the_order(tmp_path: Path):
    packed(tmp_path / "sequences.txt.gz", "1 9 2 7 4", "2 4 9 3")
    split = amazon_beauty_5core.read(tmp_path)
    assert pairs(split.train) == [(1, 9), (1, 2), (1, 7), (2, 4), (2, 9)]
    assert pairs(split.test) == [(1, 4), (2, 3)]
    (evaluation,) = amazon_beauty_5core.DATASET.evaluations
    data = split_of(split, tmp_path, evaluation)
    (question,) = asked(data, evaluation, Kind.PURCHASE, exclude_seen=True)  # nobody knows product 3 before
    names = sorted({"9", "2", "7", "4", "3"})
    assert [names[row] for row in question.shopper.products] == ["9", "2", "7"]
    assert [names[row] for row in question.targets] == ["4"]


QUESTIONS = (
    "session_id\ttarget_time\ttarget_item\tprefix",
    "70\t1441940543\t3\t1 2",
    "80\t1441940600\t1\t2 2",
    "70\t1441940700\t2\t1 2 3",
)


def test_retailrocket_asks_exactly_the_published_questions(tmp_path: Path):
    packed(tmp_path / "train_sessions.txt.gz", "1 2 1 1", "3 2 3")
    packed(tmp_path / "test.tsv.gz", *QUESTIONS)
    split = retailrocket_sessions.read(tmp_path)
    assert split.train.num_rows == 7
    (evaluation,) = retailrocket_sessions.DATASET.evaluations
    found = asked(split_of(split, tmp_path, evaluation), evaluation, Kind.VIEW)
    steps = sorted(
        (tuple(q.shopper.session + 1), int(q.targets[0]) + 1) for q in found
    )  # products 1 to 3 are rows 0 to 2
    assert steps == [((1, 2), 3), ((1, 2, 3), 2), ((2, 2), 1)]


@pytest.mark.parametrize(
    "questions",
    [
        [("70", [1, 2], 3), ("70", [1, 2, 9], 4)],  # not one session
        [("70", [1, 2], 3), ("70", [1, 2, 3, 4], 5)],  # one is missing
        [("70", [1], 2), ("70", [1, 2], 3)],  # begins too early
    ],
)
def test_questions_that_are_not_those_of_one_session_are_refused(questions: list[tuple[str, list[int], int]]):
    with pytest.raises(ValueError, match="session 70"):
        retailrocket_sessions.sessions_of(questions)


def test_serenade_orders_clicks_by_time_and_leaves_validation_out(tmp_path: Path):
    head = "SessionId\tItemId\tTime"
    packed(tmp_path / "train.tsv.gz", head, "1\t10\t1592337718.0", "1\t11\t1592337765.0", "2\t12\t1592337000.0")
    packed(tmp_path / "test.tsv.gz", head, "5\t12\t1593000300.0", "5\t10\t1593000100.0", "5\t11\t1593000200.0")
    split = serenade_example.read(tmp_path)
    assert split.train.num_rows == 3
    (evaluation,) = serenade_example.DATASET.evaluations
    found = asked(split_of(split, tmp_path, evaluation), evaluation, Kind.VIEW)
    assert [(q.shopper.session.tolist(), q.targets.tolist()) for q in found] == [([0], [1]), ([0, 1], [2])]


def test_tmall_has_weaker_behaviours_first_and_asks_for_purchases(tmp_path: Path):
    packed(tmp_path / "view.train.txt.gz", "0 1 2 3", "1 2 3")
    packed(tmp_path / "cart.train.txt.gz", "0\t2", "1\t3")
    packed(tmp_path / "buy.train.txt.gz", "0\t1", "1\t2")
    packed(tmp_path / "buy.test.txt.gz", "0\t3", "1\t1")
    split = tmall_multibehavior.read(tmp_path)
    assert split.train["event_type"].to_pylist() == ["view"] * 5 + ["cart"] * 2 + ["purchase"] * 2
    (evaluation,) = tmall_multibehavior.DATASET.evaluations
    data = split_of(split, tmp_path, evaluation)
    found = asked(data, evaluation, Kind.PURCHASE, exclude_seen=True)
    assert [(q.targets.tolist(), q.excluded.tolist()) for q in found] == [([2], [0]), ([0], [1])]
    assert found[0].shopper.kinds.tolist() == [Kind.VIEW] * 3 + [Kind.CART, Kind.PURCHASE]
    assert not data.timed


def test_online_retail_drops_cancellations_and_guests_and_splits_at_the_last_month(tmp_path: Path):
    days = ["2011-10-01T10:00", "2011-11-08T23:59", "2011-11-09T00:00", "2011-12-01T09:00", "2011-12-01T09:00"]
    table = pa.table(
        {
            "InvoiceNo": ["1", "2", "3", "C4", "5"],
            "StockCode": ["A", "B", "A", "A", "B"],
            "Quantity": pa.array([1, 2, 3, -3, 4], pa.int64()),
            "InvoiceDate": pa.array(np.array(days, "datetime64[ms]")),
            "UnitPrice": [1.0, 2.5, 1.0, 1.0, 2.5],
            "CustomerID": pa.array([7, 7, 7, 7, None], pa.int64()),
        }
    )
    pq.write_table(table, tmp_path / "transactions.parquet")
    split = online_retail_2010_2011.read(tmp_path)
    assert split.train["session_id"].to_pylist() == ["1", "2"]
    assert split.test["session_id"].to_pylist() == ["3"]
    (evaluation,) = online_retail_2010_2011.DATASET.evaluations
    (question,) = asked(split_of(split, tmp_path, evaluation), evaluation, Kind.PURCHASE)
    assert question.targets.tolist() == [0]
    assert question.shopper.quantities.tolist() == [1, 2]


def test_complete_journey_splits_at_december_and_counts_prices_by_unit(tmp_path: Path):
    pandas = pytest.importorskip("pandas")
    lines = pandas.DataFrame(
        {
            "household_id": [1, 1, 2, 1],
            "basket_id": [100, 100, 101, 102],
            "product_id": [5, 6, 5, 5],
            "quantity": [2, 0, 1, 1],
            "sales_value": [3.0, 0.5, 1.5, 1.5],
            "transaction_timestamp": pandas.to_datetime(
                ["2017-11-30 23:59", "2017-11-30 23:59", "2017-06-01 12:00", "2017-12-01 00:00"]
            ),
        }
    )
    split = completejourney.split(lines)
    assert split.train["price"].to_pylist() == [1.5, 0.5, 1.5]
    assert pairs(split.test) == [(1, 5)]
    top_n, discovery = completejourney.DATASET.evaluations
    data = split_of(split, tmp_path, top_n)
    assert len(asked(data, top_n, Kind.PURCHASE)) == 1
    assert asked(data, discovery, Kind.PURCHASE) == []  # bought before


@pytest.mark.parametrize("dataset", [each for each in sets.ALL if each.name != "completejourney"], ids=lambda d: d.name)
def test_a_missing_set_says_what_is_missing(dataset: Dataset, tmp_path: Path):
    with pytest.raises(MissingData, match="there is no"):
        write(dataset, tmp_path, tmp_path / "cache")
