"""The shop's pages, filled by the agents: what a platform would send is sent to the coordinator over gRPC."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1 import customer_pb2, event_pb2, money_pb2, product_pb2
from quintet.type.v1.recommendation_pb2 import Recommendation, RecommendationContext, RecommendationList

from benchmarks.movable_clock import MovableClock
from benchmarks.simulation.calendar import moment
from benchmarks.simulation.response import Page, Response
from benchmarks.simulation.shop import CURRENCY, customer_id
from benchmarks.simulation.visits import Result, Visit
from benchmarks.simulation.world import World
from tests.e2e.small_shop import wait_until_applied

Stub = Any
"""A stub of the coordinator."""
CALL_SECONDS = 120.0
ATTEMPTS, BETWEEN_SECONDS = 120, 0.5
PAGE_TYPES = {
    Page.HOME: event_pb2.PAGE_TYPE_HOME,
    Page.PRODUCT: event_pb2.PAGE_TYPE_PRODUCT,
    Page.CART: event_pb2.PAGE_TYPE_CART,
}
LOOK_SECONDS, SEARCH_SECONDS = 5, 8
LAST_SECOND = 86_399 - 60
MOST_AT_ONCE = 1_000


@dataclass
class Shown:
    """The list that was shown last."""

    token: str = ""
    recommendations: list[Recommendation] = field(default_factory=list)


@dataclass
class Explored:
    """Places of all lists, those of them that were explored, and the sums of their scores."""

    places: int = 0
    explored: int = 0
    scores: float = 0.0
    explored_scores: float = 0.0

    def add(self, recommendations: Iterable[Recommendation]) -> None:
        """Count a list."""
        for each in recommendations:
            self.places += 1
            self.explored += each.explored
            self.scores += each.score
            self.explored_scores += each.score if each.explored else 0.0


class AgentsFront:
    """Asks the coordinator for lists and records what happens; the agents' clock is that of the session.

    Events are sent together before the next list is asked for, so that the answer knows of them.
    """

    def __init__(self, world: World, stub: Stub, clock: MovableClock, seed: int) -> None:
        self.fallbacks: Counter[str] = Counter()
        """Fallbacks of answers that were asked for again."""
        self.explored = Explored()
        self._world = world
        self._stub = stub
        self._clock = clock
        self._seed = seed
        self._numbers = {name: number for number, name in enumerate(world.observed.product_ids)}
        self._waiting: list[event_pb2.Event] = []
        self._refunds: dict[int, list[event_pb2.Event]] = {}
        self._shown = Shown()
        self._now = 0
        self._count = 0

    def begin_day(self, day: int) -> None:
        """Open the shop: who registers, what is new, what has another price, what is given back."""
        self._now = moment(day)
        self._clock.set(self._now)
        self._register(np.flatnonzero(self._world.registration_days == day).tolist())
        self._add_products(day, np.flatnonzero(self._world.entry_days == day).tolist())
        if day == self._world.sizes.history_days or self._world.week(day) != self._world.week(day - 1):
            self._set_prices(day)
        self._waiting += self._refunds.pop(day, [])

    def end_day(self, day: int) -> None:
        """Close the shop, and wait until every agent has applied what happened."""
        self._now = moment(day, LAST_SECOND)
        self._flush()
        self._clock.set(self._now)
        wait_until_applied(self._stub)

    def recommend(self, visit: Visit, page: Page, product: int | None, cart: Sequence[int]) -> list[int]:
        """Return the products of a page's list, best first."""
        self._arrive(visit, page)
        self._flush()
        self._clock.set(self._now)
        context = RecommendationContext(page_type=PAGE_TYPES[page], session_id=self._session(visit))
        if product is not None:
            context.product_id = self._world.observed.product_ids[product]
        request = pb.GetRecommendationsRequest(
            customer_id=customer_id(visit.household), context=context, limit=self._limit(page)
        )
        answer = self._answer(request)
        self._shown = Shown(answer.attribution_token, list(answer.recommendations))
        self.explored.add(answer.recommendations)
        return [self._numbers[each.product_id] for each in answer.recommendations]

    def responded(self, visit: Visit, page: Page, response: Response) -> None:
        """Record that the list was in view, and each click with what followed."""
        if not response.seen or not self._shown.recommendations:
            return
        self._add(visit, impression=event_pb2.Impression(attribution_token=self._shown.token))
        self._now += LOOK_SECONDS
        for each in response.outcomes:
            because = self._shown.recommendations[each.place].recommendation_id
            self._view(visit, each.product, each.dwell_seconds, because)
            if each.carted:
                self._put_into_cart(visit, each.product, because)

    def looked(self, visit: Visit, category: int, product: int) -> None:
        """Record that the household went to a category's page and looked at a product."""
        name = self._world.observed.category_names[category]
        self._add(visit, category_view=event_pb2.CategoryView(category=name))
        self._now += SEARCH_SECONDS
        self._view(visit, product, self._world.behaviour.dwell_seconds, "")

    def took(self, visit: Visit, product: int) -> None:
        """Record that it was put into the cart."""
        self._put_into_cart(visit, product, "")

    def ordered(self, result: Result) -> None:
        """Record what is left behind, the order, and plan what will be given back."""
        visit, prices = result.visit, self._world.prices(result.visit.day)
        left = [
            each.product
            for _, response in result.lists
            for each in response.outcomes
            if each.carted and not each.purchased
        ]
        items = [event_pb2.ProductQuantity(product_id=self._world.observed.product_ids[each]) for each in left]
        if items:
            self._add(visit, remove_from_cart=event_pb2.RemoveFromCart(items=items))
        if result.order:
            self._add(visit, purchase=event_pb2.Purchase(purchase_id=self._order(visit), items=[
                event_pb2.PurchaseLine(product_id=self._world.observed.product_ids[each], amount=_money(prices[each]))
                for each in result.order
            ]))  # fmt: skip
        if result.refunded:
            self._plan_refund(result)

    def _answer(self, request: pb.GetRecommendationsRequest) -> RecommendationList:
        """Return a full answer. Raises RuntimeError where the agents have none: a run with best-sellers is none.

        On a machine that is busy otherwise an agent may be late; asking again does no harm.
        """
        for _ in range(ATTEMPTS):
            answer: RecommendationList = self._called("GetRecommendations", request).list
            if not answer.fallbacks:
                return answer
            self.fallbacks.update(answer.fallbacks)
            time.sleep(BETWEEN_SECONDS)
        raise RuntimeError(f"no full answer after {ATTEMPTS} attempts: {list(answer.fallbacks)}")

    def _called(self, method: str, request: Any) -> Any:
        """Call the coordinator, and wait for a connection where there is none."""
        return getattr(self._stub, method)(request, timeout=CALL_SECONDS, wait_for_ready=True)

    def _arrive(self, visit: Visit, page: Page) -> None:
        if page is Page.HOME:
            self._now = max(self._now, moment(visit.day, visit.second))
            self._add(visit, home_view=event_pb2.HomeView())
        elif page is Page.CART:
            self._add(visit, cart_view=event_pb2.CartView())
        self._now += 1

    def _limit(self, page: Page) -> int:
        sizes = self._world.sizes
        return (sizes.home_count, sizes.product_count, sizes.cart_count)[page]

    def _view(self, visit: Visit, product: int, seconds: float, because: str) -> None:
        view = event_pb2.ProductView(product_id=self._world.observed.product_ids[product], duration_seconds=seconds)
        self._add(visit, because, product_view=view)
        self._now += max(1, round(seconds))

    def _put_into_cart(self, visit: Visit, product: int, because: str) -> None:
        item = event_pb2.ProductQuantity(product_id=self._world.observed.product_ids[product])
        self._add(visit, because, add_to_cart=event_pb2.AddToCart(items=[item]))
        self._now += 1

    def _plan_refund(self, result: Result) -> None:
        visit = result.visit
        day = visit.day + self._world.behaviour.refund_days
        items = [event_pb2.ProductQuantity(product_id=self._world.observed.product_ids[p]) for p in result.refunded]
        event = event_pb2.Event(
            event_id=f"{self._order(visit)}-refund",
            customer_id=customer_id(visit.household),
            event_time=_timestamp(moment(day)),
            refund=event_pb2.Refund(purchase_id=self._order(visit), items=items),
        )
        self._refunds.setdefault(day, []).append(event)

    def _session(self, visit: Visit) -> str:
        return f"r{self._seed}-{visit.number}"

    def _order(self, visit: Visit) -> str:
        return f"o{self._seed}-{visit.number}"

    def _add(self, visit: Visit, because: str = "", **detail: Any) -> None:
        """Have an event wait to be sent; `because` is the recommendation that led to it."""
        self._count += 1
        self._waiting.append(event_pb2.Event(
            event_id=f"e{self._seed}-{self._count}",
            customer_id=customer_id(visit.household),
            session_id=self._session(visit),
            event_time=_timestamp(self._now),
            recommendation_id=because,
            **detail,
        ))  # fmt: skip

    def _flush(self) -> None:
        """Send what waits."""
        waiting, self._waiting = self._waiting, []
        for first in range(0, len(waiting), MOST_AT_ONCE):
            self._clock.set(self._now)
            request = pb.BatchRecordEventsRequest(events=waiting[first : first + MOST_AT_ONCE])
            answer = self._called("BatchRecordEvents", request)
            if answer.rejections:
                raise RuntimeError(f"an event was refused: {answer.rejections[0]}")

    def _register(self, households: Iterable[int]) -> None:
        for household in households:
            customer = customer_pb2.Customer(customer_id=customer_id(household))
            self._called("RegisterCustomer", pb.RegisterCustomerRequest(customer=customer))

    def _add_products(self, day: int, products: Sequence[int]) -> None:
        if products:
            request = pb.BatchUpsertProductsRequest(products=[self._product(each, day) for each in products])
            self._called("BatchUpsertProducts", request)

    def _product(self, number: int, day: int) -> product_pb2.Product:
        observed = self._world.observed
        category = int(observed.categories[number])
        department = observed.department_names[observed.departments[category]]
        return product_pb2.Product(
            product_id=observed.product_ids[number],
            name=observed.names[number],
            category=observed.category_names[category],
            brand=observed.brands[number],
            attributes={"department": product_pb2.AttributeValue(text=department)},
            price=_money(self._world.prices(day)[number]),
            cost=_money(self._world.costs[number]),
            available_time=_timestamp(moment(day)),
        )

    def _set_prices(self, day: int) -> None:
        """Set the prices of the week where they are other than those of the week before."""
        before, prices = self._world.prices(day - 1), self._world.prices(day)
        changed = np.flatnonzero(self._world.available(day) & (before != prices)).tolist()
        updates = [
            product_pb2.PriceUpdate(product_id=self._world.observed.product_ids[each], price=_money(prices[each]))
            for each in changed
        ]
        for first in range(0, len(updates), MOST_AT_ONCE):
            self._called("UpdatePrices", pb.UpdatePricesRequest(updates=updates[first : first + MOST_AT_ONCE]))


def _money(cents: int) -> money_pb2.Money:
    return money_pb2.Money(currency_code=CURRENCY, amount_minor=int(cents))


def _timestamp(seconds: int) -> Timestamp:
    return Timestamp(seconds=seconds)
