"""A coordinator that answers from memory, to see how a client behaves when the server does not."""

import re
import typing
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass, field
from typing import NoReturn

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1 import customer_pb2, money_pb2, placement_pb2, product_pb2, recommendation_pb2

CATALOGUE = [f"p-{number}" for number in range(20)]
LONGEST_DEADLINE = 6.0


@dataclass
class Shopper:
    """What the fake remembers of one customer."""

    customer: customer_pb2.Customer
    views: list[str] = field(default_factory=list)
    purchases: list[str] = field(default_factory=list)


@dataclass
class FakeCatalogue(pb_grpc.CoordinatorServiceServicer):
    """Answers the calls about the platform's own products; `faults` as for `FakeCoordinator`."""

    faults: frozenset[str] = frozenset()
    products: dict[str, product_pb2.Product] = field(default_factory=dict)

    def ImportProducts(
        self, requests: Iterator[pb.ImportProductsRequest], context: grpc.ServicerContext
    ) -> pb.ImportProductsResponse:
        require_deadline(context)
        new = {request.product.product_id: request.product for request in requests}
        self.products |= new
        return pb.ImportProductsResponse(created=len(new))

    def UpdatePrices(self, request: pb.UpdatePricesRequest, context: grpc.ServicerContext) -> pb.UpdatePricesResponse:
        require_deadline(context)
        if "keeps_prices" not in self.faults:
            for update in request.updates:
                self.products[update.product_id].price.CopyFrom(update.price)
        return pb.UpdatePricesResponse(counts=product_pb2.UpdateCounts(applied=len(request.updates)))

    def GetProduct(self, request: pb.GetProductRequest, context: grpc.ServicerContext) -> pb.GetProductResponse:
        require_deadline(context)
        return pb.GetProductResponse(product=self.products[request.product_id])

    def RankProducts(self, request: pb.RankProductsRequest, context: grpc.ServicerContext) -> pb.RankProductsResponse:
        require_deadline(context)
        names = list(reversed(request.product_ids))
        if "loses_products" in self.faults:
            names.pop()
        products = [placement_pb2.RankedProduct(product_id=name) for name in names]
        return pb.RankProductsResponse(products=products, strategy="category")

    def DeleteProduct(
        self, request: pb.DeleteProductRequest, context: grpc.ServicerContext
    ) -> pb.DeleteProductResponse:
        require_deadline(context)
        return pb.DeleteProductResponse(deleted=self.products.pop(request.product_id, None) is not None)

    def _filtered(self, expression: str) -> list[str]:
        """Return the products that pass a filter of the form that the clients send."""
        found = re.fullmatch(r'brand = "(.+)" AND price < ([\d.]+)', expression)
        assert found, expression
        brand, most = found.group(1), float("inf") if "ignores_filters" in self.faults else float(found.group(2))
        passing = (each for each in self.products.values() if each.brand == brand)
        return [each.product_id for each in passing if each.price.amount_minor < most * 100]


