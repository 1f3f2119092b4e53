"""A model that is trained beside a live one waits for its test, and goes live only if it is not worse."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import numpy as np
import pytest
from quintet.recommendation.v1 import recommendation_service_pb2 as pb
from quintet.recommendation.v1 import recommendation_service_pb2_grpc as pb_grpc
from quintet.type.v1.improvement_pb2 import ImprovementTrigger
from quintet.type.v1.job_pb2 import JobProgress

from services.recommendation.agent import RecommendationAgent
from services.recommendation.gate import paired_test as paired
from services.recommendation.gate.job import StoredTests
from services.recommendation.models.store import KIND, ModelStore
from services.recommendation.server import build
from services.recommendation.training import candidacy
from services.recommendation.training.candidacy import GatePlan
from services.recommendation.training.train import run
from shared.config import Settings
from shared.db import improvement_runs, models
from shared.db.engine import Database
from shared.db.improvement_runs import ImprovementRun
from shared.errors import Conflict
from shared.jobs import ProgressReporter
from tests.integration.recommendation.shop import PEOPLE, act, add_customer, bought, next_bought, open_shop, viewed

QUIET = ProgressReporter(write=lambda _: None)
FEW = 20
FEWEST_OF_A_TEST = candidacy.FEWEST_QUESTIONS


@pytest.fixture
def shop(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A shop with a live model, in which everybody has bought and looked around since it was trained."""
    for module in (candidacy, paired):
        monkeypatch.setattr(module, "FEWEST_QUESTIONS", FEW)
    open_shop(database)
    trained(database, GatePlan())
    for number in range(PEOPLE):
        for taste in "ct":
            who, own = f"{taste}-lover-{number}", next_bought(number, taste)
            ago = timedelta(hours=5, minutes=number)
            act(database, *[viewed(who, each, f"walk {number}", ago + timedelta(hours=3)) for each in own])
            act(database, bought(who, *own, ago=ago))
    return database


def trained(database: Database, plan: GatePlan) -> dict[str, Any]:
    return run(database, QUIET, 1, gate=plan)


def outcome_of(database: Database, plan: GatePlan) -> dict[str, Any]:
    settings = Settings(_env_file=None, database_url=database.url)
    return StoredTests(settings, database, QUIET).test(plan)


def active(database: Database) -> str | None:
    with database.read() as connection:
        return models.active_version(connection, KIND)


def stored_run(database: Database, run_id: str) -> ImprovementRun:
    with database.read() as connection:
        found = improvement_runs.get(connection, run_id)
    assert found is not None
    return found


def spoil(database: Database, version: str) -> None:
    """Have a stored model turn every product into another one."""
    store = ModelStore(database)
    with database.read() as connection:
        known = models.list_versions(connection, KIND)
    model = next(each for each in known if each.version == version)
    bundle = store.load(version)
    store.replace(
        model, f"{version}+1", bundle.__class__(bundle.model, np.roll(bundle.product_keys, 7), bundle.groups), {}
    )


ON = GatePlan("offline", margin=1.0, trigger=improvement_runs.SCHEDULE)
"""Whose test of a few dozen questions can say that a model of the same kind is not worse."""


def test_a_first_model_is_live_at_once_and_recorded(database: Database) -> None:
    open_shop(database)
    facts = trained(database, ON)
    found = stored_run(database, facts["improvement_run_id"])
    assert (found.state, found.former, found.candidate) == ("LIVE", "", active(database))
    assert found.ended_at is not None


def test_a_candidate_waits_for_its_test_and_is_live_after_it(shop: Database) -> None:
    before = active(shop)
    facts = trained(shop, ON)
    waiting = stored_run(shop, facts["improvement_run_id"])
    assert (facts["improvement_state"], waiting.former, active(shop)) == ("OFFLINE_TEST", before, before)
    assert waiting.cutoff is not None
    assert facts["trained_at"] == waiting.cutoff.timestamp()
    outcome = outcome_of(shop, ON)
    found = stored_run(shop, facts["improvement_run_id"])
    assert (outcome["improvement_state"], found.state, active(shop)) == ("LIVE", "LIVE", facts["version"])
    offline = found.evidence["offline"]
    assert offline["verdict"] == "not_worse"
    assert offline["questions"] >= FEW
    assert set(offline["pages"]) == {"HOME", "PRODUCT"}
    assert offline["look"]["questions"] == offline["questions"]
    assert outcome_of(shop, ON) == {}, "a test is not repeated"


def test_a_worse_candidate_is_rejected_and_no_way_back_leads_to_it(shop: Database) -> None:
    before = active(shop)
    strict = GatePlan("offline", margin=0.0)
    facts = trained(shop, strict)
    spoil(shop, facts["version"])
    assert outcome_of(shop, strict)["improvement_state"] == "REJECTED"
    found = stored_run(shop, facts["improvement_run_id"])
    assert (found.state, active(shop)) == ("REJECTED", before)
    assert found.evidence["offline"]["difference"] < 0
    with shop.read() as connection:
        assert improvement_runs.not_let_through(connection) == {facts["version"]}


