"""One shopper's journey through the coordinator's public API, printed step by step, with what must hold checked.

A new customer of a known region and age: first recommendations, three product views, a search, a cart, a purchase, a
click on a recommendation. After each step the recommendations are shown with what changed; at the end the profile.
"""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.customer_pb2 import Customer, CustomerProfile, Demographics
from quintet.type.v1.event_pb2 import (
    AddToCart,
    Event,
    PageType,
    ProductQuantity,
    ProductView,
    Purchase,
    PurchaseLine,
    Search,
)
from quintet.type.v1.product_pb2 import InventoryStatus
from quintet.type.v1.recommendation_pb2 import (
    Feedback,
    InteractionType,
    Recommendation,
    RecommendationContext,
    RecommendationList,
)
from rich.console import RenderableType
from rich.table import Table

from cli.client import TIMEOUT_SECONDS
from cli.lists import how_made, recommendation_table
from cli.output import money

BUYABLE = (
    InventoryStatus.INVENTORY_STATUS_IN_STOCK,
    InventoryStatus.INVENTORY_STATUS_PREORDER,
    InventoryStatus.INVENTORY_STATUS_BACKORDER,
)


@dataclass(frozen=True)
class Step:
    """One step: what the shopper did, and the recommendations after it."""

    title: str
    answer: RecommendationList
    new: int


