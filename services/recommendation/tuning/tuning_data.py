"""What there is to tune on, and which questions suit an algorithm."""

import time
from dataclasses import replace
from functools import cached_property
from typing import Self

import numpy as np
import scipy.sparse as sp

from services.recommendation.algorithms.arrays import Rows, as_csr
from services.recommendation.algorithms.interactions import DAY, Interactions
from services.recommendation.holdout.protocols import excludes_seen, most_frequent_kind, strongest_kind
from services.recommendation.holdout.splits import validation
from services.recommendation.holdout.tasks import Protocol, Task
from services.recommendation.training.dataset import build_dataset
from services.recommendation.tuning.objective import FEWEST_CUSTOMERS, Objective
from shared.algorithms import KNOWN_ALGORITHMS, Family
from shared.db.training_data import TrainingData

ONE_BY_ONE = 0.5
"""Share of the events within sessions that must come later than the one before them for sessions to have an order."""
FAMILIES = {known.name: known.family for known in KNOWN_ALGORITHMS}


class TuningData:
    """A shop's data.

    Parameters
    ----------
    data : Interactions
        Everything; what was found from events that are to be asked for must not be in it.
    sessions : ndarray of shape (n_events,), int32, optional
        Number of each event's session; None where sessions are not known.
    timed : bool
        Whether times are moments. Otherwise they only order the events of a customer.
    """

    def __init__(self, data: Interactions, sessions: Rows | None = None, *, timed: bool = True) -> None:
        self._data = data
        self._timed = timed
        self._sessions = sessions if sessions is not None and has_order(sessions, data) else None

    @classmethod
    def of(cls, data: TrainingData) -> Self:
        """Return the data of a database.

        What was found to be bought together is not known: answers are in it. Today's events are left out, where there
        are others, so that a tuning which is cut off finds the same data when it goes on the same day.
        """
        everything = build_dataset(data).interactions
        sessions = np.unique(data.interactions.sessions, return_inverse=True)[1].astype(np.int32)
        nothing = as_csr(sp.csr_array((everything.n_products, everything.n_products), dtype=np.float32))
        kept = everything.times < int(time.time()) // DAY * DAY
        kept |= not kept.any()
        now = int(everything.times[kept].max(initial=0)) or everything.now
        return cls(replace(everything.where(kept), now=min(now, everything.now), complementary=nothing), sessions[kept])

    def protocol(self, algorithm: str) -> Protocol:
        """Return what an algorithm is asked.

        What comes next in a session for sequential algorithms, or next at all where sessions are not known or have no
        order; everything that is bought later for repurchase; everything bought later for the first time for others,
        or what comes next in a session where hardly anybody comes back.
        """
        family = FAMILIES.get(algorithm)
        if family is Family.SEQUENTIAL:
            return Protocol.NEXT_ITEM if self._sessions is None else Protocol.SESSION
        if family is Family.REPURCHASE:
            return Protocol.TOP_N
        return Protocol.SESSION if self._sessions is not None and self._hardly_any_return else Protocol.TOP_N_DISCOVERY

    def objective(self, protocol: Protocol) -> Objective:
        """Return what algorithms are measured by.

        Answers are events of the strongest kind there is; in sessions those of the kind that is most of them.
        """
        return Objective(self._task(protocol))

    @cached_property
    def _hardly_any_return(self) -> bool:
        _, asked = validation(self._task(Protocol.TOP_N_DISCOVERY), most=FEWEST_CUSTOMERS)
        return len(asked) < FEWEST_CUSTOMERS

    def _task(self, protocol: Protocol) -> Task:
        data, target = self._data, strongest_kind(self._data)
        if protocol is Protocol.SESSION and self._sessions is not None:
            data = replace(data, baskets=self._sessions)
            target = most_frequent_kind(data)
        return Task(data, protocol, target, self._timed, excludes_seen(protocol, data, target, timed=self._timed))


def has_order(sessions: Rows, data: Interactions) -> bool:
    """Return whether what happens in a session mostly happens one after the other, not all at once."""
    order = np.lexsort((data.times, sessions))
    same = np.diff(sessions[order]) == 0
    later = same & (np.diff(data.times[order]) > 0)
    return bool(same.any() and later.sum() >= ONE_BY_ONE * same.sum())
