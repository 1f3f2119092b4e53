"""Lets hypothesis look for a request that ends badly, method by method; of each it keeps the smallest it found."""

from collections.abc import Mapping
from typing import Any

import grpc
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz.findings import INTERNAL, Findings
from benchmarks.fuzz.sender import CHANNEL_OPTIONS, DEADLINE_SECONDS, MOST_OF_A_STREAM, Target
from benchmarks.fuzz.strategies import requests
from shared.config import Agent


class EndedBadlyError(Exception):
    """A request ended as none may."""


def search(addresses: Mapping[Agent, str], targets: list[Target], examples: int, findings: Findings) -> None:
    """Send as many examples to each method and note how they ended; what fails is made smaller and sent again."""
    for target in targets:
        with grpc.insecure_channel(addresses[target.agent], CHANNEL_OPTIONS) as channel:
            _search(channel, target, examples, findings)


def _search(channel: Any, target: Target, examples: int, findings: Findings) -> None:
    of_one = requests(target.descriptor.input_type)
    streams = target.descriptor.client_streaming
    sent = st.lists(of_one, max_size=MOST_OF_A_STREAM) if streams else st.tuples(of_one).map(list)

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.generate, Phase.shrink),
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(sent)
    def attempt(some: list[bytes]) -> None:
        _attempt(channel, target, some, findings)

    try:
        attempt()
    except EndedBadlyError:
        return  # noted with the smallest request as the last sample


def _attempt(channel: Any, target: Target, some: list[bytes], findings: Findings) -> None:
    code, details = _outcome(channel, target, some)
    findings.add(target.path, code, b"".join(some), details)
    if code in INTERNAL:
        raise EndedBadlyError


def _outcome(channel: Any, target: Target, some: list[bytes]) -> tuple[str, str]:
    """Call the method and return status and details; gRPC itself ends the call at its deadline."""
    method = target.descriptor
    try:
        if method.client_streaming:
            channel.stream_unary(target.path)(iter(some), timeout=DEADLINE_SECONDS)
        elif method.server_streaming:
            for _ in channel.unary_stream(target.path)(some[0], timeout=DEADLINE_SECONDS):
                pass
        else:
            channel.unary_unary(target.path)(some[0], timeout=DEADLINE_SECONDS)
    except grpc.RpcError as error:
        return error.code().name, error.details() or ""
    return "OK", ""
