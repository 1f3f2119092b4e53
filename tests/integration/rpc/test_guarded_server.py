"""Keys and certificates over real gRPC: who gets in, what is read before, and what a renewal changes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from quintet.product.v1 import product_service_pb2 as pb
from quintet.product.v1 import product_service_pb2_grpc as pb_grpc

from shared.api_keys import Caller, Role
from shared.config import Settings
from shared.errors import Overloaded, PermissionDenied, Unauthenticated, Unavailable
from shared.limits import FRAME_BYTES
from shared.rpc import probe, renewing_channel
from shared.rpc import server as server_module
from shared.rpc.authentication import Authenticator, Metadata
from shared.rpc.client import call, open_channel
from shared.rpc.guard import Guard
from shared.rpc.interceptor import EdgeInterceptor
from shared.rpc.rights import RIGHTS, Right, Work
from shared.rpc.server import AgentServer, Service
from shared.rpc.status import DETAILS_KEY
from shared.rpc.tls import TlsFiles
from tests.support.certificates import AGENTS_CA, OTHER_CA, write

NAME = "quintet.product.v1.ProductService"
GET = f"/{NAME}/GetProduct"
ASKED = pb.GetProductRequest(product_id="tea")


class Servicer(pb_grpc.ProductServiceServicer):
    """Answers at once, or when it is let."""

    def __init__(self) -> None:
        self.calls = 0
        self.release: asyncio.Event | None = None

    async def GetProduct(self, request: pb.GetProductRequest, context: Any) -> pb.GetProductResponse:
        self.calls += 1
        if self.release is not None:
            await self.release.wait()
        return pb.GetProductResponse(product={"product_id": request.product_id})


class OneKey:
    """Knows one key."""

    async def authenticate(self, metadata: Metadata) -> Caller:
        if dict(metadata).get("x-api-key") != "right":
            raise Unauthenticated("no key")
        return Caller("k", Role.STOREFRONT)


class Details(NamedTuple):
    method: str
    invocation_metadata: Metadata


class Aborted:
    """The context of a call that is made in this process."""

    def __init__(self) -> None:
        self.ended: list[grpc.StatusCode] = []

    def invocation_metadata(self) -> Metadata:
        return ()

    def time_remaining(self) -> None:
        return None

    def code(self) -> None:
        return None

    async def abort(self, code: grpc.StatusCode, *_: object) -> None:
        self.ended.append(code)
        raise grpc.aio.AbortError


async def found(_: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(lambda *_: None)


@asynccontextmanager
async def slow_proxy(port: int, seconds: float) -> AsyncIterator[int]:
    """Give a port that leads to `port`; the first answer on each connection comes late."""

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, back, 0), copy(there, writer, seconds))

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter, pause: float) -> None:
        while data := await source.read(65_536):
            await asyncio.sleep(pause)
            pause = 0
            target.write(data)
        target.close()

    proxy = await asyncio.start_server(lead, "127.0.0.1", 0)
    yield int(proxy.sockets[0].getsockname()[1])
    proxy.close()


@asynccontextmanager
async def serving(
    servicer: Servicer, authenticator: Authenticator | None = None, **settings: Any
) -> AsyncIterator[AgentServer]:
    given = Settings(product_port=0, drain_seconds=0.1, **settings)
    service = Service(servicer, pb_grpc.add_ProductServiceServicer_to_server, NAME)
    server = AgentServer("product", given, [service], authenticator=authenticator)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def open_to_storefronts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RIGHTS, GET, Right(frozenset({Role.STOREFRONT}), Work.WRITE))


def given(files: TlsFiles) -> dict[str, str]:
    return {"agents_tls_cert": files.certificate, "agents_tls_key": files.key, "agents_tls_ca": files.ca}


async def ask(port: int, tls: TlsFiles | None = None, name: str = "product") -> str:
    async with open_channel(f"127.0.0.1:{port}", tls=tls, name=name) as channel:
        answer = await call(pb_grpc.ProductServiceStub(channel).GetProduct, ASKED, 5)  # type: ignore[no-untyped-call]
        return str(answer.product.product_id)


async def raw(channel: grpc.aio.Channel, data: bytes, key: str = "right") -> grpc.StatusCode:
    try:
        await channel.unary_unary(GET)(data, metadata=(("x-api-key", key),), timeout=5)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


@pytest.mark.usefixtures("open_to_storefronts")
async def test_a_call_needs_a_key_but_a_health_check_does_not() -> None:
    servicer = Servicer()
    async with serving(servicer, OneKey()) as server, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        assert await raw(channel, b"") is grpc.StatusCode.OK
        assert await raw(channel, b"", "wrong") is grpc.StatusCode.UNAUTHENTICATED
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())  # type: ignore[attr-defined]
        assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert servicer.calls == 1


async def test_a_key_of_another_role_is_told_which_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RIGHTS, GET, Right(frozenset({Role.ADMIN}), Work.WRITE))
    async with (
        serving(Servicer(), OneKey()) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError, match="is for admin") as caught:
            await channel.unary_unary(GET)(b"", metadata=(("x-api-key", "right"),), timeout=5)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.usefixtures("open_to_storefronts")
async def test_a_refused_call_is_answered_without_its_request() -> None:
    async with (
        serving(Servicer(), OneKey()) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        started = channel.stream_unary(GET)(metadata=(("x-api-key", "wrong"),), timeout=5)
        # not one message was sent, and the stream is open: the answer cannot have waited for it
        assert await started.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_calls_from_this_process_are_refused_alike() -> None:
    edge = EdgeInterceptor("product", guard=Guard(OneKey()))
    handler = await edge.intercept_service(found, Details(GET, [("x-api-key", "wrong")]))
    for context in (Aborted(), Aborted()):
        with pytest.raises(grpc.aio.AbortError):
            await handler.stream_unary(None, context)
        with pytest.raises(grpc.aio.AbortError):
            [_ async for _ in handler.stream_stream(None, context)]
        assert context.ended == [grpc.StatusCode.UNAUTHENTICATED] * 2


@pytest.mark.usefixtures("open_to_storefronts")
async def test_bytes_that_are_no_message_are_the_callers_fault() -> None:
    async with (
        serving(Servicer(), OneKey()) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        assert await raw(channel, b"\xff\xff") is grpc.StatusCode.INVALID_ARGUMENT
        too_long = b"\x0a" + b"a" * (Work.WRITE.limits.bytes + FRAME_BYTES)
        assert await raw(channel, too_long) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_overloaded_server_says_when_to_call_again() -> None:
    servicer = Servicer()
    servicer.release = asyncio.Event()
    async with serving(servicer) as server, open_channel(f"127.0.0.1:{server.port}") as channel:
        server.guard.admission.places = 2.0
        stub: Any = pb_grpc.ProductServiceStub(channel)  # type: ignore[no-untyped-call]
        held = [asyncio.ensure_future(call(stub.GetProduct, ASKED, 30)) for _ in range(2)]
        while server.guard.admission.taken < 2:
            await asyncio.sleep(0.005)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetProduct(ASKED, timeout=5)
        details = status_pb2.Status.FromString(dict(caught.value.trailing_metadata())[DETAILS_KEY])  # type: ignore[arg-type]
        retry = error_details_pb2.RetryInfo()
        assert any(each.Unpack(retry) for each in details.details)
        assert retry.retry_delay.ToTimedelta().total_seconds() > 0
        servicer.release.set()
        await asyncio.gather(*held)
        server.guard.admission.places = 0.0
        with pytest.raises(Overloaded):
            await call(stub.GetProduct, ASKED, 5)
    assert server.guard.admission.taken == 0


async def test_calls_in_progress_have_an_end_also_where_nobody_counts_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MOST_CALLS", 2)
    servicer = Servicer()
    servicer.release = asyncio.Event()
    async with serving(servicer) as server, open_channel(f"127.0.0.1:{server.port}") as channel:
        get = pb_grpc.ProductServiceStub(channel).GetProduct
        held = [asyncio.ensure_future(call(get, ASKED, 30)) for _ in range(2)]
        async with asyncio.timeout(10):
            while servicer.calls < 2:
                await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await call(get, ASKED, 30)
        servicer.release.set()
        assert [answer.product.product_id for answer in await asyncio.gather(*held)] == ["tea", "tea"]


async def test_a_call_that_its_caller_gives_up_gives_its_place_back() -> None:
    servicer = Servicer()
    servicer.release = asyncio.Event()
    async with serving(servicer) as server, open_channel(f"127.0.0.1:{server.port}") as channel:
        waiting = pb_grpc.ProductServiceStub(channel).GetProduct(ASKED, timeout=30)  # type: ignore[no-untyped-call]
        async with asyncio.timeout(10):
            while not servicer.calls:
                await asyncio.sleep(0.005)
            assert server.guard.admission.taken == 1
            waiting.cancel()
            while server.guard.admission.taken:
                await asyncio.sleep(0.005)


async def test_an_agent_answers_the_coordinator_and_itself_alone(tmp_path: Path) -> None:
    async with serving(Servicer(), **given(write(tmp_path, "product"))) as server:
        for name in ("coordinator", "product"):
            assert await ask(server.port, write(tmp_path, name)) == "tea"
        with pytest.raises(PermissionDenied):
            await ask(server.port, write(tmp_path, "customer"))


async def test_nobody_gets_in_without_a_certificate_of_the_agents(tmp_path: Path) -> None:
    product = write(tmp_path, "product")
    async with serving(Servicer(), **given(product)) as server:
        stranger = write(tmp_path, "stranger", "coordinator", ca=OTHER_CA)
        unshown = TlsFiles(ca=product.ca)
        for tls in (None, unshown, TlsFiles(stranger.certificate, stranger.key, product.ca)):
            with pytest.raises(Unavailable):
                await ask(server.port, tls)


async def test_an_agent_that_shows_another_name_is_not_called(tmp_path: Path) -> None:
    async with serving(Servicer(), **given(write(tmp_path, "product"))) as server:
        with pytest.raises(Unavailable):
            await ask(server.port, write(tmp_path, "coordinator"), "customer")


async def test_a_handshake_may_take_its_time(tmp_path: Path) -> None:
    coordinator, product = write(tmp_path, "coordinator"), write(tmp_path, "product")
    async with serving(Servicer(), **given(product)) as server, slow_proxy(server.port, seconds=0.4) as port:
        assert await ask(port, coordinator) == "tea"


async def test_a_renewed_certificate_is_shown_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewing_channel, "LOOK_SECONDS", 0.0)
    coordinator, product = write(tmp_path, "coordinator"), write(tmp_path, "product")
    async with (
        serving(Servicer(), **given(product)) as server,
        open_channel(f"127.0.0.1:{server.port}", tls=coordinator, name="product") as channel,
    ):
        stub: Any = pb_grpc.ProductServiceStub(channel)  # type: ignore[no-untyped-call]
        assert (await call(stub.GetProduct, ASKED, 5)).product.product_id == "tea"
        # both sides change to another CA: only who reads the files anew still understands the other
        write(tmp_path, "product", ca=OTHER_CA)
        write(tmp_path, "coordinator", ca=OTHER_CA)
        assert (await call(stub.GetProduct, ASKED, 5)).product.product_id == "tea"
        old = write(tmp_path, "old", "coordinator", ca=AGENTS_CA)
        with pytest.raises(Unavailable):
            await ask(server.port, old)


async def test_files_that_cannot_be_used_leave_the_ones_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewing_channel, "LOOK_SECONDS", 0.0)
    coordinator, product = write(tmp_path, "coordinator"), write(tmp_path, "product")
    async with (
        serving(Servicer(), **given(product)) as server,
        open_channel(f"127.0.0.1:{server.port}", tls=coordinator, name="product") as channel,
    ):
        stub: Any = pb_grpc.ProductServiceStub(channel)  # type: ignore[no-untyped-call]
        kept = write(tmp_path, "kept", "coordinator")
        Path(product.certificate).write_text("half a file")
        Path(coordinator.key).unlink()
        assert (await call(stub.GetProduct, ASKED, 5)).product.product_id == "tea"
        assert await ask(server.port, kept) == "tea"


async def test_the_probe_and_the_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = given(write(tmp_path, "product"))
    for name, value in files.items():
        monkeypatch.setenv(f"QUINTET_{name.upper()}", value)
    async with serving(Servicer(), **files) as server:
        address = f"127.0.0.1:{server.port}"
        assert await asyncio.to_thread(probe.health, address, "product") == "SERVING"
        assert await asyncio.to_thread(probe.health, address, "coordinator") == "UNAVAILABLE"


async def test_the_probe_trusts_the_public_certificate_whoever_signed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write(tmp_path, "public", "shop.example", ca=OTHER_CA)
    public = {"tls_cert": files.certificate, "tls_key": files.key}
    for name, value in public.items():
        monkeypatch.setenv(f"QUINTET_{name.upper()}", value)
    settings = Settings(coordinator_port=0, drain_seconds=0.1, **public)
    server = AgentServer("coordinator", settings, [])
    port = await server.start()
    assert await asyncio.to_thread(probe.health, f"127.0.0.1:{port}", "coordinator") == "SERVING"
    await server.stop()


@pytest.mark.parametrize("wrong", ["missing", "mixed"])
async def test_a_server_does_not_start_with_files_that_cannot_be_used(tmp_path: Path, wrong: str) -> None:
    files = write(tmp_path, "product")
    other = "/nowhere" if wrong == "missing" else write(tmp_path, "other").key
    with pytest.raises(Exception, match="cannot"):
        async with serving(Servicer(), **given(TlsFiles(files.certificate, other, files.ca))):
            pass