@dataclass
class FakeCoordinator(FakeCatalogue):
    """Answers the calls of the shopper's journey.

    `faults` names what it does wrong: `shows_purchased` recommends what was bought, `never_changes` has one list
    for every page, `forgets_event_ids` records a repeated event again, `hides_field` names no field of a bad request,
    `keeps_customer` answers for an erased customer, `keeps_prices` changes no price, `ignores_filters` lets dearer
    products through, `loses_products` ranks one less, `stumbles` is UNAVAILABLE at the first try of every event.
    """

    shoppers: dict[str, Shopper] = field(default_factory=dict)
    event_ids: set[str] = field(default_factory=set)
    stumbled: set[str] = field(default_factory=set)

    def RegisterCustomer(
        self, request: pb.RegisterCustomerRequest, context: grpc.ServicerContext
    ) -> pb.RegisterCustomerResponse:
        require_deadline(context)
        self.shoppers[request.customer.customer_id] = Shopper(request.customer)
        return pb.RegisterCustomerResponse(customer=request.customer)

    def GetRecommendations(
        self, request: pb.GetRecommendationsRequest, context: grpc.ServicerContext
    ) -> pb.GetRecommendationsResponse:
        require_deadline(context)
        if request.filter.expression:
            own = listed(self._filtered(request.filter.expression), request.limit)
            own.placement_id = request.placement_id
            return pb.GetRecommendationsResponse(list=own)
        names = CATALOGUE[10:] if "never_changes" in self.faults else self._picks(request.customer_id)
        return pb.GetRecommendationsResponse(list=listed(names, request.limit))

    def RecordEvent(self, request: pb.RecordEventRequest, context: grpc.ServicerContext) -> pb.RecordEventResponse:
        require_deadline(context)
        event = request.event
        if "stumbles" in self.faults and event.event_id not in self.stumbled:
            self.stumbled.add(event.event_id)
            context.abort(grpc.StatusCode.UNAVAILABLE, "not ready yet")
        if event.product_view.duration_seconds < 0:
            refuse(context, "" if "hides_field" in self.faults else "event.product_view.duration_seconds")
        duplicate = event.event_id in self.event_ids and "forgets_event_ids" not in self.faults
        self.event_ids.add(event.event_id)
        shopper = self.shoppers[event.customer_id]
        if event.HasField("product_view"):
            shopper.views.append(event.product_view.product_id)
        shopper.purchases.extend(line.product_id for line in event.purchase.items)
        answer = pb.RecordEventResponse(event_id=event.event_id, duplicate=duplicate, session_id="s-1")
        if request.HasField("recommend"):
            answer.recommendations.CopyFrom(listed(self._picks(event.customer_id), request.recommend.limit))
        return answer

    def RecordFeedback(
        self, request: pb.RecordFeedbackRequest, context: grpc.ServicerContext
    ) -> pb.RecordFeedbackResponse:
        require_deadline(context)
        return pb.RecordFeedbackResponse(feedback_id=request.feedback.feedback_id)

    def GetCustomerProfile(
        self, request: pb.GetCustomerProfileRequest, context: grpc.ServicerContext
    ) -> pb.GetCustomerProfileResponse:
        require_deadline(context)
        shopper = self.shoppers.get(request.customer_id)
        if shopper is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no customer {request.customer_id!r}")
        interaction = customer_pb2.ProductInteraction
        profile = customer_pb2.CustomerProfile(
            customer=shopper.customer,
            views=[interaction(product_id=name) for name in reversed(shopper.views)],
            purchases=[interaction(product_id=name) for name in reversed(shopper.purchases)],
            segments=[customer_pb2.SegmentMembership(segment_name="new_customers", confidence=0.9)],
            sessions=1,
        )
        profile.preferences.categories.add(value="Coffee", share=0.75)
        return pb.GetCustomerProfileResponse(profile=profile)

    def GetSimilarProducts(
        self, request: pb.GetSimilarProductsRequest, context: grpc.ServicerContext
    ) -> pb.GetSimilarProductsResponse:
        require_deadline(context)
        others = [name for name in CATALOGUE if name != request.product_id][: request.limit]
        related = [
            product_pb2.RelatedProduct(product=product_pb2.Product(product_id=name, name=title(name)), score=0.5)
            for name in others
        ]
        return pb.GetSimilarProductsResponse(related=related)

    def DeleteCustomer(
        self, request: pb.DeleteCustomerRequest, context: grpc.ServicerContext
    ) -> pb.DeleteCustomerResponse:
        require_deadline(context)
        if "keeps_customer" not in self.faults:
            del self.shoppers[request.customer_id]
        rows = [customer_pb2.TableRows(table="customers", rows=1)]
        receipt = customer_pb2.ErasureReceipt(receipt_id="r-1", erased=rows, models_note="Nothing.")
        return pb.DeleteCustomerResponse(receipt=receipt)

    def _picks(self, customer_id: str) -> list[str]:
        """Return the catalogue, turned by one product an action, without what was bought."""
        shopper = self.shoppers[customer_id]
        turn = len(shopper.views) + len(shopper.purchases)
        turned = CATALOGUE[turn:] + CATALOGUE[:turn]
        if "shows_purchased" in self.faults:
            return shopper.purchases + turned
        return [name for name in turned if name not in shopper.purchases]


def listed(names: list[str], limit: int) -> recommendation_pb2.RecommendationList:
    """Return the first `limit` products as recommendations."""
    items = [recommendation(name, place) for place, name in enumerate(names[:limit], start=1)]
    return recommendation_pb2.RecommendationList(recommendations=items, model_version="m-1", strategy="hybrid")


def title(name: str) -> str:
    """Return the name a shopper reads."""
    return f"Roasted coffee {name}"


def recommendation(name: str, position: int) -> recommendation_pb2.Recommendation:
    """Return one recommended product."""
    return recommendation_pb2.Recommendation(
        recommendation_id=f"r-{name}",
        product_id=name,
        product_name=title(name),
        price=money_pb2.Money(currency_code="USD", amount_minor=399),
        score=1 / position,
        algorithm="popularity",
        reason=recommendation_pb2.Reason(
            kind=recommendation_pb2.REASON_KIND_POPULAR, text="Popular with other shoppers"
        ),
        position=position,
    )


def require_deadline(context: grpc.ServicerContext) -> None:
    """Refuse a call that would wait for ever."""
    remaining = context.time_remaining()
    if remaining is None or remaining > LONGEST_DEADLINE:
        context.abort(grpc.StatusCode.INTERNAL, f"no deadline of at most 5 s: {remaining}")


def refuse(context: grpc.ServicerContext, field_name: str) -> NoReturn:
    """Answer INVALID_ARGUMENT, with the field at fault unless `field_name` is empty."""
    status = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=f"{field_name}: must not be negative, got -1.0")
    if field_name:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=field_name, description="must not be negative, got -1.0"
        )
        detail = Any()
        detail.Pack(error_details_pb2.BadRequest(field_violations=[violation]))
        status.details.append(detail)
    context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError("abort returned")


class WantsKey(grpc.ServerInterceptor):
    """Refuses calls that do not show a key."""

    def __init__(self, key: str) -> None:
        self._wanted = ("authorization", f"Bearer {key}")

    def intercept_service(self, continuation: typing.Any, details: grpc.HandlerCallDetails) -> typing.Any:
        if self._wanted in details.invocation_metadata:
            return continuation(details)
        return grpc.unary_unary_rpc_method_handler(
            lambda _, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "no key")
        )


def start(
    faults: frozenset[str] = frozenset(), tls: grpc.ServerCredentials | None = None, key: str = ""
) -> tuple[grpc.Server, str]:
    """Start a fake coordinator on a free port and return it with its address; with `key` it refuses calls without."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), interceptors=[WantsKey(key)] if key else [])
    coordinator = FakeCoordinator(faults)  # type: ignore[abstract]  # what the journey does not call is UNIMPLEMENTED
    pb_grpc.add_CoordinatorServiceServicer_to_server(coordinator, server)
    port = server.add_secure_port("127.0.0.1:0", tls) if tls else server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"
