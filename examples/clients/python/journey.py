"""One shopper's journey through Quintet: from registration to erasure, by the public gRPC contract alone.

Run it against a coordinator whose catalogue has products:

    python examples/clients/python/journey.py --address 127.0.0.1:50050
"""

import argparse
import os
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from catalogue import Catalogue
from checks import CheckFailed, Fields, check
from connection import DEADLINE_SECONDS, connect, field_violations
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from quintet.type.v1 import customer_pb2, event_pb2, money_pb2, recommendation_pb2
from report import Report

LIMIT = 5
PLACEMENT = "home"


class Journey:
    """The steps of one shopper, in order; each returns what it reports."""

    def __init__(self, stub: CoordinatorServiceStub, region: str, age: int) -> None:
        self._stub = stub
        self._region = region
        self._age = age
        self._customer_id = f"example-python-{uuid.uuid4().hex[:12]}"
        self._catalogue = Catalogue(stub)
        self._first_home: list[str] = []
        self._shown: Sequence[recommendation_pb2.Recommendation] = ()
        self._viewed: list[str] = []
        self._chosen = recommendation_pb2.Recommendation()

    def steps(self) -> list[tuple[str, Callable[[], Fields]]]:
        """Return name and function of each step."""
        return [
            ("register_customer", self.register),
            ("import_products", self._catalogue.import_products),
            ("price_change", self._catalogue.change_price),
            ("home", self.home),
            ("view_1", self.view),
            ("view_2_click", self.click),
            ("view_3", self.view),
            ("search", self.search),
            ("add_to_cart", self.add_to_cart),
            ("purchase", self.purchase),
            ("post_purchase", self.post_purchase),
            ("home_after_purchase", self.home_after_purchase),
            ("placement", self.placement),
            ("rank", self.rank),
            ("feedback_shown", lambda: self.feedback(recommendation_pb2.INTERACTION_TYPE_SHOWN)),
            ("feedback_click", lambda: self.feedback(recommendation_pb2.INTERACTION_TYPE_CLICK)),
            ("duplicate_event", self.duplicate_event),
            ("bad_request", self.bad_request),
            ("profile", self.profile),
            ("similar_products", self.similar_products),
            ("delete_products", self._catalogue.delete_products),
            ("delete_customer", self.delete),
            ("profile_gone", self.profile_gone),
        ]

    def register(self) -> Fields:
        demographics = customer_pb2.Demographics(region=self._region, age=self._age)
        customer = customer_pb2.Customer(customer_id=self._customer_id, demographics=demographics)
        stored = self._stub.RegisterCustomer(
            pb.RegisterCustomerRequest(customer=customer), timeout=DEADLINE_SECONDS
        ).customer
        check(stored.customer_id == self._customer_id, f"customer {self._customer_id}, got {stored.customer_id}")
        return {"customer_id": self._customer_id, "region": self._region, "age": self._age}

    def home(self) -> Fields:
        fields = self._recommend(event_pb2.PAGE_TYPE_HOME)
        self._first_home = [each.product_id for each in self._shown]
        return fields

    def view(self) -> Fields:
        pick = self._next_pick()
        return self._look_at(pick, self._event())

    def click(self) -> Fields:
        """View a product by clicking on its recommendation: with its id the purchase to come is credited to it."""
        self._chosen = self._next_pick()
        return self._look_at(self._chosen, self._event(recommendation_id=self._chosen.recommendation_id))

    def search(self) -> Fields:
        query = max(self._shown[0].product_name.split(), key=len)
        answer = self._record(self._event(search=event_pb2.Search(query=query)))
        return {"query": query, **self._fresh(answer)}

    def add_to_cart(self) -> Fields:
        line = event_pb2.ProductQuantity(product_id=self._chosen.product_id, quantity=1)
        answer = self._record(self._event(add_to_cart=event_pb2.AddToCart(items=[line])))
        return {"product_id": line.product_id, **self._fresh(answer)}

    def purchase(self) -> Fields:
        amount = (
            self._chosen.price
            if self._chosen.HasField("price")
            else money_pb2.Money(currency_code="USD", amount_minor=499)
        )
        line = event_pb2.PurchaseLine(product_id=self._chosen.product_id, quantity=1, amount=amount)
        purchase = event_pb2.Purchase(purchase_id=f"order-{uuid.uuid4().hex}", items=[line])
        answer = self._stub.RecordEvent(
            pb.RecordEventRequest(event=self._event(purchase=purchase)), timeout=DEADLINE_SECONDS
        )
        check(not answer.duplicate, "a new purchase")
        return {"purchase_id": purchase.purchase_id, "product_id": line.product_id, "amount": money(amount)}

    def post_purchase(self) -> Fields:
        fields = self._recommend(event_pb2.PAGE_TYPE_POST_PURCHASE)
        self._check_purchased_is_gone()
        return fields

    def home_after_purchase(self) -> Fields:
        fields = self._recommend(event_pb2.PAGE_TYPE_HOME)
        self._check_purchased_is_gone()
        now = [each.product_id for each in self._shown]
        check(now != self._first_home, f"other recommendations than before the journey, got {now} again")
        return fields

    def placement(self) -> Fields:
        """Fill a placement of the page, with a filter that only the product with the new price passes."""
        only = recommendation_pb2.RecommendationFilter(expression=self._catalogue.affordable)
        request = pb.GetRecommendationsRequest(
            customer_id=self._customer_id, placement_id=PLACEMENT, limit=LIMIT, filter=only
        )
        answer = self._stub.GetRecommendations(request, timeout=DEADLINE_SECONDS).list
        found = [each.product_id for each in answer.recommendations]
        wanted = self._catalogue.ids[:1]
        check(found == wanted, f"{wanted} alone to pass {only.expression}, got {found}")
        return {"placement_id": answer.placement_id, "filter": only.expression, **self._show(answer)}

    def rank(self) -> Fields:
        """Have a list of the platform's own ordered for the shopper: here new products, then what HOME showed first."""
        given = [*self._catalogue.ids, *self._first_home]
        request = pb.RankProductsRequest(customer_id=self._customer_id, product_ids=given)
        answer = self._stub.RankProducts(request, timeout=DEADLINE_SECONDS)
        ranked = [each.product_id for each in answer.products]
        check(sorted(ranked) == sorted(given), f"an order of {given}, got {ranked}")
        return {"strategy": answer.strategy, "fallbacks": list(answer.fallbacks), "product_ids": ranked}

    def feedback(self, interaction: recommendation_pb2.InteractionType.ValueType) -> Fields:
        pick = self._shown[0]
        feedback = recommendation_pb2.Feedback(
            feedback_id=uuid.uuid4().hex, recommendation_id=pick.recommendation_id, interaction_type=interaction
        )
        answer = self._stub.RecordFeedback(pb.RecordFeedbackRequest(feedback=feedback), timeout=DEADLINE_SECONDS)
        check(not answer.duplicate, "new feedback")
        return {"recommendation_id": pick.recommendation_id, "product_name": pick.product_name}

    def duplicate_event(self) -> Fields:
        """Send one event twice, as a client does that never saw the first answer."""
        request = pb.RecordEventRequest(event=self._event(home_view=event_pb2.HomeView()))
        duplicates = [self._stub.RecordEvent(request, timeout=DEADLINE_SECONDS).duplicate for _ in range(2)]
        check(duplicates == [False, True], f"the second event to be a duplicate of the first, got {duplicates}")
        return {"event_id": request.event.event_id, "duplicate": duplicates}

    def bad_request(self) -> Fields:
        view = event_pb2.ProductView(product_id=self._chosen.product_id, duration_seconds=-1)
        error = self._refusal(lambda: self._record(self._event(product_view=view)))
        violations = field_violations(error)
        check(error.code() is grpc.StatusCode.INVALID_ARGUMENT, f"INVALID_ARGUMENT, got {error.code().name}")
        wrong = [each["field"] for each in violations]
        check(
            wrong == ["event.product_view.duration_seconds"],
            f"a violation of event.product_view.duration_seconds, got {wrong}",
        )
        return {"status": error.code().name, "violations": violations}

    def profile(self) -> Fields:
        profile = self._stub.GetCustomerProfile(
            pb.GetCustomerProfileRequest(customer_id=self._customer_id), timeout=DEADLINE_SECONDS
        ).profile
        views = [each.product_id for each in profile.views]
        purchases = [each.product_id for each in profile.purchases]
        check(set(self._viewed) <= set(views), f"views of {self._viewed} in the profile, got {views}")
        check(purchases == [self._chosen.product_id], f"one purchase of {self._chosen.product_id}, got {purchases}")
        likes = [{"category": each.value, "share": round(each.share, 3)} for each in profile.preferences.categories]
        segments = [
            {"segment": each.segment_name, "confidence": round(each.confidence, 3)} for each in profile.segments
        ]
        return {"views": views, "purchases": purchases, "categories": likes, "segments": segments}

    def similar_products(self) -> Fields:
        request = pb.GetSimilarProductsRequest(product_id=self._chosen.product_id, limit=LIMIT)
        related = self._stub.GetSimilarProducts(request, timeout=DEADLINE_SECONDS).related
        names = [each.product.product_id for each in related]
        check(bool(names) and request.product_id not in names, f"others than {request.product_id}, got {names}")
        similar = [{"product_name": each.product.name, "score": round(each.score, 3)} for each in related]
        return {"product_id": request.product_id, "similar": similar}

    def delete(self) -> Fields:
        request = pb.DeleteCustomerRequest(customer_id=self._customer_id)
        receipt = self._stub.DeleteCustomer(request, timeout=DEADLINE_SECONDS).receipt
        erased = [{"table": each.table, "rows": each.rows} for each in receipt.erased]
        check(bool(receipt.receipt_id and erased), f"a receipt with rows, got {receipt.receipt_id!r} and {erased}")
        return {"receipt_id": receipt.receipt_id, "erased": erased, "models_note": receipt.models_note}

    def profile_gone(self) -> Fields:
        request = pb.GetCustomerProfileRequest(customer_id=self._customer_id)
        error = self._refusal(lambda: self._stub.GetCustomerProfile(request, timeout=DEADLINE_SECONDS))
        check(error.code() is grpc.StatusCode.NOT_FOUND, f"NOT_FOUND, got {error.code().name}")
        return {"status": error.code().name}

    def _event(self, **detail: Any) -> event_pb2.Event:
        """Return an event of the shopper. The id makes it safe to send again."""
        return event_pb2.Event(event_id=uuid.uuid4().hex, customer_id=self._customer_id, **detail)

    def _record(self, event: event_pb2.Event) -> pb.RecordEventResponse:
        """Record an event and ask for fresh recommendations in the same call."""
        options = pb.RecommendationOptions(limit=LIMIT)
        return self._stub.RecordEvent(pb.RecordEventRequest(event=event, recommend=options), timeout=DEADLINE_SECONDS)

    def _look_at(self, pick: recommendation_pb2.Recommendation, event: event_pb2.Event) -> Fields:
        event.product_view.CopyFrom(event_pb2.ProductView(product_id=pick.product_id, duration_seconds=30, scrolls=2))
        answer = self._record(event)
        self._viewed.append(pick.product_id)
        return {"product_id": pick.product_id, "product_name": pick.product_name, **self._fresh(answer)}

    def _next_pick(self) -> recommendation_pb2.Recommendation:
        """Return the best recommendation on screen that the shopper has not looked at."""
        fresh = [each for each in self._shown if each.product_id not in self._viewed]
        check(bool(fresh), "a recommendation that was not viewed yet")
        return fresh[0]

    def _recommend(self, page_type: event_pb2.PageType.ValueType) -> Fields:
        context = recommendation_pb2.RecommendationContext(page_type=page_type)
        request = pb.GetRecommendationsRequest(customer_id=self._customer_id, context=context, limit=LIMIT)
        return self._show(self._stub.GetRecommendations(request, timeout=DEADLINE_SECONDS).list)

    def _fresh(self, answer: pb.RecordEventResponse) -> Fields:
        check(not answer.duplicate, "a new event")
        return self._show(answer.recommendations)

    def _show(self, answer: recommendation_pb2.RecommendationList) -> Fields:
        """Take the answer as what is on the shopper's screen now."""
        check(len(answer.recommendations) > 0, "recommendations, got none")
        self._shown = answer.recommendations
        return {
            "strategy": answer.strategy,
            "fallbacks": list(answer.fallbacks),
            "recommendations": [card(each) for each in self._shown],
        }

    def _check_purchased_is_gone(self) -> None:
        bought = self._chosen.product_id
        check(bought not in [each.product_id for each in self._shown], f"purchased product {bought} not recommended")

    @staticmethod
    def _refusal(call: Callable[[], object]) -> grpc.RpcError:
        """Return the error that a call must end with."""
        try:
            call()
        except grpc.RpcError as error:
            return error
        raise CheckFailed("expected an error, got an answer")


