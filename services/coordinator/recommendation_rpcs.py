"""The RPCs that answer with recommendations, ordered lists and related products."""

from typing import Any

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.product.v1 import product_service_pb2 as product_pb
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb

from services.coordinator import convert
from services.coordinator.agent import Coordinator
from shared.consent_messages import to_consent
from shared.events.check import check_id
from shared.events.recommend import check_recommend
from shared.merchandising.request import check_placed


class RecommendationRpcs:
    """Recommendations for one or several placements, the order of a list, related products."""

    _agent: Coordinator

    async def GetRecommendations(self, request: pb.GetRecommendationsRequest, context: Any) -> Any:
        """Return the answer as bytes: a RecommendResponse is a GetRecommendationsResponse on the wire."""
        check_recommend(request.context, request.filter, request.limit)
        _check_shopper(request)
        wanted = convert.to_recommend_request(request)
        check_placed(wanted)
        return await self._agent.recommend(wanted)

    async def BatchGetRecommendations(self, request: pb.BatchGetRecommendationsRequest, context: Any) -> Any:
        """Return the answer as bytes: a BatchRecommendResponse is the same on the wire."""
        _check_shopper(request)
        wanted = recommendation_pb.BatchRecommendRequest.FromString(request.SerializeToString())
        return await self._agent.recommend_all(wanted)

    async def RankProducts(self, request: pb.RankProductsRequest, context: Any) -> Any:
        """Return the answer as bytes: the agent's RankProductsResponse is the same on the wire."""
        _check_shopper(request)
        wanted = recommendation_pb.RankProductsRequest.FromString(request.SerializeToString())
        return await self._agent.rank(wanted)

    async def GetSimilarProducts(
        self, request: pb.GetSimilarProductsRequest, context: Any
    ) -> pb.GetSimilarProductsResponse:
        wanted = product_pb.GetRelatedProductsRequest(
            product_id=request.product_id, relation=request.relation, limit=request.limit
        )
        agents = self._agent.agents
        answer = await agents.call(agents.product.GetRelatedProducts, wanted)
        return pb.GetSimilarProductsResponse(related=answer.related)


def _check_shopper(
    request: pb.GetRecommendationsRequest | pb.BatchGetRecommendationsRequest | pb.RankProductsRequest,
) -> None:
    check_id(request.visitor_id, "visitor_id", required=False)
    check_id(request.customer_id, "customer_id", required=not request.visitor_id)
    to_consent(request.consent, "consent")
