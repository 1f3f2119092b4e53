"""How to reach Quintet and how to read its errors. Copy this file into a platform as it is."""

import json
from pathlib import Path
from typing import Any, cast

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

SERVICE = "quintet.coordinator.v1.CoordinatorService"

# Every call gets a deadline, so that a slow answer never holds up a page; it covers all tries together.
DEADLINE_SECONDS = 5.0

# The channel tries a call again while the coordinator cannot be reached, and where one stopped before it took the
# call up (CANCELLED), but only calls that may be repeated without harm: reads, and writes that carry an id of ours
# (`event_id`, `feedback_id`), which Quintet records once. Registering and erasing are not among them: a second try
# would answer ALREADY_EXISTS or NOT_FOUND although the first succeeded.
SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [
                {"service": SERVICE, "method": method}
                for method in (
                    "GetCustomerProfile",
                    "GetProduct",
                    "GetRecommendations",
                    "GetSimilarProducts",
                    "RankProducts",
                    "RecordEvent",
                    "RecordFeedback",
                    "UpdatePrices",
                )
            ],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        },
    ]
}


def connect(address: str, ca: str = "", key: str = "") -> grpc.Channel:
    """Return a channel to the coordinator; make one for a process, share it between threads, close it at the end.

    `ca` is the PEM file of the CA that the coordinator is known by and turns TLS on; `key` is the platform's API key.
    Both are needed wherever the coordinator is not on the same machine.
    """
    options = [("grpc.service_config", json.dumps(SERVICE_CONFIG))]
    if ca:
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(Path(ca).read_bytes()), options)
    else:
        channel = grpc.insecure_channel(address, options)
    return grpc.intercept_channel(channel, WithKey(key)) if key else channel


class WithKey(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[misc]  # grpc has no types of its own
    grpc.StreamUnaryClientInterceptor,  # type: ignore[misc]
):
    """Shows the API key with every call; calls that stream answers need the other two kinds of interceptor as well."""

    def __init__(self, key: str) -> None:
        self._shown = ("authorization", f"Bearer {key}")

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(details._replace(metadata=[*(details.metadata or ()), self._shown]), request)

    intercept_stream_unary = intercept_unary_unary


def field_violations(error: grpc.RpcError) -> list[dict[str, str]]:
    """Return which fields were wrong and why; empty for errors that are not about a field.

    The facts travel as a `google.rpc.Status` in the trailer `grpc-status-details-bin`, which `grpc_status` unpacks.
    What a stub raises is both the error and the call, only its type does not say so.
    """
    status = rpc_status.from_call(cast("grpc.Call", error))
    violations = []
    for detail in status.details if status else ():
        bad_request = error_details_pb2.BadRequest()
        if detail.Unpack(bad_request):
            violations += [
                {"field": each.field, "description": each.description} for each in bad_request.field_violations
            ]
    return violations
