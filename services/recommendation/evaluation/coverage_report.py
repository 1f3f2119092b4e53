"""Who came to be asked, and why the others did not."""

from dataclasses import dataclass

import numpy as np

from services.recommendation.algorithms.interactions import Interactions
from services.recommendation.holdout.pairs import Pairs
from services.recommendation.holdout.protocols import askable, customers_of, left_out, products_of, relevant_events
from services.recommendation.holdout.sessions import Steps
from services.recommendation.holdout.tasks import Protocol, Task


@dataclass(frozen=True)
class CoverageReport:
    """How many there are in test, and how many of them are not asked, by the first reason that holds.

    Parameters
    ----------
    who : str
        "customers" or "sessions".
    in_test : int
        With an event that may be an answer.
    not_asked : dict of str to int
        By reason, in words that follow "customers" or "sessions"; without reasons that hold for nobody.
    """

    who: str
    in_test: int
    not_asked: dict[str, int]

    @classmethod
    def of(cls, task: Task, test: Interactions, shortest_session: int = 1) -> "CoverageReport":
        """Return who of `test` can be asked by the protocol of `task`."""
        if task.protocol is Protocol.SESSION:
            return _of_sessions(task, test, shortest_session)
        return _of_customers(task, test)

    def sentence(self) -> str:
        """Return it in words: how many there are in test, and how many of them for each reason are not asked."""
        reasons = ", ".join(f"{number:,} {reason}" for reason, number in self.not_asked.items())
        return f"{self.who} in test: {self.in_test:,}" + (f", of them {reasons}" if reasons else "")


def _of_customers(task: Task, test: Interactions) -> CoverageReport:
    train, n = task.train, test.n_customers
    seen = left_out(task.protocol, train, task.target, exclude_seen=task.exclude_seen)
    wanted = Pairs.of(test, relevant_events(task.protocol, test, task.target))
    fresh = wanted.without(seen)
    there, known, left, fine = (
        np.isin(np.arange(n), each)
        for each in (
            wanted.customers,
            np.flatnonzero(customers_of(train)),
            fresh.customers,
            askable(fresh, train).customers,
        )
    )
    reasons = {
        "not in train": there & ~known,
        "with nothing but what they had before": there & known & ~left,
        "with nothing but products that train never saw": there & known & left & ~fine,
    }
    return CoverageReport(
        "customers", int(there.sum()), _counted({name: int(who.sum()) for name, who in reasons.items()})
    )


def _of_sessions(task: Task, test: Interactions, shortest: int) -> CoverageReport:
    target = None if task.every_kind else task.target
    steps = Steps.of(test, target, products_of(task.train) > 0)
    sessions, sizes = np.unique(test.baskets, return_counts=True)
    asked = len(np.unique(steps.starts[steps.places >= shortest]))
    short = int((sizes <= shortest).sum())
    what = "event" if target is None else target.name.lower()
    reasons = {
        f"of no more than {shortest} events" if shortest > 1 else "of one event": short,
        f"without a later {what} with a product that train knows": len(sessions) - short - asked,
    }
    return CoverageReport("sessions", len(sessions), _counted(reasons))


def _counted(reasons: dict[str, int]) -> dict[str, int]:
    return {name: number for name, number in reasons.items() if number}
