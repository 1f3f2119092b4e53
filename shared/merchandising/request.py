"""A request for recommendations with what its placement says filled in."""

from dataclasses import replace

from quintet.recommendation.v1.recommendation_service_pb2 import BatchRecommendRequest, RecommendRequest
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.event_pb2 import PageType
from quintet.type.v1.placement_pb2 import PlacementRequest

from shared.errors import InvalidArgument, QuintetError
from shared.events.check import check_number, check_text
from shared.events.page import limit_of, page_of
from shared.events.recommend import check_recommend
from shared.limits import MAX_LIST_TOKEN
from shared.list_tokens import FIELD as PAGE_TOKEN
from shared.list_tokens import PagedList
from shared.merchandising.fields import check_name, check_strategy, to_boosts, to_strategy
from shared.merchandising.merchandising import Merchandising
from shared.merchandising.placement import Placement
from shared.recommendation_tokens import Shopper

_OF_A_LIST = ("placement_id", "limit", "filter", "page_token", "strategy", "boosts", "diversity")


def single(request: BatchRecommendRequest, one: PlacementRequest) -> RecommendRequest:
    """Return one of several lists of a page as a request of its own."""
    return RecommendRequest(
        customer_id=request.customer_id,
        visitor_id=request.visitor_id,
        context=request.context,
        limit=one.limit,
        filter=one.filter,
        placement_id=one.placement_id,
        page_token=one.page_token,
        diversity=one.diversity if one.HasField("diversity") else None,
        strategy=one.strategy,
        boosts=one.boosts if one.HasField("boosts") else None,
        consent=request.consent,
    )


def in_list(error: QuintetError, index: int) -> QuintetError:
    """Return an error about one of several lists with its field as the request for all of them names it."""
    for name in _OF_A_LIST:
        if any(each.field.split(".")[0] == name for each in error.violations):
            return error.renamed(name, f"requests[{index}].{name}")
    return error


def check_placed(request: RecommendRequest) -> None:
    """Raise InvalidArgument when what a request says of its placement breaks a rule of the contract."""
    if request.placement_id:
        check_name(request.placement_id, "placement_id")
    check_text(request.page_token, PAGE_TOKEN, MAX_LIST_TOKEN)
    if request.HasField("diversity"):
        check_number(request.diversity, "diversity", 0, 1)
    check_strategy(request.strategy, "strategy")
    to_boosts(request.boosts, "boosts")


def fill_in(request: RecommendRequest, merchandising: Merchandising) -> Placement:
    """Check a request, fill in what it leaves to its placement, and return the placement as the request overrides it.

    Raises
    ------
    InvalidArgument
        If a field breaks a rule of the contract, or the request is for another kind of page than the placement.
    NotFound
        If the placement is not known.
    """
    check_recommend(request.context, request.filter, request.limit)
    check_placed(request)
    placement = merchandising.placement(request.placement_id, page_of(request.context))
    page_type = PageType.Value(f"PAGE_TYPE_{placement.page}")
    if request.context.page_type not in (PageType.PAGE_TYPE_UNSPECIFIED, page_type) and request.placement_id:
        problem = f"must be left out or {placement.page}, the page of placement {placement.placement_id}"
        name = PageType.Name(request.context.page_type)
        raise InvalidArgument.of("context.page_type", name, problem, ErrorReason.FIELD_CONFLICT)
    if request.context.page_type != page_type and request.placement_id:
        request.context.page_type = page_type
        check_recommend(request.context, request.filter, request.limit)
    request.limit = limit_of(request.limit or placement.count)
    return _overridden(placement, request)


def _overridden(placement: Placement, request: RecommendRequest) -> Placement:
    """Return a placement with the strategy and the boosts that a request names in place of its own."""
    if request.strategy:
        placement = replace(placement, strategy=to_strategy(request.strategy, placement.page, "strategy"))
    if request.HasField("boosts"):
        placement = replace(placement, boosts=to_boosts(request.boosts, "boosts"))
    return placement


def paged_list(request: RecommendRequest) -> PagedList:
    """Return which list a request that was filled in is for; its pages must have all of it in common."""
    context = request.context
    parts = (
        request.placement_id,
        page_of(context).value,
        context.product_id,
        context.category,
        context.search_query,
        request.filter.SerializeToString(deterministic=True),
    )
    return PagedList(Shopper(request.customer_id, request.visitor_id), parts)
