"""Health probe for containers: `python -m shared.rpc.probe 127.0.0.1:50053 recommendation` exits with 0 when that
agent is serving.

It is run every few seconds beside the agent, so it imports little and takes the files of certificates alone from the
environment.
"""

import os
import sys
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from shared.rpc.tls import probe_channel

TIMEOUT_SECONDS = 3.0
SERVING, NOT_SERVING, WRONG_USE = 0, 1, 2
AGENT = "coordinator"
READY = ""
"""Name under which a server says whether it is ready; `liveness` is whether it answers at all."""
USAGE = "usage: python -m shared.rpc.probe ADDRESS [AGENT [SERVICE]], such as 127.0.0.1:50050 coordinator liveness"
PREFIX = "QUINTET_"
MOST_ARGUMENTS = 3


def health(address: str, agent: str = AGENT, service: str = READY, *, timeout_seconds: float = TIMEOUT_SECONDS) -> str:
    """Return the health of the agent at `address`, such as `SERVING`; the status code's name if it does not answer."""
    with _open(address, agent) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined]
        try:
            answer = check(health_pb2.HealthCheckRequest(service=service), timeout=timeout_seconds)
        except grpc.RpcError as error:
            return str(error.code().name)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def _open(address: str, agent: str) -> grpc.Channel:
    given = {name.removeprefix(PREFIX).lower(): value for name, value in os.environ.items() if name.startswith(PREFIX)}
    credentials, options = probe_channel(agent, given)
    # a proxy of the environment must not stand between a probe and its own container
    options = [*options, ("grpc.enable_http_proxy", 0)]
    if credentials is None:
        return grpc.insecure_channel(address, options)
    return grpc.secure_channel(address, credentials, options)


def main(arguments: Sequence[str]) -> int:
    """Probe the address given and return the exit code: 0 serving, 1 not serving, 2 wrong use."""
    if not 1 <= len(arguments) <= MOST_ARGUMENTS:
        print(USAGE, file=sys.stderr)
        return WRONG_USE
    address = arguments[0]
    state = health(*arguments)
    print(f"{address} {state}")
    return SERVING if state == "SERVING" else NOT_SERVING


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
