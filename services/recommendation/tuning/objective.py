"""The objective: what an algorithm with some parameters is worth on questions held out of the data."""

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from services.recommendation.algorithms.arrays import AnyArray, FloatArray, Longs
from services.recommendation.algorithms.base import Algorithm
from services.recommendation.algorithms.interactions import Interactions
from services.recommendation.holdout.intervals import clusters_of
from services.recommendation.holdout.metrics import measure
from services.recommendation.holdout.splits import validation
from services.recommendation.holdout.tasks import EvalCase, Protocol, Task
from services.recommendation.holdout.topk import AlgorithmRanker
from services.recommendation.training.event_weights import learn_kind_weights

PLACES = 20
"""Places of the lists that are measured."""
FEWEST_CUSTOMERS = 50
"""Customers (or sessions) asked below which nothing is tried: chance would decide."""
MOST_QUESTIONS = 2000
"""Questions asked, at most."""
WEIGHED = (Protocol.TOP_N_DISCOVERY,)
"""Protocols for which it is learned first how much each kind of event says: what they ask of goes by tastes."""
SEED = 0


class Objective:
    """Questions with known answers, and what was known before them.

    Parameters
    ----------
    task : Task
        All there is; the answers are held out of its train by `evaluation.splits.validation`.

    Attributes
    ----------
    clusters : ndarray of shape (n_questions,), int64
        Questions of the same number are of the same customer.
    fingerprint : str
        Events, customers, products and moment of all data, and a checksum of what is learned from and asked. What is
        measured can be compared only where it is the same.
    """

    def __init__(self, task: Task) -> None:
        inner, asked = validation(task, SEED, MOST_QUESTIONS)
        if task.protocol in WEIGHED:
            weights = learn_kind_weights(inner.train, asked)
            inner = replace(inner, train=replace(inner.train, kind_weights=weights))
        self._task = inner
        self._asked = asked
        self.protocol: Protocol = task.protocol
        self.target = task.target
        self.clusters: Longs = clusters_of(asked)
        self.fingerprint = f"{_counts(task.train)}-{_checksum(self._task, asked):08x}"

    def __len__(self) -> int:
        """Return the number of questions."""
        return len(self._asked)

    @property
    def customers(self) -> int:
        """Customers (or sessions) that are asked."""
        return len(np.unique(self.clusters))

    def gains(self, algorithm: Algorithm) -> FloatArray:
        """Fit the algorithm and return its NDCG at 20 of each question, shape (n_questions,), float32."""
        ranker = AlgorithmRanker(algorithm, SEED)
        ranker.fit(self._task)
        shoppers = [question.shopper for question in self._asked]
        lists = ranker.top(shoppers, [question.excluded for question in self._asked], PLACES)
        values = measure(lists, [question.targets for question in self._asked], PLACES)
        return values["ndcg"].astype(np.float32)


def _counts(data: Interactions) -> str:
    customers, products = len(np.unique(data.customers)), len(np.unique(data.products))
    return f"{len(data.customers)}-{customers}-{products}-{data.now}"


def _checksum(task: Task, asked: Sequence[EvalCase]) -> int:
    train = task.train
    arrays: list[AnyArray] = [
        train.customers,
        train.products,
        train.kinds,
        train.quantities,
        train.times,
        train.baskets,
    ]
    arrays += [train.embeddings, train.category, train.added, train.kind_weights]
    arrays += [each for question in asked for each in (question.targets, question.excluded)]
    checksum = zlib.crc32(f"{task.protocol} {task.target} {task.timed} {PLACES} {train.now}".encode())
    for array in arrays:
        checksum = zlib.crc32(array.tobytes(), checksum)
    return checksum
