"""HTTP behind the keys, rights, limits and certificates of the coordinator's gRPC."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc

from services.coordinator.server import SERVICE, build_http
from shared.api_keys import ApiKey, PresentedKey, Role, digest, generate
from shared.config import Settings
from shared.rpc.authentication import KeyAuthenticator
from shared.rpc.rights import Work
from shared.rpc.server import AgentServer, Service
from shared.rpc.tls import TlsFiles
from tests.integration.coordinator.http.conftest import Remembering
from tests.support.certificates import OTHER_CA, write
from tests.support.cluster import free_ports
from tests.support.http_client import HttpClient

SHOP = "https://shop.example"
VIEW = {"event_type": "page_view", "visitor_id": "v1", "product_id": "tea"}
PAGE = "/recommendations?visitor_id=v1"


class Keys:
    """API keys as a database has them."""

    def __init__(self) -> None:
        self.stored: list[ApiKey] = []

    def add(self, role: Role, **facts: Any) -> str:
        key: PresentedKey = generate(role)
        self.stored.append(ApiKey(key.key_id, role, "test", digest(key.secret), datetime.now(UTC), **facts))
        return str(key)


class Guarded(HttpClient):
    """A client, with the gRPC server behind which HTTP is answered."""

    def __init__(self, port: int, tls: ssl.SSLContext | None, server: AgentServer) -> None:
        super().__init__(port, tls)
        self.server = server


@asynccontextmanager
async def guarded(
    servicer: Any, keys: Keys, tls: ssl.SSLContext | None = None, **settings: Any
) -> AsyncIterator[Guarded]:
    """Give a client of the web server that stands beside a coordinator's gRPC server."""
    [port] = free_ports(1)
    given = Settings(coordinator_port=0, http_port=port, drain_seconds=0.1, **settings)
    service = Service(servicer, pb_grpc.add_CoordinatorServiceServicer_to_server, SERVICE)
    authenticator = KeyAuthenticator(lambda: list(keys.stored), lambda _: None)
    await authenticator.start()
    server = AgentServer("coordinator", given, [service], authenticator=authenticator)
    [web] = build_http(given, server)
    await web.start()
    try:
        yield Guarded(port, tls, server)
    finally:
        await web.stop()
        await authenticator.stop()


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def browser(keys: Keys) -> str:
    return keys.add(Role.STOREFRONT, browser=True, origins=(SHOP,))


@pytest.fixture
def backend(keys: Keys) -> str:
    return keys.add(Role.BACKEND)


@pytest.fixture
async def shop(servicer: Remembering, keys: Keys, browser: str, backend: str) -> AsyncIterator[Guarded]:
    async with guarded(servicer, keys) as client:
        yield client


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("GET", PAGE, None),
        ("POST", "/event", VIEW),
        ("POST", "/feedback", {"recommendation_id": "r", "interaction_type": "click"}),
        ("GET", "/v1/recommendations?visitor_id=v1", None),
        ("GET", "/v1/jobs/1:watch", None),
        ("POST", "/v1/products:import", {"product": {"product_id": "tea"}}),
    ],
)
async def test_without_a_key_nothing_is_answered(
    shop: Guarded, servicer: Remembering, verb: str, path: str, body: Any
) -> None:
    answer = await shop(verb, path, body)
    assert (answer.status, answer.json["reason"]) == (401, "API_KEY_MISSING")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert servicer.asked == []


async def test_a_call_without_a_key_is_refused_before_its_body_is_read(shop: Guarded) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
    writer.write(b"POST /v1/events HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n")
    answer = await asyncio.wait_for(reader.readline(), 10)  # no byte of the body was sent
    writer.close()
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_key_counts_in_either_header(shop: Guarded, backend: str) -> None:
    for header in ({"x_api_key": backend}, {"authorization": f"Bearer {backend}"}):
        assert (await shop("GET", PAGE, **header)).status == 200
        assert (await shop("POST", "/event", VIEW, **header)).status == 200
        assert (await shop("GET", "/v1/jobs/1:watch", **header)).status == 200


async def test_a_key_opens_what_its_role_may_call(servicer: Remembering, keys: Keys) -> None:
    storefront = keys.add(Role.STOREFRONT)
    async with guarded(servicer, keys) as client:
        answer = await client("GET", "/v1/products?page_size=1", x_api_key=storefront)
    assert (answer.status, answer.json["reason"]) == (403, "ROLE_NOT_ALLOWED")


async def test_every_call_gives_its_place_back(shop: Guarded, backend: str) -> None:
    for path in (PAGE, "/v1/jobs/1:watch", "/v1/jobs/breaks:watch", "/v1/products/bug", "/v1/products?page_size=x"):
        await shop("GET", path, x_api_key=backend)
    await shop("POST", "/v1/products:import", b"{", x_api_key=backend)
    async with asyncio.timeout(10):
        while shop.server.guard.admission.taken:
            await asyncio.sleep(0.01)


async def test_too_many_calls_are_told_when_to_try_again(servicer: Remembering, keys: Keys, backend: str) -> None:
    async with guarded(servicer, keys, rate_limit_factor=0.5 / Work.SERVE.limits.calls_per_second) as client:
        answers = [await client("GET", PAGE, x_api_key=backend) for _ in range(3)]
    assert answers[0].status == 200
    assert (answers[-1].status, answers[-1].json["code"]) == (429, "RESOURCE_EXHAUSTED")
    assert int(answers[-1].headers["retry-after"]) >= 1


