"""Tuning: trials of each algorithm's parameters, the defaults first, and what they lead to."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np
import structlog

from services.recommendation.algorithms.base import Algorithm
from services.recommendation.holdout.tasks import ProgressCallback
from services.recommendation.tuning.choice import Choice, choose
from services.recommendation.tuning.objective import FEWEST_CUSTOMERS, PLACES, Objective
from services.recommendation.tuning.search import Params, coordinate_search
from services.recommendation.tuning.store import Store
from services.recommendation.tuning.tuning_data import TuningData
from shared.db.tuning import Trial, Tuned, params_hash

DEFAULT_TRIALS = 20
FAILED = float("-inf")
"""Value of parameters that an algorithm cannot be trained with."""
log = structlog.get_logger()

Clock: TypeAlias = Callable[[], float]


@dataclass(frozen=True)
class TuningResult:
    """What came of tuning an algorithm.

    Attributes
    ----------
    algorithm : str
    params : dict
        What differs from the defaults.
    evidence : dict
        What it rests on, JSON-able.
    found, made, failed : int
        Trials that were there before, that were made now, and that could not be made.
    """

    algorithm: str
    params: Params
    evidence: dict[str, Any]
    found: int = 0
    made: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Tuner:
    """Tries parameters of algorithms.

    Parameters
    ----------
    store : Store
        Each trial is kept there as soon as it is made, and none is made that is there.
    most : int
        Trials of an algorithm at most, those of earlier tunings on the same data included; at least 1.
    clock : callable
        Seconds that go by.
    """

    store: Store
    most: int = DEFAULT_TRIALS
    clock: Clock = field(default=time.monotonic)

    def tune_all(
        self,
        algorithms: Sequence[type[Algorithm]],
        tuning_data: TuningData,
        progress: ProgressCallback,
        *,
        seconds: float = math.inf,
        in_force: Mapping[str, Tuned] | None = None,
    ) -> Iterator[tuple[type[Algorithm], TuningResult | None]]:
        """Tune algorithms one after the other, each in its share of the time that is left.

        Yields
        ------
        algorithm : type of Algorithm
        outcome : TuningResult or None
            As of `tune`.
        """
        until = self.clock() + seconds
        for number, (algorithm, objective) in enumerate(_by_protocol(algorithms, tuning_data, progress)):
            share = (until - self.clock()) / (len(algorithms) - number)
            part = _part(progress, number, len(algorithms))
            known = (in_force or {}).get(algorithm.name)
            yield algorithm, self.tune(algorithm, objective, part, until=self.clock() + share, in_force=known)

    def tune(
        self,
        algorithm: type[Algorithm],
        objective: Objective,
        progress: ProgressCallback,
        *,
        until: float = math.inf,
        in_force: Tuned | None = None,
    ) -> TuningResult | None:
        """Search the parameters of an algorithm.

        Parameters
        ----------
        algorithm : type of Algorithm
            Its `space` is searched; parameters outside of it keep their defaults.
        objective : Objective
            What trials are measured by.
        progress : callable
            Called before each trial.
        until : float
            By `clock`: no trial is made that would likely end after it.
        in_force : Tuned, optional
            What was decided before. Its parameters are tried next after the defaults; if they are what a search on the
            same data and questions came to, nothing is tried any more.

        Returns
        -------
        TuningResult or None
            None where there was no time for a trial beside the defaults.
        """
        if objective.customers < FEWEST_CUSTOMERS:
            return _too_few(algorithm, objective)
        bench = Bench(algorithm, objective, self.store, self.clock)
        search = coordinate_search(algorithm.space, bench.starts(in_force.params if in_force else {}))
        proposed, finished = next(search), bench.ended_before(in_force)
        while not finished and bench.may_try(proposed, self.most, until):
            progress(bench.status(self.most), bench.count / self.most)
            try:
                proposed = search.send(bench.value(proposed))
            except StopIteration:
                finished = True
        if not bench.compares or (not finished and bench.count < min(2, self.most)):
            return None
        return bench.outcome(finished=finished)


class Bench:
    """The trials of one algorithm."""

    def __init__(self, algorithm: type[Algorithm], objective: Objective, store: Store, clock: Clock) -> None:
        self._algorithm = algorithm
        self._defaults = algorithm().params
        self._objective = objective
        self._store = store
        self._clock = clock
        self._kept = store.trials(objective.fingerprint, algorithm.name)
        self._found = len(self._kept)
        self._default = self._known({})
        self._failed = 0

    @property
    def count(self) -> int:
        """Trials that there are, those of earlier tunings and failed ones too."""
        return len(self._kept) + self._failed

    @property
    def compares(self) -> bool:
        """Whether the defaults were tried, with which all others are compared."""
        return self._default is not None

    def ended_before(self, decided: Tuned | None) -> bool:
        """Return whether a search on the same data and questions has come to its end, and its trials are there."""
        evidence = decided.evidence if decided else {}
        same = evidence.get("fingerprint") == self._objective.fingerprint
        return self.compares and same and bool(evidence.get("search_finished"))

    def starts(self, in_force: Params) -> list[Params]:
        """Return the defaults of what is searched, then what is in force."""
        default = {name: self._defaults[name] for name in self._algorithm.space}
        return [default, {name: in_force.get(name, value) for name, value in default.items()}]

    def may_try(self, params: Params, most: int, until: float) -> bool:
        """Return whether one more trial is allowed, and there is time for one like the slowest before.

        One that is there already costs nothing.
        """
        slowest = max((trial.seconds for trial in self._kept.values()), default=0.0)
        return self._known(params) is not None or (self.count < most and self._clock() + slowest < until)

    def value(self, params: Params) -> float:
        """Return the value of parameters, by a trial that is there or a new one."""
        trial = self._known(params) or self._make(params)
        if trial is None:
            self._failed += 1
            return FAILED
        self._default = self._default or trial
        return trial.value

    def status(self, most: int) -> str:
        """Return in words how many trials were made, and the best value so far."""
        words = f"{self._algorithm.name}: trial {self.count + 1} of at most {most}"
        words += f", {self._found} found" if self._found else ""
        if self._default is None:
            return words
        best = max(trial.value for trial in self._kept.values())
        return f"{words}, default {self._default.value:.4f}, best {best:.4f}"

    def outcome(self, *, finished: bool) -> TuningResult:
        """Return what all trials on the same data and questions lead to, whichever search made them.

        Those of earlier searches count as well: the interval is that of everything that was looked at.
        """
        trials = self._compared()
        choice = choose(np.stack([trial.gains for trial in trials]).astype(np.float64), self._objective.clusters)
        return TuningResult(
            algorithm=self._algorithm.name,
            params=self._changed(trials[choice.chosen]),
            evidence=self._evidence(trials, choice, finished),
            found=self._found,
            made=len(self._kept) - self._found,
            failed=self._failed,
        )

    def _compared(self) -> list[Trial]:
        """Return the trial of the defaults, then the others: those that change less first, whenever they were made."""
        if self._default is None:
            raise RuntimeError("the defaults were not tried")
        others = [trial for trial in self._kept.values() if trial is not self._default]
        others.sort(key=lambda trial: (len(self._changed(trial)), params_hash(trial.params)))
        return [self._default, *others]

    def _evidence(self, trials: list[Trial], choice: Choice, finished: bool) -> dict[str, Any]:
        values = [round(trial.value, 6) for trial in trials]
        better = "better than the defaults beyond chance"
        return {
            "decision": better if choice.chosen else f"the defaults stay: nothing tried is {better}",
            **_measured_by(self._objective),
            "trials": len(values),
            "search_finished": finished,
            "default": values[0],
            "chosen": values[choice.chosen],
            "best": {"params": self._changed(trials[choice.best]), "value": values[choice.best]},
            "difference": {name: round(value, 6) for name, value in vars(choice.difference).items()},
        }

    def _changed(self, trial: Trial) -> Params:
        return {name: value for name, value in trial.params.items() if value != self._defaults.get(name)}

    def _known(self, params: Params) -> Trial | None:
        return self._kept.get(params_hash({**self._defaults, **params}))

    def _make(self, params: Params) -> Trial | None:
        """Return a new trial, which is stored; None where the parameters cannot be trained with."""
        started = self._clock()
        try:
            gains = self._objective.gains(self._algorithm(**params))
        except (ArithmeticError, MemoryError, ValueError):
            if self._default is None:
                raise  # with the defaults every training would fail as well
            log.exception("cannot train with these parameters", algorithm=self._algorithm.name, params=params)
            return None
        trial = Trial(
            fingerprint=self._objective.fingerprint,
            algorithm=self._algorithm.name,
            params={**self._defaults, **params},
            gains=gains,
            seconds=self._clock() - started,
            created_at=datetime.now(UTC),
        )
        self._store.save(trial)
        self._kept[params_hash(trial.params)] = trial
        return trial


def _by_protocol(
    algorithms: Sequence[type[Algorithm]], tuning_data: TuningData, progress: ProgressCallback
) -> Iterator[tuple[type[Algorithm], Objective]]:
    """Yield algorithms with what they are measured by, those that are asked the same together."""
    protocols = {algorithm: tuning_data.protocol(algorithm.name) for algorithm in algorithms}
    done = 0
    for protocol in dict.fromkeys(protocols.values()):
        progress(f"holding out questions: {protocol}", done / len(algorithms))
        objective = tuning_data.objective(protocol)
        for algorithm in (each for each in algorithms if protocols[each] is protocol):
            yield algorithm, objective
            done += 1


def _too_few(algorithm: type[Algorithm], objective: Objective) -> TuningResult:
    customers = f"{objective.customers} customers could be asked, {FEWEST_CUSTOMERS} are needed"
    evidence = {"decision": f"the defaults stay: only {customers}", **_measured_by(objective), "trials": 0}
    return TuningResult(algorithm.name, {}, evidence)


def _measured_by(objective: Objective) -> dict[str, Any]:
    return {
        "metric": f"ndcg@{PLACES}",
        "protocol": objective.protocol.value,
        "target": objective.target.name.lower(),
        "questions": len(objective),
        "customers": objective.customers,
        "fingerprint": objective.fingerprint,
    }


def _part(progress: ProgressCallback, number: int, total: int) -> ProgressCallback:
    return lambda stage, fraction: progress(stage, (number + fraction) / total)
