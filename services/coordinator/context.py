"""Where a shopper is, as the event tells it: the context of the recommendations that answer an event."""

from quintet.type.v1.event_pb2 import Event, PageType
from quintet.type.v1.recommendation_pb2 import RecommendationContext

_PAGES = {
    "home_view": PageType.PAGE_TYPE_HOME,
    "custom": PageType.PAGE_TYPE_HOME,
    "impression": PageType.PAGE_TYPE_HOME,
    "refund": PageType.PAGE_TYPE_HOME,
    "add_to_cart": PageType.PAGE_TYPE_CART,
    "remove_from_cart": PageType.PAGE_TYPE_CART,
    "cart_view": PageType.PAGE_TYPE_CART,
}


def context_of(event: Event) -> RecommendationContext:
    """Return the page, product, category, search or order that the event names, in its session."""
    context = _detail_context(event)
    context.session_id = event.session_id
    return context


def _detail_context(event: Event) -> RecommendationContext:
    kind = event.WhichOneof("detail")
    if kind == "product_view":
        return RecommendationContext(page_type=PageType.PAGE_TYPE_PRODUCT, product_id=event.product_view.product_id)
    if kind == "category_view":
        return RecommendationContext(page_type=PageType.PAGE_TYPE_CATEGORY, category=event.category_view.category)
    if kind == "search":
        return RecommendationContext(page_type=PageType.PAGE_TYPE_SEARCH, search_query=event.search.query)
    if kind == "purchase":
        bought = [line.product_id for line in event.purchase.items[:200]]
        return RecommendationContext(page_type=PageType.PAGE_TYPE_POST_PURCHASE, purchased_product_ids=bought)
    if kind == "page_view":
        view = event.page_view
        return RecommendationContext(page_type=view.page_type, product_id=view.product_id, category=view.category)
    return RecommendationContext(page_type=_PAGES[kind or "home_view"])
