"""How to reach Quintet and how to read its errors. Copy this file into a platform as it is."""

import json
from typing import cast

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

SERVICE = "quintet.coordinator.v1.CoordinatorService"

# Every call gets a deadline, so that a slow answer never holds up a page; it covers all tries together.
DEADLINE_SECONDS = 5.0

# The channel tries a call again while the coordinator cannot be reached, but only calls that may be repeated without
# harm: reads, and writes that carry an id of ours (`event_id`, `feedback_id`), which Quintet records once. Registering
# and erasing are not among them: a second try would answer ALREADY_EXISTS or NOT_FOUND although the first succeeded.
SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [
                {"service": SERVICE, "method": method}
                for method in (
                    "GetCustomerProfile",
                    "GetRecommendations",
                    "GetSimilarProducts",
                    "RecordEvent",
                    "RecordFeedback",
                )
            ],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        },
    ]
}


def connect(address: str) -> grpc.Channel:
    """Return a channel to the coordinator; make one for a process, share it between threads, close it at the end.

    Use `grpc.secure_channel` where the coordinator is not on the same machine or in the same private network.
    """
    return grpc.insecure_channel(address, options=[("grpc.service_config", json.dumps(SERVICE_CONFIG))])


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
