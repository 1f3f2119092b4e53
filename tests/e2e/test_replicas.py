"""Two recommendation agents on one machine: both answer, and the death of one costs no answer."""

import asyncio
import random
import socket
import time
from pathlib import Path

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb

from cli.supervisor import Supervisor
from shared.config import PORTS_BETWEEN_REPLICAS
from shared.db.engine import Database
from shared.db.migrate import migrate
from shared.errors import FailedPrecondition
from tests.e2e import small_shop
from tests.support.cluster import cluster_settings, coordinator_stub, running_cluster

CALLS = 20


@pytest.mark.parametrize("killed", [0, 1])
def test_when_one_of_two_replicas_dies_every_answer_is_still_full(tmp_path: Path, killed: int) -> None:
    database = Database(f"sqlite:///{tmp_path / 'quintet.db'}")
    migrate(database)
    database.close()
    customers = [each.customer_id for each in small_shop.customers(random.Random(1))[:CALLS]]
    with running_cluster(database.url, recommendation_replicas=2) as cluster, coordinator_stub(cluster.address) as stub:
        small_shop.fill(stub)

        def fallbacks() -> list[str]:
            wanted = [pb.GetRecommendationsRequest(customer_id=each, limit=3) for each in customers]
            return [each for one in wanted for each in stub.GetRecommendations(one, timeout=10).list.fallbacks]

        until = time.monotonic() + 30
        while fallbacks():  # the replica that did not train loads the model within seconds
            assert time.monotonic() < until
        pids = [cluster.pid("recommendation", replica) for replica in (0, 1)]
        assert len(set(pids)) == 2
        cluster.kill("recommendation", killed)
        assert fallbacks() == []
        cluster.wait_ready("recommendation", killed)
        assert fallbacks() == []


@pytest.mark.parametrize("name", ["recommendation_port", "recommendation_metrics_port"])
def test_a_taken_port_of_a_further_agent_is_told_with_its_setting(tmp_path: Path, name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        first = taken.getsockname()[1] - PORTS_BETWEEN_REPLICAS
        settings = cluster_settings(f"sqlite:///{tmp_path / 'new.db'}", recommendation_replicas=2, **{name: first})
        supervisor = Supervisor(settings, lambda agent, line: None)
        with pytest.raises(FailedPrecondition, match=f"QUINTET_{name.upper()} \\+ 10; QUINTET_RECOMMENDATION_REPLICAS"):
            asyncio.run(supervisor.start())
