"""A coordinator that tests of commands stand in for, and commands that are run against it."""

import re
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager

import grpc
from click.testing import Result
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from typer.testing import CliRunner

from cli.main import app


@contextmanager
def opened(servicer: pb_grpc.CoordinatorServiceServicer) -> Iterator[str]:
    """Serve a coordinator on loopback and give its address."""
    server = grpc.server(futures.ThreadPoolExecutor(1))
    pb_grpc.add_CoordinatorServiceServicer_to_server(servicer, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield address
    server.stop(None)


def invoke(*arguments: str) -> tuple[Result, str]:
    """Run a command; return how it ended and what it said, without colours."""
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "TERM": "dumb"})
    return result, re.sub(r"\x1b\[[0-9;]*m", "", result.output)
