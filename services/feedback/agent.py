"""The feedback agent: records responses to recommendations, attributes purchases and sets the weights of algorithms."""

from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from services.feedback import weights
from services.feedback.attribution import Windows
from services.feedback.bandit.learned import LearnedBandits
from services.feedback.drift.alarm import USUAL, Thresholds
from services.feedback.late_recommendations import apply_late
from services.feedback.metrics import performance
from services.feedback.metrics.performance import Performance
from services.feedback.metrics.projection import MetricsProjection
from services.feedback.metrics.question import MetricQuestion, days
from services.feedback.metrics.report import Metrics, report
from services.feedback.outcome import ListOutcome, Outcome, read_outcomes
from services.feedback.rebuild import ResponseRebuild
from services.feedback.response_projection import project
from services.feedback.weights import Learned
from shared import periods
from shared.algorithms import DEFAULT_WEIGHTS
from shared.db import outcomes
from shared.db import weights as stored_weights
from shared.db.algorithm_performance import algorithm_performance
from shared.db.drift_checks import DriftCheck
from shared.db.engine import Database
from shared.db.event_log import FEEDBACK_CONSUMER
from shared.db.log_consumer import Applied, LogConsumer, Replayed
from shared.db.recommended_lists import read_list
from shared.db.request_ids import once
from shared.db.weights import Weights
from shared.errors import InvalidArgument, NotFound
from shared.jobs import Progress
from shared.recommendation_tokens import number_at
from shared.request_ids import RequestKey

if TYPE_CHECKING:
    from services.feedback.drift.quality import Look
    from services.feedback.experiments.comparison import Plan
    from services.feedback.experiments.results import Results, SampleSize

PATIENCE_SECONDS = 0.5
"""How long who asks for metrics waits for what was just recorded."""


