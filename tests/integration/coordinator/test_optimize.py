"""An optimisation tunes and then sets the weights; each is told of, and the weights are set even without the tuning."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.job_pb2 import Job, JobState

from cli.job_results import plain
from services.coordinator.agent import Coordinator
from services.coordinator.agent_clients import AgentClients
from services.coordinator.server import build
from services.feedback import server as feedback
from services.recommendation import server as recommendation
from services.recommendation.agent import RecommendationAgent
from shared import job_kinds
from shared.config import Settings
from shared.db import tuning
from shared.db.engine import Database
from shared.errors import InvalidArgument
from shared.rpc.client import call, open_channel, stream
from shared.rpc.interceptor import deadline
from tests.integration.recommendation.tuning_shop import open_shop

NOWHERE = "127.0.0.1:1"


class Shop:
    """A coordinator with a feedback agent and, unless `alone`, a recommendation agent."""

    def __init__(self, database: Database, *, alone: bool = False, tune_minutes: float = 5.0) -> None:
        self._database = database
        self._alone = alone
        self._minutes = tune_minutes

    async def __aenter__(self) -> "Shop":
        settings = Settings(
            database_url=self._database.url,
            drain_seconds=0.0,
            train_threads=1,
            tune_minutes=self._minutes,
            coordinator_port=0,
            recommendation_port=0,
            feedback_port=0,
            customer_address=NOWHERE,
            product_address=NOWHERE,
            recommendation_address=NOWHERE,
        )
        self._servers = [feedback.build(settings, feedback.make_agent(settings, self._database))]
        addresses = {"feedback_address": f"127.0.0.1:{await self._servers[0].start()}"}
        if not self._alone:
            agent = RecommendationAgent(settings, self._database)
            self._servers.append(recommendation.build(settings, agent))
            addresses["recommendation_address"] = f"127.0.0.1:{await self._servers[1].start()}"
        settings = settings.model_copy(update=addresses)
        self._coordinator = Coordinator(settings, self._database, AgentClients(settings))
        await self._coordinator.start()
        self._servers.append(build(settings, self._coordinator))
        self._channel = open_channel(f"127.0.0.1:{await self._servers[-1].start()}")
        self.stub: Any = pb_grpc.CoordinatorServiceStub(self._channel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()
        await self._coordinator.stop()
        for server in reversed(self._servers):
            await server.stop()

    async def optimized(self, **wish: Any) -> dict[str, Any]:
        """Optimise and return what came of it."""
        job = (await call(self.stub.OptimizeAlgorithms, pb.OptimizeAlgorithmsRequest(**wish), 10)).job
        return await self._result(job)

    async def by_the_clock(self) -> dict[str, Any]:
        """Optimise as the schedule does."""
        run = await self._coordinator.start_job(job_kinds.OPTIMIZE)
        return await self._result(Job(job_id=run.job_id))

    async def _result(self, job: Job) -> dict[str, Any]:
        seen = [answer.job async for answer in stream(self.stub.WatchJob, pb.WatchJobRequest(job_id=job.job_id))]
        assert seen[-1].state == JobState.JOB_STATE_SUCCEEDED, seen[-1].error
        assert [each.progress for each in seen] == sorted(each.progress for each in seen)
        result: dict[str, Any] = plain(seen[-1].optimize_algorithms)
        assert sum(result["weights"].values()) == pytest.approx(1.0)
        assert result["rationale"]
        return result


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    open_shop(database)
    async with Shop(database) as running:
        yield running


async def test_an_optimisation_tunes_and_sets_the_weights(shop: Shop, database: Database) -> None:
    result = await shop.optimized(algorithms=["popular", "item_knn"], max_trials=2)
    decided = result["tuning"]["algorithms"]
    assert sorted(decided) == ["item_knn", "popular"]
    assert all(each["evidence"]["trials"] == 2 for each in decided.values())
    with database.read() as connection:
        assert sorted(tuning.all_tuned(connection)) == ["item_knn", "popular"]


async def test_unchanged_data_is_tuned_on_only_when_told_so(sqlite_database: Database) -> None:
    open_shop(sqlite_database)
    async with Shop(sqlite_database) as shop:
        await shop.optimized(algorithms=["popular"], max_trials=2)
        again = await shop.optimized(algorithms=["popular"], max_trials=2)
        assert again["tuning"]["unchanged"] == ["popular"]
        now = await shop.optimized(tune_now=True, algorithms=["popular"], max_trials=2)
        assert (now["tuning"]["trials_found"], now["tuning"]["trials_made"]) == (2, 0)


@pytest.mark.parametrize(("usual", "wish"), [(0.0, {}), (5.0, {"tune_minutes": 0.0})])
async def test_without_minutes_only_the_weights_are_set(
    sqlite_database: Database, usual: float, wish: dict[str, float]
) -> None:
    open_shop(sqlite_database)
    async with Shop(sqlite_database, tune_minutes=usual) as shop:
        tuned = (await shop.optimized(**wish))["tuning"]
        assert (tuned["skipped"], tuned["algorithms"]) == ("there are no minutes for it", {})


async def test_the_clock_tunes_for_the_usual_minutes(sqlite_database: Database) -> None:
    open_shop(sqlite_database)
    async with Shop(sqlite_database, tune_minutes=1e-6) as shop:
        assert "item_knn" in (await shop.by_the_clock())["tuning"]["not_reached"]


async def test_the_weights_are_set_after_the_deadline_of_who_asked(sqlite_database: Database) -> None:
    async with Shop(sqlite_database, tune_minutes=0.0) as shop:
        token = deadline.set(time.monotonic())
        try:
            assert (await shop.by_the_clock())["weights"]
        finally:
            deadline.reset(token)


async def test_the_weights_are_set_even_if_tuning_fails(sqlite_database: Database) -> None:
    async with Shop(sqlite_database, alone=True) as shop:
        assert "failed" in (await shop.optimized(tune_now=True))["tuning"]
    async with Shop(sqlite_database) as shop:
        assert "import events" in (await shop.optimized(tune_now=True))["tuning"]["failed"]


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"algorithms": ["item_knn", "nobody"]}, "algorithms[1]"),
        ({"max_trials": -1}, "max_trials"),
        ({"tune_minutes": -1.0}, "tune_minutes"),
    ],
)
async def test_a_bad_request_is_refused(sqlite_database: Database, wish: dict[str, Any], field: str) -> None:
    async with Shop(sqlite_database, alone=True) as shop:
        with pytest.raises(InvalidArgument) as caught:
            await call(shop.stub.OptimizeAlgorithms, pb.OptimizeAlgorithmsRequest(**wish), 10)
    assert caught.value.violations[0].field == field


async def test_an_algorithm_without_anything_to_tune_fails_the_job(sqlite_database: Database) -> None:
    open_shop(sqlite_database)
    async with Shop(sqlite_database) as shop:
        with pytest.raises(AssertionError, match="must be one of"):
            await shop.optimized(algorithms=["similar"])
