"""The API key of our own clients: out of the settings, into the metadata of each call."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from shared.config import Settings
from shared.errors import FailedPrecondition

HEADER = "authorization"


def key_of(settings: Settings) -> str:
    """Return the API key of the settings, "" where there is none. Raises FailedPrecondition for a lost file."""
    if settings.api_key or not settings.api_key_file:
        return settings.api_key
    try:
        return Path(settings.api_key_file).read_text().strip()
    except OSError as error:
        raise FailedPrecondition(f"cannot read QUINTET_API_KEY_FILE: {error}") from error


def key_metadata(key: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata that show `key`, none for ""."""
    return ((HEADER, f"Bearer {key}"),) if key else ()


class _Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


class WithKey(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Adds the key to each call of a blocking channel."""

    def __init__(self, key: str) -> None:
        self._added = key_metadata(key)

    def intercept_unary_unary(self, continuation: Callable[..., Any], client_call_details: Any, request: Any) -> Any:
        """Call with the key."""
        return continuation(self._with_key(client_call_details), request)

    intercept_unary_stream = intercept_unary_unary
    intercept_stream_unary: Any = intercept_unary_unary
    intercept_stream_stream: Any = intercept_unary_unary

    def _with_key(self, given: Any) -> Any:
        metadata = (*(given.metadata or ()), *self._added)
        return _Details(
            given.method, given.timeout, metadata, given.credentials, given.wait_for_ready, given.compression
        )
