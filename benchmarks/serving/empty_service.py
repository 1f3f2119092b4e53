"""The ceiling: services that do nothing but answer, on the same stack and with answers of the same size.

`python -m benchmarks.serving.empty_service front PORT BACK_ADDRESS` stands for the coordinator: recommendations come
from the back process, events are acknowledged at once. `… back PORT ANSWER_FILE` stands for the recommendation agent:
every answer is the one in the file.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import uvloop
from quintet.coordinator.v1 import coordinator_service_pb2 as coordinator_pb
from quintet.recommendation.v1 import recommendation_service_pb2 as pb
from quintet.recommendation.v1 import recommendation_service_pb2_grpc as pb_grpc

COORDINATOR = "quintet.coordinator.v1.CoordinatorService"
RECOMMENDATION = "quintet.recommendation.v1.RecommendationService"
SESSION_ID = "s" * 32


def front(back: str) -> Any:
    """Return what passes calls for recommendations to the back process, and acknowledges events."""
    stub = pb_grpc.RecommendationServiceStub(grpc.aio.insecure_channel(back))

    async def recommend(request: Any, context: Any) -> coordinator_pb.GetRecommendationsResponse:
        wanted = pb.RecommendRequest(
            customer_id=request.customer_id,
            visitor_id=request.visitor_id,
            context=request.context,
            limit=request.limit,
            filter=request.filter,
        )
        answer = await stub.Recommend(wanted)
        return coordinator_pb.GetRecommendationsResponse(list=answer.list)

    async def record(request: Any, context: Any) -> coordinator_pb.RecordEventResponse:
        return coordinator_pb.RecordEventResponse(event_id=request.event.event_id, session_id=SESSION_ID)

    methods = {
        "GetRecommendations": _handler(recommend, coordinator_pb.GetRecommendationsRequest),
        "RecordEvent": _handler(record, coordinator_pb.RecordEventRequest),
    }
    return grpc.method_handlers_generic_handler(COORDINATOR, methods)


def back(answer: pb.RecommendResponse) -> Any:
    """Return what gives everybody the same answer, encoded anew each time."""

    async def recommend(request: Any, context: Any) -> pb.RecommendResponse:
        return answer

    return grpc.method_handlers_generic_handler(RECOMMENDATION, {"Recommend": _handler(recommend, pb.RecommendRequest)})


async def serve(role: str, port: str, given: str) -> None:
    """Serve until standard input is closed, as it is when the parent ends; print a line when it is ready."""
    server = grpc.aio.server()
    handler = front(given) if role == "front" else back(pb.RecommendResponse.FromString(Path(given).read_bytes()))
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)


def _handler(work: Callable[[Any, Any], Any], request: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(work, request.FromString, lambda answer: answer.SerializeToString())


if __name__ == "__main__":
    uvloop.run(serve(*sys.argv[1:]))