class FeedbackAgent:
    """The logic of the feedback service, without gRPC and SQL.

    Parameters
    ----------
    database : Database
        The shared database.
    windows : Windows
        How long after a click or an impression a purchase is attributed to it.
    now : callable
        Returns the current time.
    drift : Thresholds
        What counts as drift.
    """

    def __init__(
        self,
        database: Database,
        windows: Windows,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        drift: Thresholds = USUAL,
    ) -> None:
        self._drift = drift
        self._database = database
        self._now = now
        self._windows = windows
        self._consumer = LogConsumer(
            database, FEEDBACK_CONSUMER, lambda connection, events: project(connection, events, windows)
        )
        self._metrics = MetricsProjection(database)

    def apply_events(self, up_to: int = 0, until: float | None = None) -> Applied:
        """Apply the event log at least up to the sequence number `up_to`; 0 means to its end. Safe to repeat.

        No batch is begun after `until`, a moment on the monotonic clock.
        """
        return self._consumer.apply(up_to, until=until)

    def replay_events(self, sequences: Sequence[int]) -> Replayed:
        """Apply those of the events again that were set aside. Safe to repeat."""
        return self._consumer.replay(sequences)

    def rebuild_outcomes(self) -> Generator[Progress, None, None]:
        """Make outcomes and marks anew from the event log, beside serving; yields the progress. Safe to repeat.

        Raises
        ------
        FailedPrecondition
            If events were deleted for their age of which outcomes are stored, or one cannot be applied.
        """
        return ResponseRebuild(self._database, self._windows).run()

    def apply_batch(self) -> bool:
        """Apply one batch of the event log and the responses that waited for recommendations.

        Returns whether more is left.
        """
        more = self._consumer.apply_batch()
        return apply_late(self._database, self._windows) or more

    def follow_metrics(self) -> bool:
        """Make metrics anew of the next that changed, and rest where more is left, which it returns. Safe to repeat."""
        return self._metrics.step_and_rest()

    def metrics(self, question: MetricQuestion) -> Metrics:
        """Return metrics with their intervals, and what is not in them yet.

        What was recorded before is taken in first, for at most half a second.

        Raises
        ------
        InvalidArgument
            For an unknown metric or dimension, a metric that is not kept by a dimension, or a period that does not end
            after its start.
        """
        names, selection = question.settled(self._now())
        self._metrics.catch_up(PATIENCE_SECONDS)
        with self._database.read() as connection:
            values = report(connection, names, selection)
        return Metrics(values, selection, self._metrics.behind())

    def metric_chunks(self, table: str, start: datetime | None, end: datetime | None) -> Generator[bytes, None, None]:
        """Yield a table of facts or aggregates of a period as a Parquet file.

        Raises InvalidArgument if the period does not end after its start.
        """
        # Apache Arrow takes a second to load and 50 MB, which few need.
        from services.feedback.metrics.parquet import parquet_chunks

        return parquet_chunks(self._database, table, *days(start, end, self._now()))

    def performance(self, start: datetime | None = None, end: datetime | None = None) -> list[Performance]:
        """Return the performance of each algorithm from `start` to `end`, ordered by name.

        The default of `end` is now, that of `start` 30 days before `end`.

        Raises
        ------
        InvalidArgument
            If the period does not end after its start.
        """
        start, end = periods.settled(start, end, self._now())
        with self._database.read() as connection:
            return [performance.performance(counts) for counts in algorithm_performance(connection, start, end)]

    def purchase_outcomes(self, purchase_id: str) -> list[Outcome]:
        """Return the recommendations that a purchase is credited to, under any rule, with all that came of each.

        `[]` if it is attributed to none or was wholly refunded.

        Raises
        ------
        NotFound
            If the purchase is unknown.
        """
        with self._database.read() as connection:
            if not outcomes.purchase_exists(connection, purchase_id):
                raise NotFound.of("purchase", purchase_id, "purchase_id")
            credited = {each.recommendation_id for each in outcomes.credits_of(connection, [purchase_id])}
            return read_outcomes(connection, credited)

    def outcome(self, number: int) -> Outcome:
        """Return what came of the recommendation with a number. Raises NotFound if it is not logged (any more)."""
        with self._database.read() as connection:
            found = read_outcomes(connection, [number])
        if not found:
            raise NotFound.of("recommendation", number, "recommendation_id")
        return found[0]

    def list_outcome(self, number: int) -> ListOutcome:
        """Return what came of the list with a number. Raises NotFound if it is not logged (any more)."""
        with self._database.read() as connection:
            made = read_list(connection, number)
            if made is None:
                raise NotFound.of("recommendation", number, "attribution_token")
            places = [number_at(number, position) for position in made.positions]
            return ListOutcome(made, tuple(read_outcomes(connection, places)))

    def weights(self) -> Weights:
        """Return the current weights."""
        with self._database.read() as connection:
            return stored_weights.current_weights(connection)

    def set_weights(self, given: Mapping[str, float], reason: str = "", key: RequestKey | None = None) -> Weights:
        """Store new weights, scaled to a sum of 1; algorithms that are not named are switched off.

        `reason` becomes their rationale. A request `key` that is repeated is answered with what it stored.

        Raises
        ------
        InvalidArgument
            If the sum of the given weights is 0.
        """
        if not sum(given.values()) > 0:
            raise InvalidArgument.of("weights", sum(given.values()), "must not add up to 0")
        return self._store(weights.normalised(given), reason or "Set by the operator.", key)

    def learn_weights(self, key: RequestKey | None = None) -> Weights:
        """Compute weights from the last 30 days and store them; if they are unchanged, no new version is stored.

        A request `key` that is repeated is answered with what it stored.
        """
        current = self.weights()
        learned = self._learned(current.weights)
        if learned.weights == current.weights:
            return Weights(current.version, current.weights, learned.rationale, current.updated_at)
        return self._store(learned.weights, learned.rationale, key)

    def experiment_results(self, experiment_id: str) -> "Results":
        """Return what came of an experiment up to now. Raises NotFound."""
        from services.feedback.experiments.results import results_of  # loads scipy, which serving does not need

        self._metrics.catch_up(PATIENCE_SECONDS)
        with self._database.read() as connection:
            return results_of(connection, experiment_id, self._now())

    def sample_size(self, plan: "Plan", traffic: float, days: int) -> "SampleSize":
        """Return how large an experiment must be, from the customers of the latest days. Raises FailedPrecondition."""
        from services.feedback.experiments.results import sample_size

        with self._database.read() as connection:
            return sample_size(connection, plan, traffic, days, self._now())

    def check_drift(
        self, day: int, model_version: str = "", quality: "Look | None" = None, at_training: "Look | None" = None
    ) -> DriftCheck:
        """Look for drift on a day since 1970-01-01 in UTC, record the look and return it. Safe to repeat.

        `quality` is the replay of the day's questions with the live model, `at_training` that of its own paired test.

        Raises
        ------
        InvalidArgument
            If the day is not over.
        """
        from services.feedback.drift.look import last_whole_day, look  # loads scipy, which serving does not need

        now = self._now()
        if not 0 < day <= last_whole_day(now):
            raise InvalidArgument.of("day", day, "must be a day that is over")
        click_days = self._windows.click / timedelta(days=1)
        return look(self._database, day, self._drift, click_days, now, model_version, quality, at_training)

    def learn_bandits(self) -> LearnedBandits:
        """Learn the posteriors of the bandits from logged decisions and what came of them. Safe to repeat."""
        from services.feedback.bandit.learning import learn_bandits  # loads numpy, which nothing else needs here

        return learn_bandits(self._database, self._windows, self._now())

    def reset_weights(self, reason: str = "", key: RequestKey | None = None) -> Weights:
        """Store what the last 30 days teach a new installation: what was set by hand is forgotten."""
        learned = self._learned(DEFAULT_WEIGHTS)
        return self._store(learned.weights, f"{reason} Reset. {learned.rationale}".strip(), key)

    def _learned(self, current: Mapping[str, float]) -> Learned:
        now = self._now()
        with self._database.read() as connection:
            measured = algorithm_performance(connection, now - timedelta(days=periods.DEFAULT_DAYS), now)
        return weights.learn(current, measured, periods.DEFAULT_DAYS)

    def _store(self, new: Mapping[str, float], rationale: str, key: RequestKey | None = None) -> Weights:
        with self._database.write() as connection:
            store = partial(stored_weights.set_weights, connection, new, rationale, self._now())
            version, _ = once(connection, key, lambda: str(store().version))
            return stored_weights.weights_of(connection, int(version))
