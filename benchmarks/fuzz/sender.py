"""Sends odd requests to every method of every agent, a number at a time, each with a deadline."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import grpc
from google.protobuf.descriptor import MethodDescriptor
from quintet.coordinator.v1 import coordinator_service_pb2
from quintet.customer.v1 import customer_service_pb2
from quintet.feedback.v1 import feedback_service_pb2
from quintet.product.v1 import product_service_pb2
from quintet.recommendation.v1 import recommendation_service_pb2

from benchmarks.fuzz.findings import Findings
from benchmarks.fuzz.generator import Generator
from shared.config import Agent
from shared.limits import MAX_MESSAGE_BYTES

FILES: dict[Agent, Any] = {
    "coordinator": coordinator_service_pb2,
    "customer": customer_service_pb2,
    "product": product_service_pb2,
    "recommendation": recommendation_service_pb2,
    "feedback": feedback_service_pb2,
}
CHANNEL_OPTIONS = [("grpc.max_send_message_length", 4 * MAX_MESSAGE_BYTES), ("grpc.enable_retries", 0)]
DEADLINE_SECONDS = 10.0
GRACE_SECONDS = 5.0
"""After its deadline a call that has not ended hangs."""
AT_ONCE = 24
MOST_OF_A_STREAM = 5
JOBS = (
    "TrainModels",
    "TuneAlgorithms",
    "OptimizeAlgorithms",
    "RefreshCatalog",
    "RefreshCustomers",
    "ForgetHistories",
    "RunSchedule",
)
"""They start work of minutes: few of them are sent."""
MOST_JOBS = 5
WEIGHTS = {"coordinator": 4}
"""The coordinator is what strangers reach."""


@dataclass(frozen=True)
class Target:
    """A method, and the agent that has it."""

    agent: Agent
    descriptor: MethodDescriptor

    @property
    def path(self) -> str:
        """The method as it is called: `/package.Service/Method`."""
        return f"/{self.descriptor.containing_service.full_name}/{self.descriptor.name}"


class _Channels(NamedTuple):
    asynchronous: grpc.aio.Channel
    blocking: grpc.Channel


def targets() -> list[Target]:
    """Return all methods of all agents."""
    return [
        Target(agent, method)
        for agent, file in FILES.items()
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    ]


def plan(inputs: int, seed: int) -> list[Target]:
    """Return the methods to call, in a random order; jobs are few."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    jobs = [target for target in targets() if target.descriptor.name in JOBS]
    others = [target for target in targets() if target.descriptor.name not in JOBS]
    few = [target for target in jobs for _ in range(min(MOST_JOBS, inputs // 500))]
    weights = [WEIGHTS.get(target.agent, 1) for target in others]
    planned = [*few, *chance.choices(others, weights, k=max(0, inputs - len(few)))]
    chance.shuffle(planned)
    return planned


async def send(addresses: Mapping[Agent, str], planned: list[Target], seed: int, findings: Findings) -> None:
    """Send a request to each of the planned methods."""
    channels = {
        agent: _Channels(
            grpc.aio.insecure_channel(address, CHANNEL_OPTIONS), grpc.insecure_channel(address, CHANNEL_OPTIONS)
        )
        for agent, address in addresses.items()
    }
    numbered = iter(enumerate(planned))

    async def work() -> None:
        for number, target in numbered:
            await _one(channels[target.agent], target, Generator(seed + number), findings)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    for each in channels.values():
        await each.asynchronous.close()
        each.blocking.close()


async def _one(channels: _Channels, target: Target, generator: Generator, findings: Findings) -> None:
    method = target.descriptor
    count = generator.count(MOST_OF_A_STREAM) if method.client_streaming else 1
    requests = [generator.request(method.input_type) for _ in range(count)]
    sent = b"".join(requests)
    code, details = "OK", ""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS + GRACE_SECONDS):
            if method.client_streaming:
                await asyncio.to_thread(_send_stream, channels.blocking, target, requests)
            else:
                await _call(channels.asynchronous, target, requests)
    except TimeoutError:
        findings.hung(target.path, sent)
        return
    except grpc.RpcError as error:
        code, details = error.code().name, error.details() or ""
    findings.add(target.path, code, sent, details)


async def _call(channel: Any, target: Target, requests: list[bytes]) -> None:
    method = target.descriptor
    if not method.server_streaming:
        await channel.unary_unary(target.path)(requests[0], timeout=DEADLINE_SECONDS)
        return
    async for _ in channel.unary_stream(target.path)(requests[0], timeout=DEADLINE_SECONDS):
        pass


def _send_stream(channel: Any, target: Target, requests: list[bytes]) -> None:
    """Send a stream by a blocking channel.

    On an asynchronous one gRPC says INTERNAL of its own accord when the server ends a stream that is still being sent.
    """
    channel.stream_unary(target.path)(iter(requests), timeout=DEADLINE_SECONDS)
