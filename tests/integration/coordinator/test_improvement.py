"""A run from drift to the model in use, in front of agents that a test plays; restarts, pauses and roll-backs."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as job_pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.coordinator.v1 import improvement_pb2 as pb
from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb
from quintet.feedback.v1 import feedback_service_pb2_grpc as feedback_grpc
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb
from quintet.recommendation.v1 import recommendation_service_pb2_grpc as recommendation_grpc
from quintet.type.v1.experiment_pb2 import (
    ArmComparison,
    Experiment,
    ExperimentMetric,
    ExperimentResults,
    ExperimentState,
    Verdict,
)
from quintet.type.v1.improvement_pb2 import (
    ImprovementKind,
    ImprovementState,
    ImprovementTrigger,
    QualityLook,
)
from quintet.type.v1.job_pb2 import JobProgress, JobState, TrainedModels
from quintet.type.v1.recommendation_pb2 import AlgorithmWeight

from services.coordinator.agent import Coordinator
from services.coordinator.agent_clients import AgentClients
from services.coordinator.improvement.look import Improvement
from services.coordinator.improvement.weights import WeightRuns
from services.coordinator.server import build
from shared import job_kinds
from shared.config import Settings
from shared.db import drift_checks, improvement_runs, job_runs, models
from shared.db.drift_checks import DriftCheck
from shared.db.engine import Database
from shared.db.improvement_runs import CANARY, HOLDBACK, LIVE, OFFLINE_TEST, REJECTED, ROLLED_BACK, ImprovementRun
from shared.db.job_runs import JobRun
from shared.db.metric_cells import day_of
from shared.db.weights import current_weights, set_weights
from shared.errors import Conflict, FailedPrecondition, InvalidArgument, NotFound, Unavailable
from shared.rpc.client import call, open_channel, stream
from tests.support.fake_agents import serving

NOWHERE = "127.0.0.1:1"
KIND = "recommender"
CLICKS = ExperimentMetric.EXPERIMENT_METRIC_CLICK_THROUGH_RATE
NOW = datetime(2026, 3, 10, 6, tzinfo=UTC)
YESTERDAY = day_of(NOW) - 1


class Recommender(recommendation_grpc.RecommendationServiceServicer):
    """Keeps experiments, puts models in use, and tests candidates as it is told to."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.experiments: dict[str, Experiment] = {}
        self.replays = 0
        self.after_test = LIVE
        self.broken = False

    async def CreateExperiment(self, request: Any, context: Any) -> Any:
        if self.broken:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "down")
        known = self.experiments.setdefault(request.experiment.experiment_id, request.experiment)
        known.state = ExperimentState.EXPERIMENT_STATE_RUNNING
        return recommendation_pb.CreateExperimentResponse(experiment=known)

    async def StopExperiment(self, request: Any, context: Any) -> Any:
        known = self.experiments[request.experiment_id]
        known.state = ExperimentState.EXPERIMENT_STATE_STOPPED
        return recommendation_pb.StopExperimentResponse(experiment=known)

    async def ActivateModelVersion(self, request: Any, context: Any) -> Any:
        models.activate(self.database, KIND, request.version)
        return recommendation_pb.ActivateModelVersionResponse()

    async def ReplayQuestions(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self.replays += 1
        look = QualityLook(questions=200, quality=0.2, gain=0.1, standard_error=0.01)
        yield recommendation_pb.ReplayQuestionsResponse(progress=JobProgress(progress=1, replay=look))

    async def TestCandidate(self, request: Any, context: Any) -> AsyncIterator[Any]:
        with self.database.write() as connection:
            run = improvement_runs.open_run(connection)
            assert run is not None
            improvement_runs.save(connection, run.moved(self.after_test, "Tested.", NOW), run.state)
        yield recommendation_pb.TestCandidateResponse(progress=JobProgress(progress=1, train_models=TrainedModels()))


class Feedback(feedback_grpc.FeedbackServiceServicer):
    """Says what it is told to of experiments and of drift."""

    def __init__(self, recommender: Recommender) -> None:
        self.recommender = recommender
        self.verdict = Verdict.VERDICT_UNDECIDED
        self.tests: list[dict[str, Any]] = []
        self.asked: list[Any] = []

    async def GetExperimentResults(self, request: Any, context: Any) -> Any:
        experiment = self.recommender.experiments.get(request.experiment_id)
        if experiment is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "gone")
        figures = {"difference": -0.3, "low": -0.4, "high": -0.2}
        compared = ArmComparison(metric=CLICKS, guardrail=True, verdict=self.verdict, **figures)
        results = ExperimentResults(experiment=experiment, comparisons=[compared], summary="The data do not tell yet.")
        return feedback_pb.GetExperimentResultsResponse(results=results)

    async def CheckDrift(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        found = any(each["found"] for each in self.tests)
        check = DriftCheck(request.day, NOW, found, request.model_version, {}, self.tests)
        with self.recommender.database.write() as connection:
            drift_checks.store(connection, check)
        return feedback_pb.CheckDriftResponse()

    async def UpdateWeights(self, request: Any, context: Any) -> Any:
        given = {each.algorithm: each.weight for each in request.weights} or {"ease": 0.7, "content": 0.3}
        with self.recommender.database.write() as connection:
            set_weights(connection, given, request.reason or "learned", NOW)
        weights = [AlgorithmWeight(algorithm=name, weight=weight) for name, weight in given.items()]
        return feedback_pb.UpdateWeightsResponse(weights=weights, rationale=request.reason or "learned")


def drift(subject: str, size: float) -> dict[str, Any]:
    numbers = dict.fromkeys(("value", "before", "p_value", "adjusted_p_value", "divergence"), 0.0)
    return {"kind": "response", "subject": subject, "size": size, "detail": "", "found": True, **numbers}


FALLEN = drift("click-through rate of placement home", -0.5)


class Shop:
    """A coordinator's improvement, its clock, and the agents behind it."""

    def __init__(self, database: Database, settings: Settings, agents: AgentClients, feedback: Feedback) -> None:
        self.database, self.settings, self.agents = database, settings, agents
        self.feedback, self.recommender = feedback, feedback.recommender
        self.now = NOW
        self.trainings: list[Any] = []
        self.refusing = False
        self.restart()

    def restart(self, **changed: Any) -> None:
        """Have another coordinator take over, with settings that are changed."""
        settings = self.settings.model_copy(update=changed)
        self.improvement = Improvement(settings, self.database, self.agents, self._train, lambda: self.now)

    async def _train(self, training: Any) -> JobRun:
        if self.refusing:
            raise Conflict("the same work is under way")
        self.trainings.append(training)
        with self.database.write() as connection:
            return job_runs.start(connection, f"job-{len(self.trainings)}", job_kinds.TRAIN)

    async def look(self, after: timedelta = timedelta(hours=1)) -> dict[str, Any]:
        """Look once when so much time has passed, and return what came of it."""
        self.now += after
        last = [progress async for progress in self.improvement.look()][-1]
        assert last.result is not None
        return last.result

    def begin(self, state: str = CANARY) -> ImprovementRun:
        """Record the run of a candidate that is stored beside the live model."""
        run = ImprovementRun.of("model", state, "schedule", "v1", "v2", "Not worse.", self.now, cutoff=self.now)
        with self.database.write() as connection:
            improvement_runs.add(connection, run)
        return run

    def run(self, run_id: str) -> ImprovementRun:
        with self.database.read() as connection:
            found = improvement_runs.get(connection, run_id)
        assert found is not None
        return found

    def active(self) -> str | None:
        with self.database.read() as connection:
            return models.active_version(connection, KIND)

    def pause(self, *, paused: bool = True) -> None:
        with self.database.write() as connection:
            improvement_runs.set_paused(connection, paused=paused, reason="sale", now=self.now)

    def running(self) -> list[str]:
        """Return the stages whose experiments run."""
        states = {name.partition("-")[0]: each.state for name, each in self.recommender.experiments.items()}
        return [name for name, state in states.items() if state == ExperimentState.EXPERIMENT_STATE_RUNNING]


@asynccontextmanager
async def open_shop(database: Database) -> AsyncIterator[Shop]:
    for version in ("v2", "v1"):
        models.save_model(database, KIND, version, b"model", {})
    recommender = Recommender(database)
    feedback = Feedback(recommender)
    async with (
        serving(recommender, recommendation_grpc.add_RecommendationServiceServicer_to_server) as recommending,
        serving(feedback, feedback_grpc.add_FeedbackServiceServicer_to_server) as following,
    ):
        nowhere = dict.fromkeys(("customer_address", "product_address"), NOWHERE)
        settings = Settings(
            _env_file=None,
            database_url=database.url,
            coordinator_port=0,
            drain_seconds=0,
            gate="canary",
            recommendation_address=recommending,
            feedback_address=following,
            **nowhere,
        )
        agents = AgentClients(settings)
        yield Shop(database, settings, agents, feedback)
        await agents.close()


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    async with open_shop(database) as opened:
        yield opened


async def test_a_better_candidate_goes_from_canary_to_all(shop: Shop) -> None:
    run = shop.begin()
    assert (await shop.look())["state"] == "IMPROVEMENT_STATE_CANARY"
    [experiment] = shop.recommender.experiments.values()
    assert [(arm.variant.model_version, round(arm.share, 6)) for arm in experiment.arms] == [("", 0.9), ("v2", 0.1)]
    await shop.look()
    assert (shop.active(), shop.running()) == ("v1", ["canary"])
    shop.feedback.verdict = Verdict.VERDICT_NO_DIFFERENCE
    assert (await shop.look())["state"] == "IMPROVEMENT_STATE_HOLDBACK"
    assert (shop.active(), shop.running()) == ("v2", ["holdback"])
    holdback = shop.recommender.experiments[shop.run(run.run_id).experiment_id or ""]
    assert [(arm.variant.model_version, round(arm.share, 6)) for arm in holdback.arms] == [("v1", 0.1), ("", 0.9)]
    assert (await shop.look(timedelta(days=6)))["state"] == "IMPROVEMENT_STATE_HOLDBACK"
    assert (await shop.look(timedelta(days=1)))["state"] == "IMPROVEMENT_STATE_LIVE"
    ended = shop.run(run.run_id)
    assert (ended.state, shop.active(), shop.running()) == (LIVE, "v2", [])
    assert ended.ended_at == shop.now
    assert ended.evidence["canary"][0]["difference"] == -0.3
    assert "run_id" not in await shop.look(), "nothing is open any more"


async def test_a_candidate_that_is_worse_at_the_canary_is_rejected(shop: Shop) -> None:
    run = shop.begin()
    await shop.look()
    shop.feedback.verdict = Verdict.VERDICT_WORSE
    await shop.look()
    ended = shop.run(run.run_id)
    assert (ended.state, shop.active(), shop.running()) == (REJECTED, "v1", [])
    assert ended.reason == "The guardrail click through rate is broken (-30.0%, from -40.0% to -20.0%)."


async def test_a_model_in_use_that_breaks_a_guardrail_is_rolled_back(shop: Shop) -> None:
    run = shop.begin()
    shop.feedback.verdict = Verdict.VERDICT_NO_DIFFERENCE
    await shop.look()
    await shop.look()
    assert shop.active() == "v2"
    shop.feedback.verdict = Verdict.VERDICT_WORSE
    await shop.look()
    ended = shop.run(run.run_id)
    assert (ended.state, shop.active(), shop.running()) == (ROLLED_BACK, "v1", [])
    assert "guardrail" in ended.reason


@pytest.mark.parametrize(
    ("days", "state"), [(0.2, LIVE), (2, ROLLED_BACK), (8, LIVE)], ids=["after the day", "lately", "long ago"]
)
async def test_a_model_that_went_live_lately_is_rolled_back_when_clicks_fall(
    shop: Shop, days: float, state: str
) -> None:
    shop.now = NOW - timedelta(days=days)
    run = shop.begin(LIVE)
    models.activate(shop.database, KIND, "v2")
    shop.now, shop.feedback.tests = NOW, [FALLEN]
    await shop.look()
    ended = shop.run(run.run_id)
    assert (ended.state, shop.active()) == (state, "v1" if state == ROLLED_BACK else "v2")
    assert ("fell by 50.0%" in ended.reason) == (state == ROLLED_BACK)


async def test_a_model_put_in_use_by_hand_stays_when_clicks_fall(shop: Shop) -> None:
    models.save_model(shop.database, KIND, "v3", b"model", {})
    shop.now = NOW - timedelta(days=2)
    run = shop.begin(LIVE)
    models.activate(shop.database, KIND, "v3")
    shop.now, shop.feedback.tests = NOW, [FALLEN]
    await shop.look()
    assert (shop.run(run.run_id).state, shop.active()) == (LIVE, "v3")


async def test_weights_that_changed_lately_are_taken_back_before_a_model(shop: Shop) -> None:
    shop.now = NOW - timedelta(days=2)
    run = shop.begin(LIVE)
    models.activate(shop.database, KIND, "v2")
    await WeightRuns(shop.database, shop.agents, lambda: shop.now).learn()
    shop.now, shop.feedback.tests = NOW, [FALLEN]
    await shop.look()
    assert shop.run(run.run_id).state == LIVE
    await shop.look(timedelta(days=1))
    assert shop.run(run.run_id).state == ROLLED_BACK


@pytest.mark.parametrize(("undecided", "state"), [("estimate", REJECTED), ("keep", REJECTED)])
async def test_a_canary_does_not_last_for_ever(shop: Shop, undecided: str, state: str) -> None:
    shop.restart(gate_undecided=undecided)
    run = shop.begin()
    await shop.look()
    assert (await shop.look(timedelta(days=13)))["state"] == "IMPROVEMENT_STATE_CANARY"
    await shop.look(timedelta(days=1))
    assert shop.run(run.run_id).state == state, "the estimate is -30 %"


async def test_while_paused_nothing_is_put_in_use_and_guardrails_hold(shop: Shop) -> None:
    run = shop.begin()
    shop.pause()
    await shop.look()
    assert not shop.recommender.experiments
    shop.pause(paused=False)
    await shop.look()
    shop.pause()
    shop.feedback.verdict = Verdict.VERDICT_NO_DIFFERENCE
    result = await shop.look()
    assert (result["paused"], shop.run(run.run_id).state, shop.active()) == (True, CANARY, "v1")
    shop.feedback.verdict = Verdict.VERDICT_WORSE
    await shop.look()
    assert shop.run(run.run_id).state == REJECTED


async def test_a_look_that_broke_off_is_taken_up_by_the_next_coordinator(shop: Shop) -> None:
    run = shop.begin()
    await shop.look()
    shop.feedback.verdict = Verdict.VERDICT_NO_DIFFERENCE
    shop.recommender.broken = True
    with pytest.raises(Unavailable):
        await shop.look()
    assert (shop.active(), shop.run(run.run_id).state) == ("v2", CANARY), "in use, and not recorded yet"
    shop.recommender.broken = False
    shop.restart()
    await shop.look()
    assert (shop.run(run.run_id).state, shop.running()) == (HOLDBACK, ["holdback"])


async def test_a_test_that_a_dead_training_left_is_made(shop: Shop) -> None:
    run = shop.begin(OFFLINE_TEST)
    with shop.database.write() as connection:
        job_runs.start(connection, "training", job_kinds.TRAIN)
    await shop.look()
    assert shop.run(run.run_id).state == OFFLINE_TEST, "the training makes the test itself"
    with shop.database.write() as connection:
        job_runs.fail(connection, "training", "killed")
    shop.recommender.after_test = REJECTED
    assert (await shop.look())["state"] == "IMPROVEMENT_STATE_REJECTED"


async def by_hand(shop: Shop, version: str) -> None:
    models.activate(shop.database, KIND, version)


async def stopped(shop: Shop, _: str) -> None:
    for each in shop.recommender.experiments.values():
        each.state = ExperimentState.EXPERIMENT_STATE_STOPPED


@pytest.mark.parametrize(
    ("held", "what", "version", "state", "reason"),
    [
        (False, by_hand, "v3", REJECTED, "v3, was put in use by hand"),
        (False, by_hand, "v2", HOLDBACK, "Not worse."),
        (False, stopped, "", REJECTED, "canary was ended by hand"),
        (True, by_hand, "v3", ROLLED_BACK, "v3, was put in use by hand"),
        (True, by_hand, "v1", ROLLED_BACK, "former model was put in use by hand"),
        (True, stopped, "", LIVE, "holdback was ended by hand"),
    ],
)
async def test_what_is_done_by_hand_wins(
    shop: Shop,
    held: bool,
    what: Callable[[Shop, str], Any],
    version: str,
    state: str,
    reason: str,
) -> None:
    models.save_model(shop.database, KIND, "v3", b"model", {})
    models.activate(shop.database, KIND, "v1")
    run = shop.begin()
    await shop.look()
    if held:
        shop.feedback.verdict = Verdict.VERDICT_NO_DIFFERENCE
        await shop.look()
        shop.feedback.verdict = Verdict.VERDICT_UNDECIDED
    await what(shop, version)
    await shop.look()
    found = shop.run(run.run_id)
    assert found.state == state
    assert reason in found.reason


async def test_drift_is_looked_for_once_a_day_and_starts_one_training(shop: Shop) -> None:
    shop.feedback.tests = [FALLEN]
    result = await shop.look()
    assert (result["checked_date"], result["drift_found"]) == ("2026-03-09", True)
    assert result["training_job_id"] == "job-1"
    [training] = shop.trainings
    assert (training.trigger, training.drift_day) == (ImprovementTrigger.IMPROVEMENT_TRIGGER_DRIFT, YESTERDAY)
    assert shop.feedback.asked[0].quality.questions == 200
    assert shop.feedback.asked[0].model_version == "v1"
    again = await shop.look()
    assert "checked_date" not in again
    assert (len(shop.trainings), shop.recommender.replays) == (1, 1)
    with shop.database.write() as connection:
        job_runs.fail(connection, "job-1", "killed")
    await shop.look()
    assert len(shop.trainings) == 2, "a training that failed is started again"


async def test_a_shift_that_lasts_starts_a_training_every_few_days(shop: Shop) -> None:
    shop.feedback.tests = [FALLEN]
    for _ in range(9):
        await shop.look(timedelta(days=1))
        with shop.database.write() as connection:
            job_runs.succeed(connection, f"job-{len(shop.trainings)}", {})
    assert [each.drift_day - shop.trainings[0].drift_day for each in shop.trainings] == [0, 4, 8]


async def test_a_training_that_cannot_begin_waits_for_the_next_look(shop: Shop) -> None:
    shop.feedback.tests, shop.refusing = [FALLEN], True
    assert "training_job_id" not in await shop.look()
    shop.refusing = False
    shop.pause()
    assert "training_job_id" not in await shop.look(), "nothing begins while improvement is paused"
    shop.pause(paused=False)
    run = shop.begin()
    assert "training_job_id" not in await shop.look(), "nothing begins while a run is open"
    with shop.database.write() as connection:
        improvement_runs.save(connection, replace(run.moved(REJECTED, "", NOW)), CANARY)
    assert (await shop.look())["training_job_id"] == "job-1"


async def test_no_drift_no_training(shop: Shop) -> None:
    assert (await shop.look())["drift_found"] is False
    assert not shop.trainings


async def test_weights_are_recorded_and_set_back_when_clicks_fall(shop: Shop) -> None:
    runs = WeightRuns(shop.database, shop.agents, lambda: shop.now)
    with shop.database.read() as connection:
        before = current_weights(connection).weights
    shop.now = NOW - timedelta(days=1, hours=12)
    weights, rationale = await runs.learn()
    assert (weights, rationale) == ({"ease": 0.7, "content": 0.3}, "learned")
    shop.now = NOW
    shop.feedback.tests = [FALLEN]
    await shop.look()
    with shop.database.read() as connection:
        after = current_weights(connection)
        [run] = improvement_runs.page(connection, ["weights"], (), None, 10)
    assert (after.weights, run.state) == (before, ROLLED_BACK)
    assert "fell by 50.0%" in run.reason
    assert run.reason in after.rationale
    kept, why = await runs.learn()
    assert kept == before
    assert why.startswith("Unchanged: they were set back")


@pytest.mark.parametrize(
    "test",
    [
        drift("click-through rate of algorithm ease", -0.5),
        drift("conversion rate of page HOME", -0.5),
        drift("click-through rate of page HOME", 0.5),
    ],
)
async def test_weights_stay_when_something_else_drifts(shop: Shop, test: dict[str, Any]) -> None:
    shop.now = NOW - timedelta(days=1, hours=12)
    await WeightRuns(shop.database, shop.agents, lambda: shop.now).learn()
    shop.now, shop.feedback.tests = NOW, [test]
    await shop.look()
    with shop.database.read() as connection:
        assert current_weights(connection).weights == {"ease": 0.7, "content": 0.3}


async def test_weights_stay_while_improvement_is_paused(shop: Shop) -> None:
    shop.pause()
    weights, why = await WeightRuns(shop.database, shop.agents).learn()
    assert why == "Unchanged: improvement is paused."
    with shop.database.read() as connection:
        assert weights == current_weights(connection).weights


@asynccontextmanager
async def door(shop: Shop) -> AsyncIterator[Any]:
    agent = Coordinator(shop.settings, shop.database, AgentClients(shop.settings))
    server = build(shop.settings, agent)
    async with open_channel(f"127.0.0.1:{await server.start()}") as channel:
        yield pb_grpc.CoordinatorServiceStub(channel)
    await server.stop()
    await agent.jobs.stop()
    await agent.agents.close()


async def test_runs_are_listed_shown_paused_and_resumed(shop: Shop) -> None:
    shop.feedback.tests = [FALLEN]
    await shop.look()
    first = replace(shop.begin(CANARY), drift_day=YESTERDAY)
    with shop.database.write() as connection:
        improvement_runs.save(connection, first, CANARY)
    shop.now += timedelta(hours=1)
    await WeightRuns(shop.database, shop.agents, lambda: shop.now).learn()
    async with door(shop) as stub:
        page = await call(stub.ListImprovementRuns, pb.ListImprovementRunsRequest(page_size=1), 10)
        assert [each.kind for each in page.runs] == [ImprovementKind.IMPROVEMENT_KIND_WEIGHTS]
        assert {each.algorithm for each in page.runs[0].candidate_weights} == {"ease", "content"}
        assert page.latest_check.tests[0].subject == FALLEN["subject"]
        more = pb.ListImprovementRunsRequest(page_size=1, page_token=page.next_page_token)
        rest = await call(stub.ListImprovementRuns, more, 10)
        assert ([each.run_id for each in rest.runs], rest.next_page_token) == ([first.run_id], "")
        of_models = pb.ListImprovementRunsRequest(kind=ImprovementKind.IMPROVEMENT_KIND_MODEL)
        assert len((await call(stub.ListImprovementRuns, of_models, 10)).runs) == 1
        shown = await call(stub.GetImprovementRun, pb.GetImprovementRunRequest(run_id=first.run_id), 10)
        assert shown.run.state == ImprovementState.IMPROVEMENT_STATE_CANARY
        assert (shown.run.drift_date, shown.check.date) == ("2026-03-09", "2026-03-09")
        paused = await call(stub.PauseImprovement, pb.PauseImprovementRequest(reason="sale"), 10)
        assert (paused.control.paused, paused.control.reason) == (True, "sale")
        assert (await call(stub.PauseImprovement, pb.PauseImprovementRequest(reason="again"), 10)) == paused
        resumed = await call(stub.ResumeImprovement, pb.ResumeImprovementRequest(), 10)
        assert not resumed.control.paused
        with pytest.raises(NotFound):
            await call(stub.GetImprovementRun, pb.GetImprovementRunRequest(run_id="gone"), 10)
        for bad in (more, pb.ListImprovementRunsRequest(kind=9)):
            bad.page_token = "" if bad.kind else "x"
            with pytest.raises(InvalidArgument):
                await call(stub.ListImprovementRuns, bad, 10)


async def test_a_look_is_a_job_whose_result_says_what_came_of_it(shop: Shop) -> None:
    run = ImprovementRun.of("model", CANARY, "schedule", "v1", "v2", "Not worse.", datetime.now(UTC))
    with shop.database.write() as connection:
        improvement_runs.add(connection, run)
    async with door(shop) as stub:
        job = (await call(stub.RunSchedule, job_pb.RunScheduleRequest(kind=job_kinds.IMPROVE), 10)).job
        watched = [each.job async for each in stream(stub.WatchJob, job_pb.WatchJobRequest(job_id=job.job_id))][-1]
    assert watched.state == JobState.JOB_STATE_SUCCEEDED, watched.error
    assert watched.improve_models.run_id == run.run_id
    assert watched.improve_models.state == ImprovementState.IMPROVEMENT_STATE_CANARY
    assert watched.improve_models.checked_date
    assert shop.running() == ["canary"]


async def test_a_shadow_is_marked_shown_and_let_go(shop: Shop) -> None:
    async with door(shop) as stub:
        marked = await call(stub.SetShadowModel, pb.SetShadowModelRequest(version="v2"), 10)
        assert (marked.shadow.version, marked.shadow.share) == ("v2", 0.05)
        [listed] = (await call(stub.ListShadowModels, pb.ListShadowModelsRequest(), 10)).shadows
        assert (listed.version, listed.lists, listed.HasField("rank_correlation")) == ("v2", 0, False)
        with pytest.raises(FailedPrecondition, match="in use"):
            await call(stub.SetShadowModel, pb.SetShadowModelRequest(version="v1"), 10)
        with pytest.raises(NotFound):
            await call(stub.SetShadowModel, pb.SetShadowModelRequest(version="gone"), 10)
        for deleted in (True, False):
            request = pb.DeleteShadowModelRequest(version="v2")
            assert (await call(stub.DeleteShadowModel, request, 10)).deleted is deleted
        assert not (await call(stub.ListShadowModels, pb.ListShadowModelsRequest(), 10)).shadows


async def test_the_clock_starts_no_training_while_a_run_is_open(shop: Shop) -> None:
    shop.begin()
    async with door(shop) as stub:
        with pytest.raises(Conflict, match="CANARY"):
            await call(stub.RunSchedule, job_pb.RunScheduleRequest(kind="train_models"), 10)
