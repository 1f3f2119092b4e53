"""What every server and client does alike, over real gRPC on a free port."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import REGISTRY
from quintet.customer.v1 import customer_service_pb2 as customer_pb
from quintet.customer.v1 import customer_service_pb2_grpc as customer_grpc
from quintet.product.v1 import product_service_pb2 as pb
from quintet.product.v1 import product_service_pb2_grpc as pb_grpc
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.job_pb2 import JobProgress

from shared.config import Settings
from shared.errors import (
    AlreadyExists,
    Conflict,
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    MessageTooLarge,
    NotFound,
    Overloaded,
    QuintetError,
    Unavailable,
)
from shared.limits import KIB, MAX_ELEMENT_BYTES, MAX_MESSAGE_BYTES, MAX_READ_BYTES
from shared.rpc import server as server_module
from shared.rpc.client import BY_SHOPPER, IN_TURN, call, open_channel, stream
from shared.rpc.deadline import ANSWER_SECONDS
from shared.rpc.interceptor import LEAST_TO_REPEAT_SECONDS, deadline
from shared.rpc.server import AgentServer, Service
from shared.rpc.status import DETAILS_KEY
from shared.telemetry import request_id

NAME = "quintet.product.v1.ProductService"
PASSED_ON = pb.GetProductResponse(product={"product_id": "as it came"})
ERRORS = {
    "invalid": InvalidArgument.of("product_id", "invalid", "must be valid"),
    "missing": NotFound.of("product", "missing", "product_id"),
    "exists": AlreadyExists.of("product", "exists"),
    "conflict": Conflict("busy"),
    "precondition": FailedPrecondition("not yet"),
    "unavailable": Unavailable("try later"),
    "overloaded": Overloaded("too much to do"),
    "too large": MessageTooLarge.of(MAX_MESSAGE_BYTES),
    "database": Unavailable("no database", reason=ErrorReason.DATABASE_UNAVAILABLE),
    "loss": DataLoss("checksum"),
    "internal": QuintetError("odd"),
}


class Servicer(pb_grpc.ProductServiceServicer):
    """Answers by the product id: with an error of that name, the request id, or the time left."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.waiting = asyncio.Event()
        self.asked = 0

    async def GetProduct(self, request: pb.GetProductRequest, context: Any) -> pb.GetProductResponse | bytes:
        self.asked += 1
        if request.product_id in ERRORS:
            raise ERRORS[request.product_id]
        if request.product_id == "bug":
            raise ZeroDivisionError
        if request.product_id == "abort":
            await context.abort(grpc.StatusCode.OUT_OF_RANGE, "as it says")
        if request.product_id == "wait":
            self.waiting.set()
            await self.release.wait()
        if request.product_id == "bytes":
            return PASSED_ON.SerializeToString()
        response = pb.GetProductResponse()
        response.product.product_id = request_id.get()
        response.product.average_rating = (deadline.get() or 0.0) - time.monotonic()
        return response

    async def RefreshCatalog(
        self, request: pb.RefreshCatalogRequest, context: Any
    ) -> AsyncIterator[pb.RefreshCatalogResponse]:
        yield pb.RefreshCatalogResponse(progress=JobProgress(stage="half", progress=0.5))
        raise Conflict("busy")


@pytest.fixture
async def servicer() -> Servicer:
    return Servicer()


@pytest.fixture
async def server(servicer: Servicer) -> AsyncIterator[AgentServer]:
    settings = Settings(product_port=0, drain_seconds=5)
    service = Service(servicer, pb_grpc.add_ProductServiceServicer_to_server, NAME)
    server = AgentServer("product", settings, [service])
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def channel(server: AgentServer) -> AsyncIterator[grpc.aio.Channel]:
    channel = open_channel(f"127.0.0.1:{server.port}")
    yield channel
    await channel.close()


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    return pb_grpc.ProductServiceStub(channel)


@pytest.mark.parametrize("name", ERRORS)
async def test_an_error_arrives_as_it_was_raised(stub: Any, name: str) -> None:
    with pytest.raises(type(ERRORS[name])) as caught:
        await call(stub.GetProduct, pb.GetProductRequest(product_id=name), 5)
    assert caught.value.message == ERRORS[name].message
    assert caught.value.violations == ERRORS[name].violations
    assert (caught.value.code, caught.value.reason) == (ERRORS[name].code, ERRORS[name].reason)
    assert caught.value.metadata == ERRORS[name].metadata


