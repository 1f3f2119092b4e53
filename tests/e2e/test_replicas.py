"""Two recommendation agents on one machine: both answer, and the death of one costs no answer."""

import random
import time
from pathlib import Path

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb

from shared.db.engine import Database
from shared.db.migrate import migrate
from tests.e2e import small_shop
from tests.support.cluster import coordinator_stub, running_cluster

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
