"""Tests of stored models, as a process of its own.

`python -m services.recommendation.gate.job test` tests the candidate of the improvement run that is in the state
OFFLINE_TEST, if any, and lets it on or rejects it. `… replay START END` answers the questions of a span of time, in
Unix seconds, with the live model.
"""

import sys
from datetime import UTC, datetime
from typing import Any

from services.recommendation.gate.paired_test import PairedTest, paired_test
from services.recommendation.gate.questions import Questions, questions_after
from services.recommendation.gate.replay import QualityLook, quality_look
from services.recommendation.gate.stored_model import StoredModel
from services.recommendation.holdout.metrics import Values
from services.recommendation.models.bundle import Bundle
from services.recommendation.models.store import KIND, ModelStore
from services.recommendation.training.candidacy import CANARY, ESTIMATE, GatePlan, learned_until
from services.recommendation.training.dataset import TrainingDataset, build_dataset
from services.recommendation.training.train import gate_plan
from shared.config import Settings
from shared.consent import Permissions
from shared.db import improvement_runs, models
from shared.db.connect import job_database
from shared.db.engine import Connection, Database
from shared.db.improvement_runs import ImprovementRun
from shared.db.training_data import read_training_data
from shared.db.training_source import interaction_reader
from shared.db.weights import current_weights
from shared.errors import InvalidArgument, NotFound
from shared.jobs import REPLAY, TEST, ProgressReporter, job_main

MOST_QUESTIONS = 2_000
"""Of each page, in a replay."""


def work(settings: Settings, reporter: ProgressReporter) -> dict[str, Any]:
    """Do what the arguments of the process say. Raises InvalidArgument for others."""
    arguments = sys.argv[1:]
    database = job_database(settings)
    try:
        tests = StoredTests(settings, database, reporter)
        if arguments == [TEST]:
            return tests.test(gate_plan(settings))
        if len(arguments) == 3 and arguments[0] == REPLAY:
            return tests.replay(int(arguments[1]), int(arguments[2]))
    finally:
        database.close()
    raise InvalidArgument.of("arguments", arguments, "must be `test`, or `replay` with two moments")


class StoredTests:
    """Tests on the data of a database."""

    def __init__(self, settings: Settings, database: Database, reporter: ProgressReporter) -> None:
        self._database = database
        self._store = ModelStore(database, settings.model_cache_dir)
        self._reporter = reporter
        self._default: Permissions = settings.permissions
        self._read = interaction_reader(settings.training_source)

    def test(self, plan: GatePlan) -> dict[str, Any]:
        """Test the candidate of the open run and move the run on; say how the run is. {} where none waits for it.

        While improvement is paused it goes on waiting. Safe to repeat: what was decided is not decided again.
        """
        with self._database.read() as connection:
            run = improvement_runs.open_run(connection)
            paused = improvement_runs.control(connection).paused
        if run is None or run.state != improvement_runs.OFFLINE_TEST or paused:
            return {}
        try:
            candidate, live = (self._store.load(version) for version in (run.candidate, run.former))
        except NotFound as error:
            return _facts(self._moved(run, improvement_runs.FAILED, error.message))
        dataset = self._dataset()
        cutoff = int((run.cutoff or run.started_at).timestamp())
        questions = questions_after(dataset.interactions, cutoff, plan.questions)
        return _facts(self._decided(run, plan, dataset, questions, candidate, live))

    def replay(self, start: int, end: int) -> dict[str, Any]:
        """Answer the questions of a span with the live model and say how well; none where it learned from them."""
        with self._database.read() as connection:
            live = models.active_model(connection, KIND)
        if live is None or learned_until(live.metadata) > start:
            return {"version": live.version if live else "", **QualityLook().as_json()}
        dataset = self._dataset()
        questions = questions_after(dataset.interactions, start, MOST_QUESTIONS, end)
        ndcg = self._ndcg("live model", self._store.load(live.version), dataset, questions, 0.2)
        return {"version": live.version, **quality_look(ndcg, questions).as_json()}

    def _decided(
        self,
        run: ImprovementRun,
        plan: GatePlan,
        dataset: TrainingDataset,
        questions: Questions,
        candidate: Bundle,
        live: Bundle,
    ) -> ImprovementRun:
        if not len(questions):
            if plan.undecided == ESTIMATE:
                return self._let_on(run, plan, "There was no question to ask.", {})
            return self._moved(run, improvement_runs.REJECTED, "There was no question to ask: the live model is kept.")
        found = [
            self._ndcg(name, bundle, dataset, questions, begin)
            for name, bundle, begin in (("candidate", candidate, 0.2), ("live model", live, 0.6))
        ]
        test = paired_test(found[0], found[1], questions.clusters, questions.pages, plan.margin)
        evidence = _evidence(test) | {"look": quality_look(found[0], questions).as_json()}
        if test.passes(by_estimate=plan.undecided == ESTIMATE):
            return self._let_on(run, plan, test.summary, evidence)
        return self._moved(run, improvement_runs.REJECTED, test.summary, evidence)

    def _let_on(self, run: ImprovementRun, plan: GatePlan, reason: str, evidence: dict[str, Any]) -> ImprovementRun:
        state = improvement_runs.CANARY if plan.mode == CANARY else improvement_runs.LIVE
        return self._moved(run, state, reason, evidence)

    def _moved(
        self, run: ImprovementRun, state: str, reason: str, evidence: dict[str, Any] | None = None
    ) -> ImprovementRun:
        """Store the run in a state, with what it says of models; the model of a run that is live is put in use."""
        moved = run.moved(state, reason, datetime.now(UTC), **({"offline": evidence} if evidence else {}))
        with self._database.write() as connection:
            active = models.active_version(connection, KIND) or ""
            if state != improvement_runs.FAILED and models.family(active) != models.family(run.former):
                other = f"Another model, {active}, was put in use meanwhile. {reason}"
                moved = run.moved(improvement_runs.REJECTED, other, datetime.now(UTC), **moved.evidence)
            if not improvement_runs.save(connection, moved, run.state):
                return improvement_runs.get(connection, run.run_id) or moved
            if moved.state == improvement_runs.LIVE:
                models.activate_in(connection, KIND, _stored_name(connection, run.candidate))
        return moved

    def _dataset(self) -> TrainingDataset:
        self._reporter.report("reading", 0.0)
        return build_dataset(read_training_data(self._database, self._default, self._read))

    def _ndcg(self, name: str, bundle: Bundle, dataset: TrainingDataset, questions: Questions, begin: float) -> Values:
        self._reporter.report(f"asking the {name}", begin)
        with self._database.read() as connection:
            weights = current_weights(connection).weights
        return StoredModel.of(bundle, dataset, weights).ndcg(questions)


def _stored_name(connection: Connection, version: str) -> str:
    """Return the name under which a model is stored now: that of what was stored in its place, if anything was."""
    found = models.same_model(connection, KIND, version)
    return version if found is None else found.version


def _evidence(test: PairedTest) -> dict[str, Any]:
    pages = {
        page: {"questions": n, "candidate": round(candidate, 6), "live": round(live, 6)}
        for page, (n, candidate, live) in test.pages.items()
    }
    numbers = ("candidate", "live", "difference", "low", "high", "margin")
    return {
        "verdict": test.verdict.value,
        "questions": test.questions,
        **{name: round(getattr(test, name), 6) for name in numbers},
        "pages": pages,
    }


def _facts(run: ImprovementRun) -> dict[str, Any]:
    return {"improvement_run_id": run.run_id, "improvement_state": run.state, "reason": run.reason}


if __name__ == "__main__":
    raise SystemExit(job_main("recommendation", work))
