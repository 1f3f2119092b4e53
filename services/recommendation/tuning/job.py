"""Tuning, as a process of its own: `python -m services.recommendation.tuning.job REQUEST`.

REQUEST is a JSON object with the fields of `TuningRequest`. Each trial is stored as soon as it is made, each decision
as soon as it is taken: a process that is killed loses one trial at most.
"""

import math
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from quintet.type.v1.error_pb2 import ErrorReason
from threadpoolctl import threadpool_limits

from services.recommendation.algorithms.base import Algorithm
from services.recommendation.algorithms.registry import CLASSES
from services.recommendation.holdout.tasks import ProgressCallback
from services.recommendation.tuning.request import TuningRequest
from services.recommendation.tuning.store import DatabaseStore
from services.recommendation.tuning.tuner import DEFAULT_TRIALS, Tuner, TuningResult
from services.recommendation.tuning.tuning_data import TuningData
from shared.config import Settings
from shared.consent import ALL_PERMITTED, Permissions
from shared.db import tuning
from shared.db.connect import job_database
from shared.db.engine import Database
from shared.db.interactions import training_interactions
from shared.db.training_data import TrainingData, read_training_data
from shared.db.training_source import InteractionReader, interaction_reader
from shared.db.tuning import Tuned
from shared.errors import FailedPrecondition
from shared.jobs import ProgressReporter, job_main

ENOUGH_CHANGE = 0.2
"""Share by which the number of interactions must differ from that of the last decision for the data to have changed."""
READING = 0.05
"""Share of the whole progress."""


def work(settings: Settings, reporter: ProgressReporter) -> dict[str, Any]:
    """Tune as the argument of the process says, and return what came of it."""
    database = job_database(settings)
    try:
        return run(
            database,
            TuningRequest.of_json(sys.argv[1]),
            reporter,
            settings.train_threads,
            default=settings.permissions,
            read_interactions=interaction_reader(settings.training_source),
        )
    finally:
        database.close()


def run(
    database: Database,
    request: TuningRequest,
    reporter: ProgressReporter,
    threads: int,
    classes: Sequence[type[Algorithm]] = CLASSES,
    default: Permissions = ALL_PERMITTED,
    read_interactions: InteractionReader = training_interactions,
) -> dict[str, Any]:
    """Tune on the data of `database` and put what is chosen in force for the next training.

    `default` says whether it is learned from shoppers who said nothing, `read_interactions` returns what customers did.

    Returns
    -------
    dict
        `algorithms` by name, each with `params` (what differs from the defaults), `evidence`, and the number of trials
        `found`, `made` and `failed`; the names of those that are `unchanged` since the last decision, and of those
        `not_reached` in time; `trials_found`, `trials_made` and `seconds` in all.

    Raises
    ------
    InvalidArgument
        If the request cannot be met.
    FailedPrecondition
        If there are no interactions; where changed data is asked for nothing is due then.
    """
    started = time.monotonic()
    chosen = request.chosen(classes)
    reporter.report("reading", 0.0)
    data = read_training_data(database, default, read_interactions)
    if not len(data.interactions) and not request.only_if_changed:
        raise FailedPrecondition(
            "there is nothing to tune on yet: import events first", reason=ErrorReason.DATA_MISSING
        )
    campaign = _Campaign(database, request, data, started)
    due = [each for each in chosen if campaign.is_due(each.name)]
    with threadpool_limits(limits=threads):
        outcomes = dict(campaign.outcomes(due, _after_reading(reporter)))
    unchanged = [each.name for each in chosen if each not in due]
    return _result(outcomes, unchanged) | {"seconds": round(time.monotonic() - started, 2)}


class _Campaign:
    """One run over several algorithms."""

    def __init__(self, database: Database, request: TuningRequest, data: TrainingData, started: float) -> None:
        self._database = database
        self._request = request
        self._data = data
        self._events = len(data.interactions)
        self._most = request.trials or DEFAULT_TRIALS
        self._until = started + 60.0 * request.minutes if request.minutes else math.inf
        with database.read() as connection:
            self._before = tuning.all_tuned(connection)

    def is_due(self, algorithm: str) -> bool:
        """Return whether an algorithm is to be tuned: always, or where data has changed or time had run out."""
        before = self._before.get(algorithm)
        if not self._request.only_if_changed:
            return True
        if before is None:
            return self._events > 0
        cut_off = not before.evidence.get("search_finished", True) and before.evidence["trials"] < self._most
        return cut_off or abs(self._events - before.events) >= ENOUGH_CHANGE * before.events

    def outcomes(
        self, due: Sequence[type[Algorithm]], progress: ProgressCallback
    ) -> Iterator[tuple[str, TuningResult | None]]:
        """Tune algorithms, put what is decided on each in force, and yield it."""
        if not due:
            return
        store = DatabaseStore(self._database)
        store.forget_old()
        tuner = Tuner(store, self._most)
        left = self._until - time.monotonic()
        for algorithm, outcome in tuner.tune_all(
            due, TuningData.of(self._data), progress, seconds=left, in_force=self._before
        ):
            if outcome is not None:
                self._put_in_force(outcome)
            yield algorithm.name, outcome

    def _put_in_force(self, outcome: TuningResult) -> None:
        tuned = Tuned(outcome.algorithm, outcome.params, outcome.evidence, self._events, datetime.now(UTC))
        with self._database.write() as connection:
            tuning.set_tuned(connection, tuned)


def _result(outcomes: dict[str, TuningResult | None], unchanged: list[str]) -> dict[str, Any]:
    reached = {name: outcome for name, outcome in outcomes.items() if outcome is not None}
    return {
        "algorithms": {
            name: {part: getattr(outcome, part) for part in ("params", "evidence", "found", "made", "failed")}
            for name, outcome in reached.items()
        },
        "unchanged": unchanged,
        "not_reached": [name for name in outcomes if name not in reached],
        "trials_found": sum(outcome.found for outcome in reached.values()),
        "trials_made": sum(outcome.made for outcome in reached.values()),
    }


def _after_reading(reporter: ProgressReporter) -> ProgressCallback:
    return lambda stage, fraction: reporter.report(stage, READING + (1.0 - READING) * fraction)


if __name__ == "__main__":
    raise SystemExit(job_main("recommendation", work))
