"""Who calls: API keys out of the metadata of a call, checked against those in memory.

The keys are read from the database every two seconds, so that a call costs no read and a revoked key is refused within
five. While the database cannot be read, the keys known last stay: shoppers get their pages without it.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from quintet.type.v1.error_pb2 import ErrorReason

from shared.api_keys import ANYBODY, ApiKey, Caller, PresentedKey
from shared.errors import PermissionDenied, QuintetError, Unauthenticated
from shared.telemetry import BACKGROUND_ERRORS

REFRESH_SECONDS = 2.0
LEAST_PAUSE_SECONDS = 0.25
"""Between two reads that unknown keys cause: a key made just now is found soon, and guesses cost no read each."""
NOTE_SECONDS = 60.0

ADDRESS_KEY = "x-api-key-in-address"
"""Metadata with a key that stood in the address of an HTTP request: one for browsers, or it is refused."""

Metadata = Iterable[tuple[str, Any]]

log = structlog.get_logger()


class Authenticator(Protocol):
    """Says who calls."""

    async def authenticate(self, metadata: Metadata) -> Caller:
        """Return the caller of a call with these metadata (HTTP: headers, in lower case). Raises Unauthenticated."""


class Anybody:
    """Lets everybody call, as an admin: where keys are not asked for."""

    async def authenticate(self, metadata: Metadata) -> Caller:
        """Return the same caller for every call."""
        return ANYBODY


class KeyAuthenticator:
    """Asks for an API key. `start` before use, `stop` after.

    Parameters
    ----------
    read : callable
        Returns the keys that were not revoked. Called in a thread.
    note_used : callable
        Takes the ids of keys that were used in the last minute. Called in a thread.
    """

    def __init__(self, read: Callable[[], list[ApiKey]], note_used: Callable[[Collection[str]], None]) -> None:
        self._read = read
        self._note_used = note_used
        self._keys: Mapping[str, ApiKey] = {}
        self._used: set[str] = set()
        self._read_at = self._noted_at = time.monotonic()
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the keys and begin to follow their changes. Raises Unavailable when they cannot be read."""
        await self._refresh()
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop following. Safe to repeat."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def authenticate(self, metadata: Metadata) -> Caller:
        """Return the caller. Raises Unauthenticated without a valid key, PermissionDenied for another origin."""
        given = dict(metadata)
        text = _key_text(given)
        key = await self._valid(PresentedKey.parse(text or str(given.get(ADDRESS_KEY, ""))))
        if not text and not key.browser:
            raise Unauthenticated("only API keys for browsers may stand in an address, others belong into a header")
        if key.browser and given.get("origin") not in key.origins:
            problem = "the API key is for browsers on other origins"
            raise PermissionDenied(problem, reason=ErrorReason.ORIGIN_NOT_ALLOWED)
        self._used.add(key.key_id)
        return Caller(key.key_id, key.role, key.browser, key.rate_factor)

    async def _valid(self, presented: PresentedKey | None) -> ApiKey:
        if presented is None:
            needed = "the call needs an API key: metadata `authorization: Bearer qk_…` or `x-api-key`"
            raise Unauthenticated(needed, reason=ErrorReason.API_KEY_MISSING)
        key = self._keys.get(presented.key_id) or await self._look_again(presented.key_id)
        if key is None or not key.matches(presented.secret) or not key.live(datetime.now(UTC)):
            raise Unauthenticated("the API key is not known, was revoked or has expired")
        return key

    async def _look_again(self, key_id: str) -> ApiKey | None:
        async with self._reading:
            if key_id not in self._keys and time.monotonic() - self._read_at > LEAST_PAUSE_SECONDS:
                with contextlib.suppress(QuintetError):  # counted where the keys are followed
                    await self._refresh()
        return self._keys.get(key_id)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                async with self._reading:
                    await self._refresh()
                await self._note()
            except Exception as error:
                BACKGROUND_ERRORS.labels("coordinator", "api_keys").inc()
                log.warning("API keys cannot be read or noted", error=type(error).__name__)

    async def _refresh(self) -> None:
        self._read_at = time.monotonic()
        self._keys = {key.key_id: key for key in await asyncio.to_thread(self._read)}

    async def _note(self) -> None:
        if self._used and time.monotonic() - self._noted_at > NOTE_SECONDS:
            used, self._used, self._noted_at = self._used, set(), time.monotonic()
            await asyncio.to_thread(self._note_used, used)


def _key_text(given: Mapping[str, Any]) -> str:
    """Return the key as it was sent in a header, "" where there is none."""
    scheme, _, bearer = str(given.get("authorization", "")).partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else str(given.get("x-api-key", ""))