async def test_a_browser_key_serves_its_own_visitor_on_its_own_pages(shop: Guarded, browser: str) -> None:
    assert (await shop("GET", PAGE, x_api_key=browser, origin=SHOP)).status == 200
    assert (await shop("POST", "/event", VIEW, x_api_key=browser, origin=SHOP)).status == 200
    for origin in ({}, {"origin": "https://else.example"}):
        answer = await shop("GET", PAGE, x_api_key=browser, **origin)
        assert (answer.status, answer.json["reason"]) == (403, "ORIGIN_NOT_ALLOWED")


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("GET", "/recommendations?customer_id=7", None),
        ("POST", "/event", {"event_type": "page_view", "customer_id": "7"}),
        (
            "POST",
            "/event",
            {"event_type": "purchase", "visitor_id": "v1", "product_id": "tea", "price": "1", "currency": "USD"},
        ),
        ("GET", "/v1/jobs/1", None),
    ],
)
async def test_a_browser_key_opens_nothing_else(
    shop: Guarded, servicer: Remembering, browser: str, verb: str, path: str, body: Any
) -> None:
    answer = await shop(verb, path, body, x_api_key=browser, origin=SHOP)
    assert answer.status == 403
    assert answer.json["reason"] in ("BROWSER_NOT_ALLOWED", "ROLE_NOT_ALLOWED")
    assert servicer.asked == []


async def test_a_beacon_has_a_browser_key_in_its_address(shop: Guarded, servicer: Remembering, browser: str) -> None:
    sent = {"content_type": "text/plain", "origin": SHOP}
    assert (await shop("POST", f"/event?key={browser}", VIEW, **sent)).status == 204
    assert len(servicer.asked) == 1


async def test_no_other_key_is_taken_from_an_address(shop: Guarded, servicer: Remembering, backend: str) -> None:
    for verb, path, body in (("POST", "/event", VIEW), ("GET", "/recommendations", None), ("GET", "/v1/jobs/1", None)):
        answer = await shop(verb, f"{path}?key={backend}", body)
        assert (answer.status, answer.json["reason"]) == (401, "API_KEY_INVALID")
        assert backend not in answer.body.decode()
    assert servicer.asked == []


async def test_a_key_in_a_header_counts_before_one_in_the_address(shop: Guarded, browser: str, backend: str) -> None:
    assert (await shop("GET", f"/v1/jobs/1?key={browser}", x_api_key=backend)).status == 200


def server_files(files: TlsFiles, client_ca: str = "") -> dict[str, str]:
    return {"tls_cert": files.certificate, "tls_key": files.key, "tls_client_ca": client_ca}


def trusting(ca: str, client: TlsFiles | None = None) -> ssl.SSLContext:
    """Return what a client trusts. It calls an address, so it names no host and checks none."""
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = False
    if client:
        context.load_cert_chain(client.certificate, client.key)
    return context


async def test_http_has_the_certificate_of_the_coordinator(
    servicer: Remembering, keys: Keys, backend: str, tmp_path: Path
) -> None:
    files = write(tmp_path, "public", "localhost")
    other = write(tmp_path, "other", ca=OTHER_CA)
    async with guarded(servicer, keys, trusting(files.ca), **server_files(files)) as client:
        assert (await client("GET", PAGE, x_api_key=backend)).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            await HttpClient(client.port, trusting(other.ca))("GET", PAGE)
        with pytest.raises(OSError):  # noqa: PT011 - plain HTTP: the connection is closed, or reset
            await HttpClient(client.port)("GET", PAGE, x_api_key=backend)


async def test_cookies_of_encrypted_calls_are_secure(
    servicer: Remembering, keys: Keys, backend: str, tmp_path: Path
) -> None:
    files = write(tmp_path, "public", "localhost")
    async with guarded(servicer, keys, trusting(files.ca), **server_files(files)) as client:
        answer = await client("GET", "/recommendations?consent=true", x_api_key=backend)
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("named", [True, False])
async def test_a_renewed_certificate_is_shown_without_a_restart(
    servicer: Remembering, keys: Keys, tmp_path: Path, named: bool
) -> None:
    """Clients that name a host, and those that do not."""
    files = write(tmp_path, "public", "localhost")

    async def shown(port: int) -> bytes:
        name = "localhost" if named else ""
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting(files.ca), server_hostname=name)
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return bytes(certificate)

    async with guarded(servicer, keys, **server_files(files)) as client:
        first = await shown(client.port)
        assert await shown(client.port) == first
        write(tmp_path, "public", "localhost")
        renewed = await shown(client.port)
        assert renewed != first
        Path(files.certificate).write_text("broken")
        assert await shown(client.port) == renewed


async def test_clients_show_a_certificate_where_the_coordinator_asks_for_one(
    servicer: Remembering, keys: Keys, backend: str, tmp_path: Path
) -> None:
    files, shop = write(tmp_path, "public", "localhost"), write(tmp_path, "shop")
    async with guarded(servicer, keys, trusting(files.ca, shop), **server_files(files, files.ca)) as client:
        assert (await client("GET", PAGE, x_api_key=backend)).status == 200
        with pytest.raises(OSError):  # noqa: PT011 - the handshake fails, or the connection is closed after it
            await HttpClient(client.port, trusting(files.ca))("GET", PAGE, x_api_key=backend)
