"""The other agents as the coordinator calls them: one channel each, deadlines, errors turned back."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from quintet.customer.v1 import customer_service_pb2 as customer_pb
from quintet.customer.v1 import customer_service_pb2_grpc as customer_grpc
from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb
from quintet.feedback.v1 import feedback_service_pb2_grpc as feedback_grpc
from quintet.product.v1 import product_service_pb2_grpc as product_grpc
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb
from quintet.recommendation.v1 import recommendation_service_pb2_grpc as recommendation_grpc

from shared.config import Agent, Settings
from shared.errors import QuintetError
from shared.rpc.client import BY_SHOPPER, call, open_channel, stream
from shared.rpc.concurrency_limit import ConcurrencyLimit
from shared.rpc.readiness import CHECK
from shared.rpc.tls import agents_files

FOLLOWED: tuple[Agent, ...] = ("customer", "product", "recommendation", "feedback")
RECOMMENDATION_SERVICE = "/quintet.recommendation.v1.RecommendationService"
RECOMMEND = f"{RECOMMENDATION_SERVICE}/Recommend"
BALANCING: dict[Agent, dict[str, Any]] = {"recommendation": BY_SHOPPER}
"""A replica has the histories and the pages of its own shoppers in memory."""
HEALTH_TIMEOUT_SECONDS = 1.0
CHECKS = ("database", "model")
"""Names of the checks by which agents are ready."""
APPLY_TIMEOUT_SECONDS = 30.0
FEWEST_OPEN, MOST_OPEN = 8, 256
"""Pages that wait for the recommendation agents: between these bounds as many as are answered in time."""


class AgentClients:
    """Stubs of the four agents. `call` and `stream` raise the QuintetError that the agent answered with."""

    def __init__(self, settings: Settings) -> None:
        self._timeout = settings.agent_timeout_seconds
        self._reserve = settings.fallback_reserve_seconds
        tls = agents_files(settings.tls_files, "coordinator")
        self._channels: dict[Agent, grpc.aio.Channel] = {
            name: open_channel(settings.address(name), BALANCING.get(name), tls, name) for name in FOLLOWED
        }
        self.customer = customer_grpc.CustomerServiceStub(self._channels["customer"])
        self.product = product_grpc.ProductServiceStub(self._channels["product"])
        self.recommendation = recommendation_grpc.RecommendationServiceStub(self._channels["recommendation"])
        self.feedback = feedback_grpc.FeedbackServiceStub(self._channels["feedback"])
        training = self._channels["recommendation"]
        if settings.training_address:
            training = open_channel(settings.training_address, None, tls, "recommendation")
        self._open = {*self._channels.values(), training}
        self.training = recommendation_grpc.RecommendationServiceStub(training)
        """Recommendation agents that train and try parameters, which takes memory and a core for minutes."""
        self._recommending = ConcurrencyLimit(FEWEST_OPEN, MOST_OPEN)
        # The answer stays as it came on the wire, see `recommend`.
        self._recommend: Any = self._channels["recommendation"].unary_unary(
            RECOMMEND, request_serializer=recommendation_pb.RecommendRequest.SerializeToString
        )

    async def call(self, method: Any, request: Any, timeout_seconds: float | None = None) -> Any:
        """Call a unary method for at most the configured seconds, or the caller's own deadline."""
        return await call(method, request, timeout_seconds or self._timeout)

    async def recommend(self, request: recommendation_pb.RecommendRequest) -> bytes:
        """Return the recommendation agent's answer, a serialised RecommendResponse that nobody has decoded.

        Leaves time for a fallback before the caller's own deadline. Raises as `call` does, and at once when more calls
        are open than are answered in time.
        """
        shopper = request.customer_id or request.visitor_id
        with self._recommending.call():
            answer: bytes = await call(self._recommend, request, self._timeout, self._reserve, shopper)
        return answer

    async def forward(
        self, rpc: str, request: Message, *, shopper: str = "", timeout_seconds: float | None = None
    ) -> bytes:
        """Return the recommendation agent's answer to an RPC whose messages are the same on the wire, undecoded.

        For a `shopper`, goes to their replica and leaves time for a fallback, as `recommend` does. Raises as `call`
        does.
        """
        method: Any = self._channels["recommendation"].unary_unary(
            f"{RECOMMENDATION_SERVICE}/{rpc}", request_serializer=type(request).SerializeToString
        )
        reserve = self._reserve if shopper else 0.0
        answer: bytes = await call(method, request, timeout_seconds or self._timeout, reserve, shopper)
        return answer

    def stream(self, method: Any, request: Any) -> AsyncIterator[Any]:
        """Call a method that streams its answers."""
        return stream(method, request)

    async def apply_customer(self, sequence: int) -> int:
        """Have the customer agent apply the log up to `sequence`; return the number it has applied."""
        request = customer_pb.ApplyEventsRequest(up_to_sequence=sequence)
        answer = await call(self.customer.ApplyEvents, request, APPLY_TIMEOUT_SECONDS)
        return int(answer.applied_sequence)

    async def apply_feedback(self, sequence: int) -> int:
        """Have the feedback agent apply the log up to `sequence`; return the number it has applied."""
        request = feedback_pb.ApplyEventsRequest(up_to_sequence=sequence)
        answer = await call(self.feedback.ApplyEvents, request, APPLY_TIMEOUT_SECONDS)
        return int(answer.applied_sequence)

    async def serving(self, agent: Agent, name: str = "") -> bool:
        """Return whether an agent answers its health check, as a whole or by `name`, with SERVING."""
        status = await self._health(agent, name)
        return bool(status == health_pb2.HealthCheckResponse.SERVING)

    async def failing_checks(self, agent: Agent) -> tuple[str, ...]:
        """Return the checks that an agent says fail; none of one that does not answer."""
        states = await asyncio.gather(*(self._health(agent, f"{CHECK}{name}") for name in CHECKS))
        failing = health_pb2.HealthCheckResponse.NOT_SERVING
        return tuple(name for name, state in zip(CHECKS, states, strict=True) if state == failing)

    async def _health(self, agent: Agent, name: str) -> Any:
        """Return the health status of a name; None where the agent does not answer or has no such name."""
        stub = health_pb2_grpc.HealthStub(self._channels[agent])
        request = health_pb2.HealthCheckRequest(service=name)
        try:
            answer = await call(stub.Check, request, HEALTH_TIMEOUT_SECONDS)  # type: ignore[attr-defined]
        except QuintetError:
            return None
        return answer.status

    async def close(self) -> None:
        """Close all channels."""
        for channel in self._open:
            await channel.close()
