"""An agent that a test plays: a servicer behind real gRPC on a free port."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc


@asynccontextmanager
async def serving(servicer: Any, register: Callable[[Any, grpc.aio.Server], None]) -> AsyncIterator[str]:
    """Serve `servicer`, which the generated function `register` adds to a server, and give its address."""
    server = grpc.aio.server()
    register(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)