def details_of(error: grpc.aio.AioRpcError) -> tuple[Any, dict[str, Any]]:
    """Return the status and its details by the names of their messages."""
    raw = dict(error.trailing_metadata() or ())[DETAILS_KEY]
    status = status_pb2.Status.FromString(raw)  # type: ignore[arg-type]
    found = {}
    for detail in status.details:
        name = detail.TypeName().removeprefix("google.rpc.")
        found[name] = getattr(error_details_pb2, name).FromString(detail.value)
    return status, found


async def refused(method: Any, request: Any, **options: Any) -> tuple[Any, dict[str, Any]]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await method(request, **options)
    status, details = details_of(caught.value)
    assert status.code == caught.value.code().value[0]
    assert status.message == caught.value.details()
    return status, details


async def test_an_error_carries_rich_details_for_any_client(stub: Any) -> None:
    request = pb.GetProductRequest(product_id="unavailable")
    _, details = await refused(stub.GetProduct, request, metadata=(("x-request-id", "r-1"),))
    assert (details["ErrorInfo"].reason, details["ErrorInfo"].domain) == ("AGENT_UNAVAILABLE", "quintet")
    assert details["RequestInfo"].request_id == "r-1"
    assert details["RetryInfo"].retry_delay.ToMilliseconds() == 1000
    _, details = await refused(stub.GetProduct, pb.GetProductRequest(product_id="invalid"))
    assert dict(details["ErrorInfo"].metadata) == {"field": "product_id"}
    assert details["BadRequest"].field_violations[0].field == "product_id"


async def test_a_bug_is_internal_and_tells_nothing_but_where_to_look(stub: Any) -> None:
    request = pb.GetProductRequest(product_id="bug")
    status, details = await refused(stub.GetProduct, request, metadata=(("x-request-id", "r-2"),))
    assert status.message == "internal error, see the log of product for request r-2"
    assert details["ErrorInfo"].reason == "INTERNAL_FAULT"
    assert details["RequestInfo"].request_id == "r-2"


async def test_a_method_that_does_not_exist_is_refused_with_details(channel: grpc.aio.Channel) -> None:
    unary, streaming = channel.unary_unary(f"/{NAME}/Nothing"), channel.stream_unary("/nobody.v1.Service/Call")
    for method, request in ((unary, b""), (streaming, iter([b"a", b"b"]))):
        status, details = await refused(method, request)
        assert status.code == grpc.StatusCode.UNIMPLEMENTED.value[0]
        assert details["ErrorInfo"].reason == "METHOD_NOT_FOUND"


async def test_bytes_that_are_no_message_are_the_callers_fault(channel: grpc.aio.Channel) -> None:
    status, details = await refused(channel.unary_unary(f"/{NAME}/GetProduct"), b"\xff\xff\xff")
    assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert details["ErrorInfo"].reason == "MESSAGE_MALFORMED"


async def test_a_message_that_is_too_large_is_refused_with_its_limit(server: AgentServer) -> None:
    unlimited = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=unlimited) as channel:
        request = pb.GetProductRequest(product_id="x" * (MAX_MESSAGE_BYTES + 2 * KIB))
        status, details = await refused(pb_grpc.ProductServiceStub(channel).GetProduct, request)
    assert status.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert details["ErrorInfo"].reason == "MESSAGE_TOO_LARGE"
    assert details["ErrorInfo"].metadata["limit"] == str(MAX_ELEMENT_BYTES)


async def test_a_refusal_is_logged_without_the_values_of_the_request(
    stub: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidArgument):
        await call(stub.GetProduct, pb.GetProductRequest(product_id="invalid"), 5)
    said = "".join(capsys.readouterr())
    assert "call refused" in said
    assert "FIELD_INVALID" in said
    assert "must be valid" not in said


