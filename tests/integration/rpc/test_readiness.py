"""Health follows what an agent can do: it says no when a check fails, why, and yes again when all is well."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import REGISTRY

from shared.config import Settings
from shared.db.condition import DatabaseCondition
from shared.db.engine import Database
from shared.errors import DataLoss, Unavailable
from shared.rpc import readiness
from shared.rpc.client import open_channel
from shared.rpc.readiness import Check
from shared.rpc.server import AgentServer
from tests.support.shop import add_products

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "LOOK_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(readiness, "CHECK_SECONDS", 0.2)


class Problem:
    """A check that finds what it is told to."""

    def __init__(self) -> None:
        self.found = ""
        self.error: Exception | None = None

    def __call__(self) -> str:
        if self.error:
            raise self.error
        return self.found


@asynccontextmanager
async def health_of(checks: dict[str, Check]) -> AsyncIterator[health_pb2_grpc.HealthStub]:
    settings = Settings(product_port=0, drain_seconds=0)
    server = AgentServer("product", settings, [], checks)
    port = await server.start()
    async with open_channel(f"127.0.0.1:{port}") as channel:
        yield health_pb2_grpc.HealthStub(channel)
    await server.stop()


async def becomes(stub: health_pb2_grpc.HealthStub, state: int, name: str = "") -> None:
    async with asyncio.timeout(10):
        while (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status != state:  # type: ignore[attr-defined]
            await asyncio.sleep(0.005)


async def test_health_follows_the_checks_and_liveness_does_not() -> None:
    problem = Problem()
    async with health_of({"database": problem, "other": lambda: ""}) as stub:
        await becomes(stub, SERVING)
        for error, found in ((None, "locked out"), (Unavailable("away"), ""), (RuntimeError("bug"), "")):
            problem.error, problem.found = error, found
            await becomes(stub, NOT_SERVING)
            await becomes(stub, SERVING, readiness.LIVENESS)
            assert gauge("database") == 0
            assert gauge("other") == 1
            problem.error, problem.found = None, ""
            await becomes(stub, SERVING)
            assert gauge("database") == 1


async def test_a_single_check_has_a_health_of_its_own() -> None:
    async with health_of({"database": lambda: "away", "model": lambda: ""}) as stub:
        await becomes(stub, NOT_SERVING)
        await becomes(stub, NOT_SERVING, "check/database")
        await becomes(stub, SERVING, "check/model")


async def test_a_check_that_hangs_is_a_failed_one_and_runs_once() -> None:
    release, running = threading.Event(), []

    def hang() -> str:
        running.append(1)
        release.wait(30)
        return ""

    async with health_of({"database": hang}) as stub:
        await becomes(stub, NOT_SERVING)
        await asyncio.sleep(0.5)
        assert len(running) == 1
        release.set()
        await becomes(stub, SERVING)


async def test_the_reason_is_logged_once(capfd: pytest.CaptureFixture[str]) -> None:
    problem = Problem()
    problem.found = "no space left"
    async with health_of({"database": problem}) as stub:
        await becomes(stub, NOT_SERVING)
        problem.found = ""
        await becomes(stub, SERVING)
    said = capfd.readouterr()
    assert (said.out + said.err).count("no space left") == 1


def test_a_database_that_works_has_no_problem(database: Database) -> None:
    condition = DatabaseCondition(database, writes=True)
    assert condition.problem() == ""
    with database.write():
        assert condition.problem() == "", "somebody else's lock is no fault"
    assert condition.problem() == ""
    condition.close()


def test_a_database_that_takes_no_writes_is_a_problem_of_agents_that_write(sqlite_database: Database) -> None:
    read_only = Database(f"sqlite:///file:{sqlite_database.file}?mode=ro&uri=true")
    reader, writer = (DatabaseCondition(read_only, writes=writes) for writes in (False, True))
    assert reader.problem() == ""
    assert writer.problem() == "the database takes no writes (SQLITE_READONLY)"
    reader.close()
    writer.close()
    read_only.close()


def test_a_damaged_page_is_a_problem_until_it_is_mended(sqlite_database: Database) -> None:
    add_products(sqlite_database, *(f"p{number}" for number in range(500)), description="x" * 400)
    file = sqlite_database.file
    assert file is not None
    condition = DatabaseCondition(sqlite_database, writes=True)
    sqlite_database.close()
    whole = file.read_bytes()
    pages = [whole[begin : begin + 4096] for begin in range(0, len(whole), 4096)]
    inner = next(number for number, page in enumerate(pages) if b"p250" in page and number > 0)
    file.write_bytes(b"".join(pages[:inner]) + b"\xff" * 4096 + b"".join(pages[inner + 1 :]))
    assert condition.problem() == "", "a page that nobody has read yet"
    with pytest.raises(DataLoss), sqlite_database.read() as connection:
        connection.exec_driver_sql("SELECT count(description), max(name) FROM products").all()
    assert "damaged" in condition.problem()
    assert "damaged" in condition.problem(), "it stays so"
    sqlite_database.close()
    condition.close()
    file.write_bytes(whole)
    assert condition.problem() == ""
    condition.close()


def gauge(check: str) -> float | None:
    return REGISTRY.get_sample_value("quintet_ready", {"agent": "product", "check": check})
