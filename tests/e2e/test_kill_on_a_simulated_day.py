"""Agents are killed in the middle of a simulated day: its numbers are those of the undisturbed day.

Shoppers wait for a full answer, as those of the undisturbed day get one. Before the agent that answers is killed, the
list that it answered last is in the log: a SIGKILL takes what was answered within the tenth of a second before it
(`shared/recommendation_log.py`).
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from quintet.coordinator.v1 import operations_pb2
from quintet.type.v1.metric_pb2 import MetricQuery

from benchmarks.movable_clock import movable_clock
from benchmarks.simulation.behaviour import Behaviour
from benchmarks.simulation.calendar import moment
from benchmarks.simulation.front import AgentsFront
from benchmarks.simulation.response import Page
from benchmarks.simulation.run import QUIET
from benchmarks.simulation.shop import stand, start_shop
from benchmarks.simulation.visits import Diary, Shopper, Visit, clicks_of
from benchmarks.simulation.world import World
from shared.config import AGENTS
from shared.db.engine import Database
from shared.db.waiting_responses import any_waiting
from tests.e2e.small_shop import whole_metrics
from tests.support.cluster import Cluster, cluster_settings, coordinator_stub
from tests.support.tiny_journey import tiny_world
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
SEED = 1
SYSTEM = ("response_time_p50", "response_time_p99", "peak_memory", "mean_cpu", "throughput")
"""Metrics of the machine, which a kill may change."""
CALL_SECONDS = 30.0
RETRIED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


class DisturbedFront(AgentsFront):
    """Kills an agent just before each list but the first, one after the other, and calls again what failed."""

    def __init__(self, shop: tuple[Any, ...], cluster: Cluster) -> None:
        super().__init__(*shop)
        self.kills = 0
        self._cluster = cluster
        self._agents = cycle(AGENTS)

    def recommend(self, visit: Visit, page: Page, product: int | None, cart: Sequence[int]) -> list[int]:
        if self._shown.token:
            wait_until(self._is_logged)
            self._cluster.kill(next(self._agents))
            self.kills += 1
        return super().recommend(visit, page, product, cart)

    def _called(self, method: str, request: Any) -> Any:
        answers = []

        def answered() -> bool:
            # Waiting takes no time of the day: a list that is asked for later may be another one.
            self._clock.set(self._now)
            try:
                answers.append(super(DisturbedFront, self)._called(method, request))
            except grpc.RpcError as error:
                if error.code() not in RETRIED:
                    raise
            return bool(answers)

        wait_until(answered)
        return answers[0]

    def _is_logged(self) -> bool:
        """Say whether the list that was shown last is in the log."""
        try:
            self._stub.GetAttribution(
                operations_pb2.GetAttributionRequest(attribution_token=self._shown.token), timeout=CALL_SECONDS
            )
        except grpc.RpcError as error:
            if error.code() not in (*RETRIED, grpc.StatusCode.NOT_FOUND):
                raise
            return False
        return True


@pytest.fixture(scope="module")
def world() -> World:
    return tiny_world(Behaviour(click_base=0.2, cart_base=0.4))


@pytest.fixture(scope="module")
def start(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The database of the shop at the end of its history."""
    with start_shop(world, tmp_path_factory.mktemp("start"), print, quick=True) as shop:
        yield shop.database


def test_the_numbers_of_a_disturbed_day_are_those_of_the_undisturbed_day(
    world: World, start: Path, tmp_path: Path
) -> None:
    undisturbed, _ = played(world, start, tmp_path / "undisturbed", lambda shop, _: AgentsFront(*shop))
    disturbed, front = played(world, start, tmp_path / "disturbed", lambda shop, cluster: DisturbedFront(shop, cluster))
    assert isinstance(front, DisturbedFront)
    assert front.kills >= 2 * len(AGENTS), "each agent is killed more than once"
    assert {name for name, *_ in undisturbed.metrics} >= {
        "orders",
        "revenue",
        "click_through_rate",
        "attributed_revenue",
    }
    assert disturbed.metrics == undisturbed.metrics
    assert disturbed.orders == undisturbed.orders
    assert disturbed.clicks == undisturbed.clicks > 0


class Day(NamedTuple):
    """What came of a day: of the shoppers, and metrics with their dimensions and values."""

    orders: list[list[int]]
    clicks: int
    metrics: list[tuple[Any, ...]]


def played(
    world: World, start: Path, folder: Path, opened: Callable[[tuple[Any, ...], Cluster], AgentsFront]
) -> tuple[Day, AgentsFront]:
    """Play the first day after the history on a copy of the shop."""
    folder.mkdir()
    day = world.sizes.history_days
    url = f"sqlite:///{shutil.copyfile(start, folder / 'quintet.db')}"
    with movable_clock(folder) as clock:
        stand(clock, day)
        cluster = Cluster(cluster_settings(url, **QUIET, model_cache_dir=str(folder / "models")))
        try:
            cluster.start()
            with coordinator_stub(cluster.address, events_have_ids=True) as stub:
                diary = Diary(world, SEED)
                front = opened((world, stub, clock, SEED), cluster)
                front.begin_day(day)
                shopper = Shopper(diary, front)
                results = [shopper.play(visit) for visit in diary.visits(day)]
                front.end_day(day)
                # What came before its list was written is applied a moment later.
                wait_until(lambda: not is_response_waiting(url))
                return Day([each.order for each in results], len(clicks_of(results)), measured(stub, day)), front
        except BaseException:
            print("\n".join(cluster.log[-50:]))
            raise
        finally:
            cluster.stop()


def is_response_waiting(url: str) -> bool:
    with closing(Database(url)) as database, database.read() as connection:
        return any_waiting(connection)


def measured(stub: Any, day: int) -> list[tuple[Any, ...]]:
    """Return all metrics of a day but those of the machine, by page and algorithm too where they are kept so."""
    found: list[tuple[Any, ...]] = []
    for dimensions in ([], ["page_type"], ["algorithm"]):
        query = MetricQuery(dimensions=dimensions)
        query.start_time.FromSeconds(moment(day))
        query.end_time.FromSeconds(moment(day + 1))
        found += [
            (each.metric, *(every.value for every in each.dimensions), round(each.value, 9), each.of)
            for each in whole_metrics(stub, query).values
            if each.metric not in SYSTEM
        ]
    return found
