"""Health probe for containers: `python -m shared.rpc.probe 127.0.0.1:50053` exits with 0 when the agent is serving.

It is run every few seconds beside the agent, so it imports little and asks no settings.
"""

import sys
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT_SECONDS = 3.0
SERVING, NOT_SERVING, WRONG_USE = 0, 1, 2
USAGE = "usage: python -m shared.rpc.probe ADDRESS, such as 127.0.0.1:50050"


def health(address: str, timeout_seconds: float = TIMEOUT_SECONDS) -> str:
    """Return the health of the server at `address`, such as `SERVING`; the status code's name if it does not answer."""
    # a proxy of the environment must not stand between a probe and its own container
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined]
        try:
            answer = check(health_pb2.HealthCheckRequest(), timeout=timeout_seconds)
        except grpc.RpcError as error:
            return str(error.code().name)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def main(arguments: Sequence[str]) -> int:
    """Probe the address given and return the exit code: 0 serving, 1 not serving, 2 wrong use."""
    if len(arguments) != 1:
        print(USAGE, file=sys.stderr)
        return WRONG_USE
    state = health(arguments[0])
    print(f"{arguments[0]} {state}")
    return SERVING if state == "SERVING" else NOT_SERVING


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
