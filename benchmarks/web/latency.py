"""The same page by gRPC and by HTTP, in pairs, one call at a time."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

import numpy as np
from quintet.coordinator.v1 import coordinator_service_pb2 as pb

from benchmarks.web.keep_alive import KeepAlive
from tests.support.cluster import coordinator_stub

LIMIT = 10
DEADLINE_SECONDS = 10.0
WARM_PAIRS = 50


@dataclass(frozen=True)
class Pairs:
    """Milliseconds of the calls of each pair, by gRPC and by HTTP, in the order of asking."""

    grpc: Sequence[float]
    http: Sequence[float]

    def overhead_ms(self, percentile: float) -> float:
        """Return by how much the percentile of HTTP is above that of gRPC, in milliseconds."""
        return float(np.percentile(self.http, percentile) - np.percentile(self.grpc, percentile))


def measure(address: str, port: int, customers: Sequence[str], pairs: int, rng: random.Random) -> Pairs:
    """Ask for the start page of a customer in both ways, which one first by chance, after some pairs to warm up."""
    took: dict[str, list[float]] = {"grpc": [], "http": []}
    with coordinator_stub(address) as stub, KeepAlive(port) as client:
        ways = {"grpc": partial(_ask_grpc, stub), "http": partial(_ask_http, client)}
        for number in range(-WARM_PAIRS, pairs):
            customer = rng.choice(customers)
            for name in rng.sample(sorted(ways), len(ways)):
                milliseconds = _milliseconds(partial(ways[name], customer))
                if number >= 0:
                    took[name].append(milliseconds)
    return Pairs(**took)


def _ask_grpc(stub: Any, customer: str) -> object:
    return stub.GetRecommendations(
        pb.GetRecommendationsRequest(customer_id=customer, limit=LIMIT), timeout=DEADLINE_SECONDS
    )


def _ask_http(client: KeepAlive, customer: str) -> object:
    return client.get(f"/recommendations?customer_id={quote(customer, safe='')}&limit={LIMIT}")


def _milliseconds(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return (time.perf_counter() - began) * 1_000