def test_a_candidate_goes_on_to_the_canary_and_is_not_live(shop: Database) -> None:
    before = active(shop)
    plan = GatePlan("canary", margin=1.0)
    trained(shop, plan)
    assert outcome_of(shop, plan)["improvement_state"] == "CANARY"
    assert active(shop) == before


def test_while_a_run_is_open_no_other_training_begins(shop: Database) -> None:
    trained(shop, ON)
    with pytest.raises(Conflict, match="OFFLINE_TEST"):
        trained(shop, ON)


def test_a_model_that_was_put_in_use_meanwhile_stays(shop: Database) -> None:
    facts = trained(shop, ON)
    other = trained(shop, GatePlan())["version"]
    assert outcome_of(shop, ON)["improvement_state"] == "REJECTED"
    assert active(shop) == other
    assert "put in use meanwhile" in stored_run(shop, facts["improvement_run_id"]).reason


def test_a_candidate_that_is_gone_ends_the_run(shop: Database) -> None:
    facts = trained(shop, ON)
    models.prune(shop, KIND, 0)
    assert outcome_of(shop, ON)["improvement_state"] == "FAILED"
    assert stored_run(shop, facts["improvement_run_id"]).ended_at is not None


def test_versions_of_an_open_run_are_kept(shop: Database) -> None:
    facts = trained(shop, ON)
    with shop.read() as connection:
        spared = improvement_runs.versions_in_use(connection)
    models.prune(shop, KIND, 0, spared)
    with shop.read() as connection:
        kept = {each.version for each in models.list_versions(connection, KIND)}
    assert kept == {facts["version"], active(shop)}


def test_a_replay_asks_what_the_live_model_has_not_learned(shop: Database) -> None:
    tests = StoredTests(Settings(_env_file=None, database_url=shop.url), shop, QUIET)
    now = int(datetime.now(UTC).timestamp())
    with shop.read() as connection:
        learned = candidacy.learned_until(models.active_model(connection, KIND).metadata)  # type: ignore[union-attr]
    look = tests.replay(now - 2 * 86_400, now)
    assert learned < now - 2 * 86_400
    assert look["questions"] > FEW
    assert look["version"] == active(shop)
    assert 0 < look["quality"] <= 1
    assert look["standard_error"] > 0
    assert tests.replay(learned - 86_400, now)["questions"] == 0


async def test_a_training_over_grpc_takes_its_model_through_the_gate(sqlite_database: Database) -> None:
    """Over the wire and in child processes, where nothing is changed for the test: a hundred shoppers come back."""
    open_shop(sqlite_database)
    for number in range(FEWEST_OF_A_TEST + 20):
        who = f"passer-by-{number}"
        add_customer(sqlite_database, who)
        act(sqlite_database, viewed(who, "c1", "before", timedelta(days=30, minutes=number)))
    settings = Settings(
        _env_file=None,
        database_url=sqlite_database.url,
        recommendation_port=0,
        drain_seconds=0,
        train_threads=1,
        gate_margin=1.0,
        coordinator_port=0,
    )
    async with serving_agent(settings, sqlite_database) as stub:
        first = await _result(stub.TrainModels(pb.TrainModelsRequest(quick=True)))
        assert first.train_models.improvement_state == "LIVE"
        for number in range(FEWEST_OF_A_TEST + 20):
            walk = [viewed(f"passer-by-{number}", each, "after", timedelta(hours=6)) for each in ("c1", "c2", "c3")]
            act(sqlite_database, *walk)
        trigger = ImprovementTrigger.IMPROVEMENT_TRIGGER_DRIFT
        drifted = pb.TrainModelsRequest(quick=True, trigger=trigger, drift_day=20_000)
        second = (await _result(stub.TrainModels(drifted))).train_models
        assert (second.improvement_state, active(sqlite_database)) == ("LIVE", second.version)
        recorded = stored_run(sqlite_database, second.improvement_run_id)
        assert (recorded.trigger, recorded.drift_day, recorded.former) == ("drift", 20_000, first.train_models.version)
        assert recorded.evidence["offline"]["questions"] >= FEWEST_OF_A_TEST
        waiting = await _result(stub.TestCandidate(pb.TestCandidateRequest()))
        assert waiting.train_models.improvement_run_id == "", "none waits"
        span = pb.ReplayQuestionsRequest()
        span.start_time.FromDatetime(datetime.now(UTC) - timedelta(hours=20))
        with pytest.raises(grpc.aio.AioRpcError, match="end_time"):
            await _result(stub.ReplayQuestions(span))
        span.end_time.FromDatetime(datetime.now(UTC))
        look = (await _result(stub.ReplayQuestions(span))).replay
        assert look.questions >= FEWEST_OF_A_TEST
        assert 0 < look.quality <= 1


@asynccontextmanager
async def serving_agent(settings: Settings, database: Database) -> AsyncIterator[Any]:
    agent = RecommendationAgent(settings, database)
    agent.start()
    server = build(settings, agent)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{await server.start()}") as channel:
        yield pb_grpc.RecommendationServiceStub(channel)
    await server.stop()
    agent.stop()


async def _result(answers: Any) -> JobProgress:
    """Return the last progress of a stream."""
    return [answer.progress async for answer in answers][-1]
