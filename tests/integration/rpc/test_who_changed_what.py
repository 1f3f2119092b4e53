"""The log says which key changed something that merchandisers and admins look after, and nothing of what was sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.coordinator.v1 import operations_pb2 as operations
from structlog.testing import capture_logs

from shared.api_keys import Caller, Role
from shared.config import Settings
from shared.errors import NotFound
from shared.rpc.authentication import Authenticator, Metadata
from shared.rpc.rights import COORDINATOR
from shared.rpc.server import AgentServer, Service
from shared.telemetry import _add_request_id

PRIVATE = "not for the log"


class Servicer(pb_grpc.CoordinatorServiceServicer):
    """Sets weights, shows them, and knows no rule."""

    async def SetWeights(self, request: operations.SetWeightsRequest, context: Any) -> operations.SetWeightsResponse:
        return operations.SetWeightsResponse()

    async def GetWeights(self, request: operations.GetWeightsRequest, context: Any) -> operations.GetWeightsResponse:
        return operations.GetWeightsResponse()

    async def DeleteRule(self, request: pb.DeleteRuleRequest, context: Any) -> pb.DeleteRuleResponse:
        raise NotFound.of("rule", request.rule_id)


class KeyOfAdmin:
    """Takes every caller for the key `k-7`."""

    async def authenticate(self, metadata: Metadata) -> Caller:
        return Caller("k-7", Role.ADMIN)


@asynccontextmanager
async def coordinator(authenticator: Authenticator | None = None) -> AsyncIterator[pb_grpc.CoordinatorServiceStub]:
    """Give a stub of a coordinator, which logs from `info` on as usual."""
    service = Service(Servicer(), pb_grpc.add_CoordinatorServiceServicer_to_server, COORDINATOR)
    settings = Settings(_env_file=None, coordinator_port=0, drain_seconds=0.1)
    server = AgentServer("coordinator", settings, [service], authenticator=authenticator)
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield pb_grpc.CoordinatorServiceStub(channel)  # type: ignore[no-untyped-call]
    await server.stop()


def changes(lines: list[Any]) -> list[Any]:
    return [line for line in lines if line["event"] == "changed"]


async def test_a_change_is_logged_with_its_key_and_request() -> None:
    with capture_logs([_add_request_id]) as lines:
        async with coordinator(KeyOfAdmin()) as stub:
            await stub.SetWeights(
                operations.SetWeightsRequest(reason=PRIVATE), metadata=(("x-request-id", "r-1"),), timeout=5
            )
    assert changes(lines) == [
        {
            "event": "changed",
            "log_level": "info",
            "method": f"/{COORDINATOR}/SetWeights",
            "key_id": "k-7",
            "request_id": "r-1",
        }
    ]
    assert PRIVATE not in str(lines)


async def test_where_no_keys_are_asked_for_the_line_has_none() -> None:
    with capture_logs() as lines:
        async with coordinator() as stub:
            await stub.SetWeights(operations.SetWeightsRequest(), timeout=5)
    assert [line["key_id"] for line in changes(lines)] == [""]


async def test_what_changed_nothing_is_not_logged() -> None:
    with capture_logs() as lines:
        async with coordinator(KeyOfAdmin()) as stub:
            await stub.GetWeights(operations.GetWeightsRequest(), timeout=5)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.DeleteRule(pb.DeleteRuleRequest(rule_id="none"), timeout=5)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert changes(lines) == []