@dataclass
class Journey:
    """Plays the journey; `show` gets each thing to print. `failures` says what did not hold."""

    stub: pb_grpc.CoordinatorServiceStub
    show: Callable[[RenderableType], None]
    region: str
    age: int
    limit: int = 6
    customer_id: str = field(default_factory=lambda: f"shopper-{uuid.uuid4().hex[:8]}")
    steps: list[Step] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def play(self) -> CustomerProfile:
        """Play all steps and return the profile at the end."""
        self._register()
        home = self._ask("first recommendations, from people of the same region and age")
        viewed = self._view_three(home)
        self._search(viewed)
        bought = viewed[-1]
        before = self._cart(bought)
        after = self._buy(bought, before)
        self._click(after)
        return self._profile()

    def _register(self) -> None:
        customer = Customer(customer_id=self.customer_id, demographics=Demographics(age=self.age, region=self.region))
        self.stub.RegisterCustomer(pb.RegisterCustomerRequest(customer=customer), timeout=TIMEOUT_SECONDS)
        self.show(f"[bold]A new customer[/] {self.customer_id}: region {self.region}, age {self.age}")

    def _view_three(self, home: RecommendationList) -> list[Recommendation]:
        seen: list[Recommendation] = []
        answer = home
        for _ in range(3):
            product = next(each for each in answer.recommendations if each.product_id not in _ids(seen))
            seen.append(product)
            view = ProductView(product_id=product.product_id, duration_seconds=40, scrolls=3)
            answer = self._do(f"looks at {product.product_name}", Event(product_view=view))
        return seen

    def _search(self, viewed: list[Recommendation]) -> None:
        words = next((each.category for each in viewed if each.category), viewed[0].product_name)
        self._do(f"searches for “{words.lower()}”", Event(search=Search(query=words.lower())))

    def _cart(self, product: Recommendation) -> RecommendationList:
        added = AddToCart(items=[ProductQuantity(product_id=product.product_id, quantity=1)])
        self._do(f"puts {product.product_name} into the cart", Event(add_to_cart=added))
        return self._ask("the home page before the purchase")

    def _buy(self, product: Recommendation, before: RecommendationList) -> RecommendationList:
        line = PurchaseLine(product_id=product.product_id, quantity=1)
        purchase = Purchase(purchase_id=f"order-{uuid.uuid4().hex[:12]}", items=[line])
        self._do(f"buys {product.product_name}", Event(purchase=purchase))
        after = self._ask("the home page after the purchase")
        self._expect(_ids(before.recommendations) != _ids(after.recommendations), "the purchase changed nothing")
        for step in self.steps[-2:]:
            shown = _ids(step.answer.recommendations)
            self._expect(product.product_id not in shown, f"{product.product_name} is shown again: {step.title}")
        return after

    def _click(self, answer: RecommendationList) -> None:
        clicked = answer.recommendations[0]
        for interaction in (InteractionType.INTERACTION_TYPE_SHOWN, InteractionType.INTERACTION_TYPE_CLICK):
            feedback = Feedback(recommendation_id=clicked.recommendation_id, interaction_type=interaction)
            self.stub.RecordFeedback(pb.RecordFeedbackRequest(feedback=feedback), timeout=TIMEOUT_SECONDS)
        view = ProductView(product_id=clicked.product_id, duration_seconds=60)
        event = Event(product_view=view, recommendation_id=clicked.recommendation_id)
        self._do(f"clicks the recommendation {clicked.product_name}", event)

    def _profile(self) -> CustomerProfile:
        request = pb.GetCustomerProfileRequest(customer_id=self.customer_id)
        profile = self.stub.GetCustomerProfile(request, timeout=TIMEOUT_SECONDS).profile
        self.show(profile_table(profile))
        return profile

    def _do(self, title: str, event: Event) -> RecommendationList:
        event.customer_id = self.customer_id
        event.event_id = uuid.uuid4().hex
        request = pb.RecordEventRequest(event=event, recommend=pb.RecommendationOptions(limit=self.limit))
        answer = self.stub.RecordEvent(request, timeout=TIMEOUT_SECONDS)
        self._expect(not answer.pending_agents, f"{', '.join(answer.pending_agents)} did not follow: {title}")
        return self._take(title, answer.recommendations)

    def _ask(self, title: str) -> RecommendationList:
        request = pb.GetRecommendationsRequest(
            customer_id=self.customer_id,
            context=RecommendationContext(page_type=PageType.PAGE_TYPE_HOME),
            limit=self.limit,
        )
        return self._take(title, self.stub.GetRecommendations(request, timeout=TIMEOUT_SECONDS).list)

    def _take(self, title: str, answer: RecommendationList) -> RecommendationList:
        before = _ids(self.steps[-1].answer.recommendations) if self.steps else None
        new = len(_ids(answer.recommendations) - before) if before is not None else len(answer.recommendations)
        self.steps.append(Step(title, answer, new))
        changed = "" if before is None else f" · {new} of {len(answer.recommendations)} new"
        self.show("")
        self.show(recommendation_table(answer, f"{len(self.steps)}. {title}{changed}", before))
        self.show(f"[dim]{how_made(answer)}[/]")
        self._check(title, answer)
        return answer

    def _check(self, title: str, answer: RecommendationList) -> None:
        self._expect(bool(answer.recommendations), f"no recommendations: {title}")
        self._expect(not answer.fallbacks, f"fallbacks {', '.join(answer.fallbacks)}: {title}")
        for each in answer.recommendations:
            product = self.stub.GetProduct(
                pb.GetProductRequest(product_id=each.product_id), timeout=TIMEOUT_SECONDS
            ).product
            self._expect(product.inventory_status in BUYABLE, f"{product.name} cannot be bought: {title}")
            self._expect(product.recommendable, f"{product.name} must not be recommended: {title}")

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.failures.append(otherwise)


def profile_table(profile: CustomerProfile) -> Table:
    """Return what is known of a customer as a table for people."""
    table = Table(title="\nThe profile now", title_justify="left", title_style="bold", show_header=False)
    likes = profile.preferences
    table.add_row("likes", ", ".join(f"{each.value} {each.share:.0%}" for each in likes.categories[:5]) or "–")
    table.add_row("brands", ", ".join(f"{each.value} {each.share:.0%}" for each in likes.brands[:3]) or "–")
    table.add_row("pays", f"{money(likes.price_low)} to {money(likes.price_high)}, usually {money(likes.price_median)}")
    segments = (f"{each.segment_name} ({each.confidence:.0%})" for each in profile.segments)
    table.add_row("segments", ", ".join(segments) or "–")
    table.add_row(
        "history", f"{len(profile.views)} views, {len(profile.purchases)} bought, {len(profile.cart)} in the cart"
    )
    table.add_row("sessions", str(profile.sessions))
    return table


def _ids(recommendations: Iterable[Recommendation]) -> set[str]:
    return {each.product_id for each in recommendations}
