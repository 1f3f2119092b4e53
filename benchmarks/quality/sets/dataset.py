"""What a data set of the benchmark is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.recommendation.holdout.metrics import RecallOver
from services.recommendation.holdout.tasks import Protocol

Table = Any
"""A `pyarrow.Table`, which has no type hints."""


class MissingData(Exception):
    """The files of a data set are not there, or not all of them."""


@dataclass(frozen=True)
class Evaluation:
    """One way in which a data set is asked: what a user would say to `quintet evaluate`.

    Parameters
    ----------
    protocol : Protocol
        What is asked.
    k : int
        Length of the lists, as published.
    questions : int or None
        How many there are by the rules of the data set: what published values divide by. Where fewer can be asked,
        since train does not know the product, reports say so and count the others as misses before they compare.
        None where nobody has published anything.
    recall_over : {"min", "all"}
        What recall divides by.
    shortest_session : int
        Events of a session before its first question.
    metrics : tuple of str
        The metrics that are published or asked for, the first one the most important.
    """

    protocol: Protocol
    k: int
    questions: int | None
    recall_over: RecallOver = "min"
    shortest_session: int = 1
    metrics: tuple[str, ...] = ("recall", "ndcg")

    def missed(self, asked: int) -> int:
        """Return how many questions of the rules are not among those `asked`."""
        return max((self.questions or 0) - asked, 0)


@dataclass(frozen=True)
class Split:
    """Interchange tables: what is known and what came after."""

    train: Table
    test: Table


@dataclass(frozen=True)
class Dataset:
    """A data set.

    Parameters
    ----------
    name : str
        Its folder under the data folder, and its name in reports.
    title : str
        What people call it.
    about : str
        What it is and how it is split, a sentence or two.
    read : callable
        Takes the set's folder and returns the split; raises `MissingData`.
    rows : tuple of int
        Events of train and of test that come out of the original files.
    evaluations : tuple of Evaluation
        How it is asked.
    """

    name: str
    title: str
    about: str
    read: Callable[[Path], Split]
    rows: tuple[int, int]
    evaluations: tuple[Evaluation, ...]


def write(dataset: Dataset, data: Path, cache: Path) -> tuple[int, int]:
    """Write `train.parquet` and `test.parquet` of a data set into a folder and return their numbers of rows.

    Raises
    ------
    MissingData
        If the set is not in the folder `data`.
    """
    split = dataset.read(data / dataset.name)
    cache.mkdir(parents=True, exist_ok=True)
    for name, table in (("train", split.train), ("test", split.test)):
        pq.write_table(table, cache / f"{name}.parquet", compression="zstd")
    return split.train.num_rows, split.test.num_rows


def events(customers: Any, products: Any, **columns: Any) -> Table:
    """Return an interchange table; a single text stands for a whole column.

    Parameters
    ----------
    customers, products : sequences of length n
        Ids, numbers or texts.
    **columns
        Further interchange columns: event_type, timestamp, order, quantity, price, session_id.
    """
    n = len(products)
    named = {"customer_id": customers, "product_id": products, **columns}
    return pa.table({name: _column(values, n) for name, values in named.items() if values is not None})


def require(folder: Path, *names: str) -> list[Path]:
    """Return the paths of files of a folder. Raises `MissingData` naming the first that is not there."""
    paths = [folder / name for name in names]
    for path in paths:
        if not path.is_file():
            raise MissingData(f"there is no {path.name} in {folder}")
    return paths


def _column(values: Any, n: int) -> Any:
    if isinstance(values, str):
        return pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int32()), pa.array([values]))
    return pa.array(values)