async def test_an_abort_of_the_servicer_passes_through(stub: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetProduct(pb.GetProductRequest(product_id="abort"))
    assert caught.value.code() is grpc.StatusCode.OUT_OF_RANGE


async def test_the_request_id_travels_and_is_made_where_there_is_none(stub: Any) -> None:
    made = await call(stub.GetProduct, pb.GetProductRequest(), 5)
    assert len(made.product.product_id) == 32
    token = request_id.set("order-7")
    given = await call(stub.GetProduct, pb.GetProductRequest(), 5)
    request_id.reset(token)
    assert given.product.product_id == "order-7"


async def test_the_callers_deadline_is_handed_down_and_bounds_the_call(stub: Any, servicer: Servicer) -> None:
    token = deadline.set(time.monotonic() + 3)
    answer = await call(stub.GetProduct, pb.GetProductRequest(), 100)
    assert 0 < answer.product.average_rating <= 3.1  # the wire rounds the time that is left
    deadline.set(time.monotonic() + 0.05)
    with pytest.raises(Unavailable):
        await call(stub.GetProduct, pb.GetProductRequest(product_id="wait"), 100)
    deadline.reset(token)
    servicer.release.set()


def counted(code: str) -> float:
    labels = {"agent": "product", "method": f"/{NAME}/GetProduct", "code": code}
    return REGISTRY.get_sample_value("quintet_rpc_seconds_count", labels) or 0.0


async def until_counted(code: str, count: float) -> None:
    async with asyncio.timeout(10):
        while counted(code) < count:
            await asyncio.sleep(0.001)


async def test_a_call_that_is_not_answered_in_time_is_counted_as_such(stub: Any) -> None:
    ok, late = counted("OK"), counted("DEADLINE_EXCEEDED")
    with pytest.raises(Unavailable):
        await call(stub.GetProduct, pb.GetProductRequest(product_id="wait"), 0.05)
    await until_counted("DEADLINE_EXCEEDED", late + 1)
    assert counted("OK") == ok


async def test_a_call_that_its_caller_gives_up_is_counted_as_cancelled(stub: Any, servicer: Servicer) -> None:
    ok, cancelled = counted("OK"), counted("CANCELLED")
    asked = stub.GetProduct(pb.GetProductRequest(product_id="wait"))
    sent = asyncio.create_task(asked.code())
    await servicer.waiting.wait()
    asked.cancel()
    await sent
    await until_counted("CANCELLED", cancelled + 1)
    assert counted("OK") == ok


async def test_a_part_of_the_deadline_is_kept_for_work_after_the_call(stub: Any) -> None:
    token = deadline.set(time.monotonic() + 3)
    answer = await call(stub.GetProduct, pb.GetProductRequest(), 100, reserve_seconds=2)
    assert 0 < answer.product.average_rating <= 1.6, "but never more than half"
    answer = await call(stub.GetProduct, pb.GetProductRequest(), 100, reserve_seconds=1)
    assert 1.5 < answer.product.average_rating <= 2.1
    deadline.reset(token)


async def test_a_caller_is_told_in_time_of_an_agent_that_does_not_answer(stub: Any, servicer: Servicer) -> None:
    until = time.monotonic() + 1
    token = deadline.set(until)
    answer = await call(stub.GetProduct, pb.GetProductRequest(), 100)
    assert 0 < answer.product.average_rating < 1 - 0.9 * ANSWER_SECONDS, "the agent is given less"
    with pytest.raises(Unavailable):
        await call(stub.GetProduct, pb.GetProductRequest(product_id="wait"), 100)
    assert time.monotonic() < until
    deadline.reset(token)
    servicer.release.set()


@pytest.mark.parametrize(("left", "asked"), [(5.0, 3), (LEAST_TO_REPEAT_SECONDS - 0.1, 1)])
async def test_grpc_repeats_only_what_it_has_time_for(stub: Any, servicer: Servicer, left: float, asked: int) -> None:
    name = next(name for name, error in ERRORS.items() if type(error) is Unavailable)
    with pytest.raises(Unavailable) as caught:
        await call(stub.GetProduct, pb.GetProductRequest(product_id=name), left)
    assert caught.value.message == ERRORS[name].message, "the error itself arrives"
    assert servicer.asked == asked


async def test_an_answer_in_bytes_is_sent_as_it_is(stub: Any) -> None:
    answer = await call(stub.GetProduct, pb.GetProductRequest(product_id="bytes"), 5)
    assert answer.product.product_id == "as it came"


async def test_a_stream_gives_what_there_is_and_then_the_error(stub: Any) -> None:
    answers = stream(stub.RefreshCatalog, pb.RefreshCatalogRequest())
    assert (await anext(answers)).progress.stage == "half"
    with pytest.raises(Conflict, match="busy"):
        await anext(answers)


async def test_nobody_there_is_unavailable() -> None:
    channel = open_channel("127.0.0.1:1")
    with pytest.raises(Unavailable) as caught:
        await call(pb_grpc.ProductServiceStub(channel).GetProduct, pb.GetProductRequest(), 2)
    await channel.close()
    assert "127.0.0.1" not in caught.value.message
    assert caught.value.reason == ErrorReason.AGENT_UNAVAILABLE


async def test_what_a_channel_does_not_send_is_too_large_and_no_overload(stub: Any) -> None:
    with pytest.raises(MessageTooLarge):
        await call(stub.GetProduct, pb.GetProductRequest(product_id="x" * MAX_READ_BYTES), 5)


async def test_health_answers(server: AgentServer, channel: grpc.aio.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", NAME):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service))  # type: ignore[attr-defined]
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_answers_in_both_versions(channel: grpc.aio.Channel, version: str) -> None:
    package = f"grpc.reflection.{version}"
    pool = descriptor_pool.Default()
    asked, said = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.ServerReflection{name}"))
        for name in ("Request", "Response")
    )
    method = channel.stream_stream(
        f"/{package}.ServerReflection/ServerReflectionInfo",
        request_serializer=asked.SerializeToString,
        response_deserializer=said.FromString,
    )
    wanted = (f"{package}.ServerReflection", NAME)
    requests = [asked(list_services=""), *(asked(file_containing_symbol=name) for name in wanted)]
    listed, *described = [answer async for answer in method(iter(requests))]
    names = {service.name for service in listed.list_services_response.service}
    assert {NAME, "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"} <= names
    for answer in described:
        assert answer.file_descriptor_response.file_descriptor_proto, answer


async def test_a_stop_lets_calls_in_progress_end(server: AgentServer, stub: Any, servicer: Servicer) -> None:
    waiting = asyncio.ensure_future(call(stub.GetProduct, pb.GetProductRequest(product_id="wait"), 10))
    await call(stub.GetProduct, pb.GetProductRequest(), 5)
    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(0)
    servicer.release.set()
    assert await waiting
    await stopping


async def test_a_taken_port_is_an_error(server: AgentServer) -> None:
    with pytest.raises(RuntimeError):
        await AgentServer("product", Settings(product_port=server.port), []).start()


@pytest.fixture
async def replicas() -> AsyncIterator[list[AgentServer]]:
    servers = []
    for number in range(3):
        service = Service(Replica(number), pb_grpc.add_ProductServiceServicer_to_server, NAME)
        servers.append(AgentServer("product", Settings(product_port=0, drain_seconds=0), [service]))
        await servers[-1].start()
    yield servers
    for server in servers:
        await server.stop()


class Replica(pb_grpc.ProductServiceServicer):
    """Answers with its number."""

    def __init__(self, number: int) -> None:
        self._number = number

    async def GetProduct(self, request: pb.GetProductRequest, context: Any) -> pb.GetProductResponse:
        return pb.GetProductResponse(product={"name": str(self._number)})


async def answered_by(channel: grpc.aio.Channel, shoppers: Sequence[str]) -> list[int]:
    """Return which replica answered the call for each shopper."""
    method = pb_grpc.ProductServiceStub(channel).GetProduct
    answers = [await call(method, pb.GetProductRequest(), 5, shopper=shopper) for shopper in shoppers]
    return [int(answer.product.name) for answer in answers]


SHOPPERS = [f"shopper-{number}" for number in range(60)] + ["買い物客", "a b", "\n"]


def target(servers: Sequence[AgentServer]) -> str:
    return "ipv4:" + ",".join(f"127.0.0.1:{server.port}" for server in servers)


async def test_a_shopper_stays_with_a_replica_and_all_have_some(replicas: list[AgentServer]) -> None:
    first, again = (open_channel(target(replicas), BY_SHOPPER) for _ in range(2))
    before = await answered_by(first, SHOPPERS)
    assert set(before) == {0, 1, 2}
    assert await answered_by(first, SHOPPERS) == before
    assert await answered_by(again, SHOPPERS) == before  # another coordinator
    await first.close()
    await again.close()


async def test_only_the_shoppers_of_a_replica_that_is_gone_move(replicas: list[AgentServer]) -> None:
    channel = open_channel(target(replicas), BY_SHOPPER)
    before = await answered_by(channel, SHOPPERS)
    await replicas[1].stop()
    after = await answered_by(channel, SHOPPERS)
    assert 1 not in after
    assert all(then == now for then, now in zip(before, after, strict=True) if then != 1)
    await channel.close()


async def test_without_a_shopper_any_replica_answers(replicas: list[AgentServer]) -> None:
    channel = open_channel(target(replicas), BY_SHOPPER)
    assert set(await answered_by(channel, [""] * 100)) == {0, 1, 2}
    await channel.close()


async def test_other_agents_are_called_in_turn(replicas: list[AgentServer]) -> None:
    channel = open_channel(target(replicas), IN_TURN)
    while len(set(await answered_by(channel, ["the same"] * 3))) < 3:  # until all are connected
        pass
    assert sorted(await answered_by(channel, ["the same"] * 6)) == [0, 0, 1, 1, 2, 2]
    await channel.close()


class Refusing(customer_grpc.CustomerServiceServicer):
    """Answers every call with UNAVAILABLE, as after a connection that broke off, and counts them."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def GetProfile(self, request: Any, context: Any) -> Any:
        self.calls.append("GetProfile")
        raise Unavailable("try later")

    async def EraseCustomer(self, request: Any, context: Any) -> Any:
        self.calls.append("EraseCustomer")
        raise Unavailable("try later")

    async def UpsertCustomers(self, request: Any, context: Any) -> Any:
        self.calls.append("UpsertCustomers")
        raise Unavailable("try later")


@pytest.mark.parametrize(("method", "times"), [("GetProfile", 3), ("EraseCustomer", 1), ("UpsertCustomers", 1)])
async def test_only_what_may_be_done_twice_is_repeated(method: str, times: int) -> None:
    servicer = Refusing()
    name = "quintet.customer.v1.CustomerService"
    service = Service(servicer, customer_grpc.add_CustomerServiceServicer_to_server, name)
    server = AgentServer("customer", Settings(customer_port=0, drain_seconds=0), [service])
    channel = open_channel(f"127.0.0.1:{await server.start()}")
    asked = {"GetProfile": customer_pb.GetProfileRequest, "EraseCustomer": customer_pb.EraseCustomerRequest}
    request = asked.get(method, customer_pb.UpsertCustomersRequest)()
    with pytest.raises(Unavailable):
        await call(getattr(customer_grpc.CustomerServiceStub(channel), method), request, 10)
    assert servicer.calls == [method] * times
    await channel.close()
    await server.stop()


async def test_pings_of_a_quiet_stream_do_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a long stage of a job; time goes ten times as fast: without the option it ended after 4 s."""
    assert server_module.LEAST_PING_INTERVAL_MS < 10_000
    monkeypatch.setattr(server_module, "LEAST_PING_INTERVAL_MS", server_module.LEAST_PING_INTERVAL_MS // 10)
    servicer = Servicer()
    service = Service(servicer, pb_grpc.add_ProductServiceServicer_to_server, NAME)
    server = AgentServer("product", Settings(product_port=0, drain_seconds=0), [service])
    pings = [("grpc.keepalive_time_ms", 1_000), ("grpc.http2.max_pings_without_data", 0)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{await server.start()}", options=pings) as channel:
        stub = pb_grpc.ProductServiceStub(channel)
        quiet = asyncio.ensure_future(stub.GetProduct(pb.GetProductRequest(product_id="wait")))
        await servicer.waiting.wait()
        done, _ = await asyncio.wait([quiet], timeout=6)
        assert not done, "the connection was closed for too many pings"
        servicer.release.set()
        assert await quiet
    await server.stop()
