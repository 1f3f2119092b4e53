"""`quintet status` shows the agents and how their processes perform, and ends with 1 unless all serve."""

from typing import Any

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.coordinator.v1.operations_pb2 import AgentPerformance

from tests.unit.cli.door import invoke, opened


class Door(pb_grpc.CoordinatorServiceServicer):
    """Stands for a coordinator of one agent."""

    def __init__(self, *, serving: bool) -> None:
        self.serving = serving

    def GetStatus(self, request: pb.GetStatusRequest, context: Any) -> pb.GetStatusResponse:
        performance = AgentPerformance(agent="product", instance="host:7", calls=1_200, p99_ms=12.34, fallbacks=3)
        agents = [pb.AgentStatus(agent="product", serving=self.serving)]
        return pb.GetStatusResponse(agents=agents, performance=[performance])


@pytest.mark.parametrize(("serving", "code"), [(True, 0), (False, 1)])
def test_agents_and_their_performance_are_shown(serving: bool, code: int) -> None:
    with opened(Door(serving=serving)) as address:
        result, text = invoke("status", "--address", address)
    assert result.exit_code == code
    for part in ("product host:7", "1,200", "12.3"):
        assert part in text