def card(item: recommendation_pb2.Recommendation) -> Fields:
    """Return what a product card on a page needs."""
    return {
        "recommendation_id": item.recommendation_id,
        "product_id": item.product_id,
        "product_name": item.product_name,
        "price": money(item.price) if item.HasField("price") else "",
        "algorithm": item.algorithm,
        "score": round(item.score, 3),
        "reason": item.reason.text,
    }


def money(amount: money_pb2.Money) -> str:
    """Return an amount for people. Two decimals suit most currencies; a shop that sells in JPY or KWD asks ISO 4217."""
    return f"{amount.amount_minor / 100:.2f} {amount.currency_code}"


def run(journey: Journey, report: Report) -> int:
    """Take the steps in order; return 1 at the first that fails."""
    for name, step in journey.steps():
        try:
            report.done(name, step())
        except CheckFailed as failure:
            report.failed(name, str(failure))
            return 1
        except grpc.RpcError as error:
            report.failed(name, f"{error.code().name}: {error.details()}")
            return 1
    return 0


def main() -> int:
    default = os.environ.get("QUINTET_COORDINATOR_ADDRESS", "127.0.0.1:50050")
    parser = argparse.ArgumentParser(description="Play one shopper's journey through Quintet.")
    parser.add_argument("--address", default=default, help="gRPC target of the coordinator (default %(default)s)")
    parser.add_argument("--region", default="store 367", help="region of the new customer (default %(default)s)")
    parser.add_argument("--age", type=int, default=50, help="age of the new customer (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a step")
    arguments = parser.parse_args()
    ca, key = os.environ.get("QUINTET_TLS_CA", ""), os.environ.get("QUINTET_API_KEY", "")
    with connect(arguments.address, ca, key) as channel:
        journey = Journey(CoordinatorServiceStub(channel), arguments.region, arguments.age)
        return run(journey, Report(arguments.json))


if __name__ == "__main__":
    raise SystemExit(main())
