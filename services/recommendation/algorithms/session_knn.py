"""Session k-nearest neighbours: scores the products of the past sessions most similar to the running session."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from services.recommendation.algorithms.arrays import AnyArray, Csr, FloatArray, Longs, Rows, as_csr
from services.recommendation.algorithms.base import Interactions, Reason, Shopper, Space
from services.recommendation.algorithms.bits import ONE, Words
from services.recommendation.algorithms.checks import require_not_negative, require_positive
from services.recommendation.algorithms.histories import HistoriesMixin
from services.recommendation.algorithms.largest import about_largest
from services.recommendation.algorithms.reasons import from_sources, largest_places, strongest
from services.recommendation.algorithms.row_sums import agreeing, given_to, take_sums
from services.recommendation.algorithms.shopper import last_occurrences
from services.recommendation.algorithms.shopper_scores import FewScores, ShopperScores
from services.recommendation.algorithms.sparse import combine, ranges
from services.recommendation.algorithms.workspace import workspace
from shared.compiled import compiled
from shared.grouped_order import dense_numbers

Neighbours = tuple[Rows, FloatArray]

MOST_VOTERS = 4
"""Number of sessions that a reason is based on: those that contributed most to the product's score."""


@dataclass(eq=False)
class SessionKnn(HistoriesMixin):
    """Vector multiplication session-based k-nearest neighbours (VS-kNN) on an inverted index of recent sessions.

    The running session consists of the cart, then the products of this session, then the product in view. If all are
    empty, the latest products of the history are used. The product at position p of n has weight p / n. The similarity
    of a past session is the sum of the weights of the products that it shares. The `neighbours` most similar of the
    sampled sessions vote for their products. A vote is larger if the session shares a later product, and larger for
    rare products (IDF, inverse document frequency).

    Source: Ludewig & Jannach, "Evaluation of session-based recommendation algorithms", UMUAI 2018,
    doi:10.1007/s11257-018-9209-6

    Raises
    ------
    ValueError
        If a parameter is not positive.
    """

    name: ClassVar[str] = "session_knn"
    space: ClassVar[Space] = {
        "idf_weight": (0.0, 0.1, 0.2, 0.5, 1.0, 2.0),
        "neighbours": (100, 200, 300, 500, 1000),
        "sample": (500, 1000, 2000),
        "max_session": (5, 10, 20, 30),
    }

    neighbours: int = 300
    """Number of nearest sessions that vote."""
    sample: int = 1000
    """Sessions considered for each product of the running session; the most recent are used."""
    max_session: int = 30
    """Products of the running session that count; the latest are used."""
    max_sessions: int = 500_000
    """Largest number of sessions in the model; the most recent are kept."""
    idf_weight: float = 0.2
    """Weight of rarity: votes for a product are multiplied by 1 + idf_weight · log(sessions / sessions with it)."""

    sessions: Csr = field(init=False, repr=False)
    """Learned: csr_array of shape (n_sessions, n_products), float32: 1 + idf_weight · IDF; oldest session first."""
    owners: Rows = field(init=False, repr=False)
    """Learned: ndarray of shape (n_sessions,), int32: row of each session's customer in the training data; -1 for
    forgotten ones."""
    index: Csr = field(init=False, repr=False)
    """Learned: csr_array of shape (n_products, n_sessions), float32: 1 for a product's latest `sample` sessions."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(neighbours=self.neighbours, sample=self.sample, max_session=self.max_session)
        require_positive(max_sessions=self.max_sessions)
        require_not_negative(idf_weight=self.idf_weight)

    def _fit(self, data: Interactions) -> None:
        contents, owners = _sessions(data, self.max_sessions)
        self._own(owners)
        counts = np.bincount(contents.indices, minlength=data.n_products)
        idf = np.log(max(contents.shape[0], 1) / np.maximum(counts, 1)).astype(np.float32)
        self.index = _latest(as_csr(contents.T), self.sample)
        contents.data = 1.0 + np.float32(self.idf_weight) * idf[contents.indices]
        self.sessions = contents

    def _score(self, shopper: Shopper) -> FloatArray:
        return combine(self.sessions, *self._nearest(shopper)).dense()

    def _sparse_scores(self, shopper: Shopper) -> ShopperScores:
        return FewScores.of_rows(self.sessions, *self._nearest(shopper))

    def _reason(self, shopper: Shopper, product: int) -> Reason | None:
        near, votes = self._nearest(shopper)
        given = given_to(self.sessions.indptr, self.sessions.indices, self.sessions.data, near, votes, product)
        with_product = near[largest_places(given, MOST_VOTERS)]
        if not len(with_product):
            return None
        running = _running(shopper, self.max_session)
        votes = agreeing(
            self.index.indptr,
            self.index.indices,
            self.index.data,
            running,
            np.ones(len(running), np.float32),
            with_product,
            np.ones(len(with_product), np.float32),
        )
        return from_sources(shopper, strongest(running, votes))

    def _nearest(self, shopper: Shopper) -> Neighbours:
        """Return the rows of the nearest sessions and their votes."""
        return shopper.memo((self, "nearest"), lambda: self._search(_running(shopper, self.max_session)))

    def _search(self, running: Rows) -> Neighbours:
        scratch = workspace(self.index.shape[1])
        sums, latest, met = scratch.sums, scratch.slots, scratch.met
        vote_sessions(self.index.indptr, self.index.indices, running, sums, latest, met)
        return self._known(*nearest_sessions(sums, latest, met, self.neighbours, len(running)))


def _running(shopper: Shopper, max_session: int) -> Rows:
    rows = last_occurrences(np.concatenate([shopper.cart, shopper.present]))
    return (rows if len(rows) else shopper.trail)[-max_session:]


def _sessions(data: Interactions, max_sessions: int) -> tuple[Csr, Rows]:
    """Return the products of the latest sessions, shape (n_sessions, n_products), and the rows of their customers.

    The matrix has 1 for each product of a session. Sessions are ordered by the time of their last event, oldest first.
    """
    keys, number = dense_numbers(data.baskets)
    ended = np.full(len(keys), np.iinfo(np.int64).min)
    np.maximum.at(ended, number, data.times)
    order = np.argsort(ended, kind="stable")[-max_sessions:]
    place = np.full(len(keys), -1)
    place[order] = np.arange(len(order))
    kept = place[number] >= 0
    ones = np.ones(int(kept.sum()), dtype=np.float32)
    at = (place[number][kept], data.products[kept])
    contents = as_csr(sp.coo_array((ones, at), shape=(len(order), data.n_products)))
    contents.data[:] = 1.0
    owners = np.empty(len(keys), np.int32)
    owners[number] = data.customers
    return contents, owners[order]


def _latest(index: Csr, sample: int) -> Csr:
    """Return the inverted index with only the last `sample` entries of each row, which are the most recent sessions."""
    lengths: Longs = np.diff(index.indptr).astype(np.int64)
    kept = np.minimum(lengths, sample)
    flat = ranges(index.indptr[1:].astype(np.int64) - kept, kept)
    indptr = np.concatenate([[0], np.cumsum(kept)])
    return as_csr(sp.csr_array((index.data[flat], index.indices[flat], indptr), shape=index.shape))


@compiled
def vote_sessions(
    indptr: AnyArray, indices: AnyArray, running: Rows, sums: FloatArray, latest: Rows, met: Words
) -> None:
    """Add to the sum of each session the weights of the products that it shares with the running session.

    The product at position p of n (from 1) has weight p / n. `latest` gets the largest position that each session
    shares, and `met` marks the sessions. `sums`, `latest` and `met` are arrays of a `Workspace`; `latest` is its
    `slots`.
    """
    for i in range(len(running)):
        weight = np.float32(i + 1) / np.float32(len(running))
        for at in range(indptr[running[i]], indptr[running[i] + 1]):
            session = indices[at]
            sums[session] += weight
            latest[session] = i + 1
            met[session >> 6] |= ONE << np.uint64(session & 63)


@compiled
def nearest_sessions(sums: FloatArray, latest: Rows, met: Words, k: int, n_running: int) -> tuple[Rows, FloatArray]:
    """Return the `k` sessions with the largest sums and their votes, latest session first.

    Of sessions with equal sums the later ones are chosen. The vote of a session is its sum times 1 − 0.1 · s, where s
    is the number of products of the running session after the last shared one, at most 9. The arrays are those of
    `vote_sessions`; they are reset.
    """
    rows, values = take_sums(sums, met, 0.0)
    n = min(k, len(rows))
    least, equal = np.float32(0.0), 0
    if n < len(rows):
        large = values[values >= about_largest(values, n)]
        least = np.partition(large, len(large) - n)[len(large) - n]
        equal = n - np.sum(large > least)
    sessions = np.empty(n, np.int32)
    votes = np.empty(n, np.float32)
    count = 0
    for i in range(len(rows) - 1, -1, -1):
        if values[i] > least or (values[i] == least and equal > 0):
            equal -= values[i] == least
            sessions[count] = rows[i]
            votes[count] = values[i] * (1.0 - 0.1 * min(n_running - latest[rows[i]], 9))
            count += 1
        latest[rows[i]] = -1
    return sessions, votes
