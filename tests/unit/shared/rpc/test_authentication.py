"""Keys in metadata: who is let in, when a new or revoked key counts, and what holds without the database."""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.api_keys import ANYBODY, ApiKey, Caller, PresentedKey, Role, digest, generate
from shared.errors import PermissionDenied, Unauthenticated, Unavailable
from shared.rpc import authentication
from shared.rpc.authentication import ADDRESS_KEY, Anybody, KeyAuthenticator

NOW = datetime.now(UTC)
SHOP = "https://shop.example"


class Store:
    """Keys as a database has them, which may be away."""

    def __init__(self) -> None:
        self.keys: list[ApiKey] = []
        self.reads = 0
        self.away = False
        self.used: set[str] = set()

    def add(self, role: Role = Role.BACKEND, **facts: Any) -> PresentedKey:
        presented = generate(role)
        self.keys.append(ApiKey(presented.key_id, role, "shop", digest(presented.secret), NOW, **facts))
        return presented

    def read(self) -> list[ApiKey]:
        self.reads += 1
        if self.away:
            raise Unavailable("away")
        return list(self.keys)

    def note(self, used: Collection[str]) -> None:
        self.used |= set(used)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def authenticator(store: Store, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(authentication, "REFRESH_SECONDS", 0.01)
    monkeypatch.setattr(authentication, "LEAST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(authentication, "NOTE_SECONDS", 0.0)
    made = KeyAuthenticator(store.read, store.note)
    await made.start()
    yield made
    await made.stop()


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def bearer(key: object) -> list[tuple[str, str]]:
    return [("user-agent", "test"), ("authorization", f"Bearer {key}")]


async def test_a_key_says_who_calls_by_either_header(store: Store, authenticator: KeyAuthenticator) -> None:
    key = store.add(Role.MERCHANDISER, rate_factor=2.0)
    expected = Caller(key.key_id, Role.MERCHANDISER, False, 2.0)
    assert await authenticator.authenticate(bearer(key)) == expected
    assert await authenticator.authenticate([("x-api-key", str(key))]) == expected


@pytest.mark.parametrize("sent", [[], [("authorization", "Basic abc")], [("x-api-key", "qk_admin_a")], bearer("")])
async def test_without_a_key_nobody_calls(authenticator: KeyAuthenticator, sent: list[tuple[str, str]]) -> None:
    with pytest.raises(Unauthenticated, match="needs an API key"):
        await authenticator.authenticate(sent)


async def test_a_wrong_secret_and_an_unknown_id_are_refused_alike(
    store: Store, authenticator: KeyAuthenticator
) -> None:
    key, said = store.add(), set()
    other = generate(Role.BACKEND)
    for wrong in (other, PresentedKey(key.role, key.key_id, other.secret)):
        with pytest.raises(Unauthenticated) as caught:
            await authenticator.authenticate(bearer(wrong))
        said.add(caught.value.message)
    assert len(said) == 1


async def test_the_role_is_the_stored_one_not_the_one_in_the_text(
    store: Store, authenticator: KeyAuthenticator
) -> None:
    key = store.add(Role.STOREFRONT)
    forged = PresentedKey("admin", key.key_id, key.secret)
    assert (await authenticator.authenticate(bearer(forged))).role is Role.STOREFRONT


async def test_an_expired_key_is_refused(store: Store, authenticator: KeyAuthenticator) -> None:
    key = store.add(expires_at=NOW - timedelta(seconds=1))
    with pytest.raises(Unauthenticated, match="expired"):
        await authenticator.authenticate(bearer(key))


async def test_a_revoked_key_is_refused_soon(store: Store, authenticator: KeyAuthenticator) -> None:
    key = store.add()
    await authenticator.authenticate(bearer(key))
    store.keys.clear()
    before = store.reads
    await until(lambda: store.reads > before + 1)
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(bearer(key))


async def test_a_revocation_counts_within_five_seconds() -> None:
    assert authentication.REFRESH_SECONDS * 2 < 5


async def test_without_the_database_the_keys_known_last_stay(store: Store, authenticator: KeyAuthenticator) -> None:
    key = store.add()
    await authenticator.authenticate(bearer(key))
    store.away = True
    before = store.reads
    await until(lambda: store.reads > before + 2)
    assert (await authenticator.authenticate(bearer(key))).key_id == key.key_id
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(bearer(generate(Role.ADMIN)))


async def test_guesses_cost_no_read_each(store: Store) -> None:
    authenticator = KeyAuthenticator(store.read, store.note)
    await authenticator.start()
    for _ in range(100):
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(bearer(generate(Role.ADMIN)))
    await authenticator.stop()
    assert store.reads < 10


async def test_it_does_not_start_without_keys_to_read(store: Store) -> None:
    store.away = True
    with pytest.raises(Unavailable):
        await KeyAuthenticator(store.read, store.note).start()


async def test_use_is_noted(store: Store, authenticator: KeyAuthenticator) -> None:
    key, idle = store.add(), store.add()
    await authenticator.authenticate(bearer(key))
    await until(lambda: store.used)
    assert store.used == {key.key_id}
    assert idle.key_id not in store.used


async def test_a_browser_key_counts_on_its_own_pages_only(store: Store, authenticator: KeyAuthenticator) -> None:
    key = store.add(Role.STOREFRONT, browser=True, origins=(SHOP,))
    assert (await authenticator.authenticate([*bearer(key), ("origin", SHOP)])).browser
    for origin in ([], [("origin", "https://else.example")]):
        with pytest.raises(PermissionDenied, match="other origins"):
            await authenticator.authenticate([*bearer(key), *origin])


async def test_only_a_browser_key_is_taken_from_an_address(store: Store, authenticator: KeyAuthenticator) -> None:
    key, other = store.add(Role.STOREFRONT, browser=True, origins=(SHOP,)), store.add()
    where = [("origin", SHOP)]
    assert (await authenticator.authenticate([*where, (ADDRESS_KEY, str(key))])).browser
    with pytest.raises(Unauthenticated, match="belong into a header"):
        await authenticator.authenticate([*where, (ADDRESS_KEY, str(other))])
    assert not (await authenticator.authenticate([*bearer(other), (ADDRESS_KEY, str(key))])).browser


async def test_where_no_key_is_asked_for_everybody_may_call() -> None:
    assert await Anybody().authenticate([]) is ANYBODY
