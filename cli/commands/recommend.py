"""`quintet recommend`: ask for recommendations."""

from enum import StrEnum
from typing import Annotated

import typer
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.event_pb2 import PageType
from quintet.type.v1.recommendation_pb2 import RecommendationContext, RecommendationFilter

from cli.client import TIMEOUT_SECONDS, coordinator
from cli.lists import how_made, recommendation_table
from cli.output import out, print_json, reported
from shared.config import Settings


class Page(StrEnum):
    """Kinds of pages, as `PageType` in the contract."""

    HOME = "home"
    PRODUCT = "product"
    CATEGORY = "category"
    CART = "cart"
    SEARCH = "search"
    POST_PURCHASE = "post-purchase"
    BUY_AGAIN = "buy-again"


def recommend(
    customer: Annotated[str, typer.Argument(help="Customer id.")],
    page: Annotated[Page, typer.Option(help="Kind of page.")] = Page.HOME,
    product: Annotated[str, typer.Option(help="Product in view, for product pages.")] = "",
    category: Annotated[str, typer.Option(help="Category in view, for category pages.")] = "",
    query: Annotated[str, typer.Option(help="Search text, for search pages.")] = "",
    only_category: Annotated[list[str] | None, typer.Option(help="Only these categories; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 10,
    visitor: Annotated[bool, typer.Option("--visitor", help="The id is a visitor's, not a customer's.")] = False,
    address: Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print recommendations for a customer, best first.

    Example: `quintet recommend 1001 --page product --product 1029743 --limit 5`
    """
    request = pb.GetRecommendationsRequest(
        customer_id="" if visitor else customer,
        visitor_id=customer if visitor else "",
        context=RecommendationContext(
            page_type=PageType.Value(f"PAGE_TYPE_{page.name}"),
            product_id=product,
            category=category,
            search_query=query,
        ),
        limit=limit,
        filter=RecommendationFilter(categories=only_category or []),
    )
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.GetRecommendations(request, timeout=TIMEOUT_SECONDS).list
    if as_json:
        print_json(answer)
        return
    out.print(recommendation_table(answer))
    out.print(how_made(answer), highlight=False)
