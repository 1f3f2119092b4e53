"""Whether a trained model goes live at once or is a candidate that must pass a test, and what the test leaves out.

A candidate learns from what happened before a cutoff. What shoppers did after it asks the questions of the test:
neither the candidate nor the live model has learned from it, so the comparison is fair to both. The model that was
tested is the one that goes live.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from services.recommendation.algorithms.interactions import DAY, Interactions
from shared.db import improvement_runs
from shared.db.models import ModelVersion

FEWEST_QUESTIONS = 100
"""Questions below which a test says nothing."""
OFF, OFFLINE, CANARY = "off", "offline", "canary"
ESTIMATE, KEEP = "estimate", "keep"


@dataclass(frozen=True)
class GatePlan:
    """How models are let through.

    Parameters
    ----------
    mode : str
        `off`, `offline` or `canary`, as `Settings.gate`.
    undecided : str
        `estimate` or `keep`, as `Settings.gate_undecided`.
    questions : int
        Questions that a test is meant to have.
    days : float
        Longest span of time that is left out for them.
    margin : float
        Loss of quality, as a share of the live model's, that is borne.
    trigger : str
        One of `improvement_runs.TRIGGERS`.
    drift_day : int or None
        The day whose drift triggered the training.
    """

    mode: str = OFF
    undecided: str = ESTIMATE
    questions: int = 2_000
    days: float = 7.0
    margin: float = 0.05
    trigger: str = improvement_runs.OPERATOR
    drift_day: int | None = None


NO_GATE = GatePlan()


@dataclass(frozen=True)
class Candidacy:
    """What becomes of the model of a training: `state` of its run, and why; `cutoff` in Unix seconds, if any.

    `former` is the live version, empty for none.
    """

    state: str
    reason: str
    former: str = ""
    cutoff: int | None = None

    def known(self, data: Interactions) -> Interactions:
        """Return what the model may learn from."""
        if self.cutoff is None:
            return data
        return replace(data.where(data.times < self.cutoff), now=self.cutoff)


def candidacy(plan: GatePlan, live: ModelVersion | None, data: Interactions) -> Candidacy:
    """Return what becomes of a model that is trained on `data` beside the live one, None for none."""
    if live is None:
        return Candidacy(improvement_runs.LIVE, "It is the first model: there is nothing to compare it with.")
    if plan.mode == OFF:
        return Candidacy(improvement_runs.LIVE, "The gate is off.", live.version)
    cutoff = cutoff_of(data, learned_until(live.metadata), plan)
    if cutoff is not None:
        return Candidacy(improvement_runs.OFFLINE_TEST, "It is compared with the live model.", live.version, cutoff)
    too_few = (
        f"Fewer than {FEWEST_QUESTIONS} shoppers were there since the live model was trained, so it was not tested"
    )
    if plan.undecided == KEEP:
        return Candidacy(improvement_runs.REJECTED, f"{too_few}, and the live model is kept.", live.version)
    return Candidacy(improvement_runs.LIVE, f"{too_few}.", live.version)


def learned_until(metadata: Mapping[str, Any]) -> int:
    """Return the moment, in Unix seconds, up to which the model with these facts has learned."""
    return int(metadata.get("trained_at", 0))


def cutoff_of(data: Interactions, since: int, plan: GatePlan) -> int | None:
    """Return from when on, in Unix seconds, what happened asks the questions; None where too few were there.

    It is so long ago that `plan.questions` shoppers were there after it, but a day at least and `plan.days` at most,
    and not before `since`, as the live model has learned what was before.
    """
    past = data.times[data.times <= data.now]
    if not len(past) or not (past < data.now).any():
        return None
    latest = np.zeros(data.n_customers, np.int64)
    np.maximum.at(latest, data.customers, np.where(data.times <= data.now, data.times, 0))
    newest_first = np.sort(latest)[::-1]
    wanted = int(newest_first[min(plan.questions, len(newest_first)) - 1])
    bounds = data.now - int(plan.days * DAY), data.now - DAY
    cutoff = max(min(max(wanted, bounds[0]), bounds[1]), since + 1)
    asked, before = int((newest_first >= cutoff).sum()), bool((past < cutoff).any())
    return cutoff if asked >= FEWEST_QUESTIONS and before else None
