"""The health probe: exit codes by the health of a real server."""

import runpy
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from shared.rpc import probe

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Served:
    """A server with a health that the test sets."""

    def __init__(self, server: grpc.Server) -> None:
        self.health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self.health, server)
        self.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"


@pytest.fixture
def served() -> Iterator[Served]:
    with ThreadPoolExecutor(max_workers=1) as pool:
        server = grpc.server(pool)
        served = Served(server)
        server.start()
        yield served
        server.stop(None).wait()


@pytest.mark.parametrize(("state", "code"), [(SERVING, 0), (NOT_SERVING, 1)])
def test_exit_code_says_whether_the_server_serves(
    served: Served,
    state: int,
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    served.health.set("", state)
    assert probe.main([served.address]) == code
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(state)
    assert capsys.readouterr().out == f"{served.address} {name}\n"


@pytest.mark.usefixtures("capsys")
def test_liveness_is_asked_for_by_its_name(served: Served) -> None:
    served.health.set("", NOT_SERVING)
    served.health.set("liveness", SERVING)
    assert probe.main([served.address, "coordinator"]) == 1
    assert probe.main([served.address, "coordinator", "liveness"]) == 0


def test_nobody_listening_is_not_serving(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:  # bound but not listening: refuses connections and keeps the port from others
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        assert probe.main([address]) == 1
    assert capsys.readouterr().out == f"{address} UNAVAILABLE\n"


def test_a_server_that_says_nothing_is_given_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert probe.health(f"127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=0.2) == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize("arguments", [[], ["127.0.0.1:1", "customer", "liveness", "more"]])
def test_wrong_use_is_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.main(arguments) == 2
    assert capsys.readouterr().err.startswith("usage:")


def test_it_runs_as_a_module(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.health.set("", SERVING)
    monkeypatch.setattr(sys, "argv", ["probe", served.address])
    monkeypatch.delitem(sys.modules, "shared.rpc.probe")
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("shared.rpc.probe", run_name="__main__")
    assert stopped.value.code == 0
