"""A web server before a servicer that remembers what it is asked."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.job_pb2 import Job, JobState
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.recommendation_pb2 import Reason, Recommendation, RecommendationList

from services.coordinator.http.server import HttpServer, build_app
from shared.config import Settings
from shared.errors import NotFound, Unavailable
from shared.rpc.in_process import InProcessCalls
from shared.rpc.interceptor import EdgeInterceptor
from tests.support.http_client import HttpClient

LIST = RecommendationList(
    strategy="hybrid",
    recommendations=[
        Recommendation(
            recommendation_id="r1",
            product_id="tea",
            product_name="Tea",
            price=Money(currency_code="USD", amount_minor=5),
            image_url="https://shop.example/tea.jpg",
            reason=Reason(text="Popular with other shoppers"),
            position=1,
        ),
        Recommendation(recommendation_id="r2", product_id="cup", product_name="Cup", position=2),
    ],
)


class Remembering(pb_grpc.CoordinatorServiceServicer):
    """Answers what a test needs and keeps every request."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.metadata: dict[str, str] = {}
        self.hangs = False

    async def GetRecommendations(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        self.metadata = dict(context.invocation_metadata())
        if self.hangs:
            await asyncio.Event().wait()
        # as the coordinator does: the answer of another agent, passed on as it came
        return pb.GetRecommendationsResponse(list=LIST).SerializeToString()

    async def RecordEvent(self, request: Any, context: Any) -> pb.RecordEventResponse:
        self.asked.append(request)
        answer = pb.RecordEventResponse(event_id=request.event.event_id or "made")
        if request.HasField("recommend"):
            answer.recommendations.CopyFrom(LIST)
        return answer

    async def RecordFeedback(self, request: Any, context: Any) -> pb.RecordFeedbackResponse:
        self.asked.append(request)
        return pb.RecordFeedbackResponse(feedback_id="f1")

    async def ImportProducts(self, request_iterator: Any, context: Any) -> pb.ImportProductsResponse:
        async for each in request_iterator:
            self.asked.append(each)
        return pb.ImportProductsResponse(created=len(self.asked))

    async def UpsertProduct(self, request: Any, context: Any) -> pb.UpsertProductResponse:
        self.asked.append(request)
        return pb.UpsertProductResponse(created=True)

    async def GetProduct(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        if request.product_id == "bug":
            raise ValueError("a secret of ours")
        raise NotFound.of("product", request.product_id, "product_id")

    async def ListProducts(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        return pb.ListProductsResponse(next_page_token="next")  # noqa: S106

    async def GetStatus(self, request: Any, context: Any) -> Any:
        raise Unavailable("the database cannot be reached")

    async def GetJob(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        return pb.GetJobResponse(job=Job(job_id=request.job_id))

    async def WatchJob(self, request: Any, context: Any) -> AsyncIterator[pb.WatchJobResponse]:
        if request.job_id == "unknown":
            raise NotFound.of("job", request.job_id, "job_id")
        yield pb.WatchJobResponse(job=Job(job_id=request.job_id, state=JobState.JOB_STATE_RUNNING))
        if request.job_id == "breaks":
            raise Unavailable("an agent went away")
        if request.job_id == "endless":
            try:
                await asyncio.Event().wait()
            finally:
                self.asked.append("watcher gone")
        yield pb.WatchJobResponse(job=Job(job_id=request.job_id, state=JobState.JOB_STATE_SUCCEEDED, progress=1))


@asynccontextmanager
async def web_server(servicer: Any, **settings: Any) -> AsyncIterator[HttpClient]:
    """Give a client of a web server before `servicer`."""
    register = partial(pb_grpc.add_CoordinatorServiceServicer_to_server, servicer)
    calls = InProcessCalls([register], [EdgeInterceptor("coordinator")])
    server = HttpServer(build_app(Settings(**settings), calls), "127.0.0.1", 0, drain_seconds=1)
    await server.start()
    try:
        yield HttpClient(server.port)
    finally:
        await server.stop()


@pytest.fixture
def servicer() -> Iterator[Remembering]:
    return Remembering()


@pytest.fixture
async def client(servicer: Remembering) -> AsyncIterator[HttpClient]:
    async with web_server(servicer, http_origins="https://shop.example") as client:
        yield client
