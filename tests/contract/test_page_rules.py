"""Whatever the fallback shows, the ranker's rules allow: the same calls over both, as each of them reads a call."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quintet.recommendation.v1.recommendation_service_pb2 import RecommendRequest
from quintet.type.v1.event_pb2 import (
    AddToCart,
    Event,
    PageType,
    ProductQuantity,
    Purchase,
    PurchaseLine,
    RemoveFromCart,
)
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.recommendation_pb2 import RecommendationContext, RecommendationFilter

from services.coordinator.best_sellers import BestSellers
from services.coordinator.fallback import allowed_best_sellers
from services.recommendation.convert import to_query
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.known_shopper import read_known_shopper
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.page import allowed_on_page
from services.recommendation.serving.page_policy import PAGE_POLICIES
from services.recommendation.serving.request_context import request_context
from services.recommendation.serving.user_history import Person, UserHistory
from shared.consent import Consent
from shared.db.identified_events import Recorded
from shared.db.interactions import History, InteractionRows, Kind
from shared.db.product_offers import Offer
from shared.db.products import CatalogueEntry
from shared.db.request_reads import ShopperProducts, StoredShopper
from shared.page_rules import one_of_each_group
from tests.unit.recommendation.small import catalogue, entry

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
FAR = datetime(2100, 1, 1, tzinfo=UTC)
SHELF = [
    entry(1),
    entry(2, category="Tea"),
    entry(3, inventory_status="OUT_OF_STOCK"),
    entry(4, inventory_status="PREORDER"),
    entry(5, price=None, currency=None),
    entry(6, currency="USD"),
    entry(7, category="", price=0),
    entry(8, category="Tea", price=150),
    entry(9, recommendable=False),
    entry(10, category="Tea", inventory_status="BACKORDER"),
    entry(11),
    entry(12, category="Tea"),
    entry(13, group_id="shirt", inventory_status="PREORDER"),
    entry(14, group_id="shirt"),
    entry(15, group_id="shirt"),
    entry(16, available_at=FAR),
    entry(17, expire_at=NOON),
    entry(18, expire_at=FAR, group_id="cup"),
    entry(19, group_id="cup"),
]
SELLING = [12, 3, 1, 8, 2, 9, 7, 6, 5, 4, 13, 14, 16, 17, 18]
"""Keys of the best-sellers; 10, 11, 15 and 19 are none."""
OFFERS = [
    Offer("berlin", 1, 9_000, "EUR", None, 1),
    Offer("berlin", 2, None, None, "OUT_OF_STOCK", 1),
    Offer("berlin", 3, 50, "EUR", "IN_STOCK", 1),
    Offer("berlin", 6, 100, "GBP", None, 1),
    Offer("berlin", 9, None, None, "IN_STOCK", 1),
    Offer("berlin", 13, None, None, "IN_STOCK", 1),
    Offer("berlin", 17, None, None, "IN_STOCK", 1),
    Offer("paris", 12, None, None, "OUT_OF_STOCK", 1),
    Offer("paris", 14, None, None, "BACKORDER", 1),
]
GROUPS = {each.key: each.group_id for each in SHELF if each.group_id}


class Past:
    """What events left with a shopper: orders oldest first, and events that are not projected yet."""

    def __init__(
        self,
        orders: list[list[int]] | None = None,
        cart: list[int] | None = None,
        dismissed: list[int] | None = None,
        pending: list[tuple[str, int]] | None = None,
    ) -> None:
        self.orders, self.cart, self.dismissed = orders or [], cart or [], dismissed or []
        self.pending = [_recorded(number, kind, key) for number, (kind, key) in enumerate(pending or [], 1)]

    def for_fallback(self) -> ShopperProducts:
        bought = {key for order in self.orders for key in order}
        return ShopperProducts(
            1,
            _longs(self.cart),
            _longs(sorted(bought)),
            _longs(self.dismissed),
            self.pending,
            GROUPS,
            {f"p{key}": group for key, group in GROUPS.items()},
        )

    def for_ranker(self, products: Catalogue) -> UserHistory:
        lines = [(number, key) for number, order in enumerate(self.orders, 1) for key in order]
        n, numbers = len(lines), [number for number, _ in lines]
        rows = InteractionRows(
            customers=np.ones(n, np.int64),
            products=_longs([key for _, key in lines]),
            kinds=np.full(n, Kind.PURCHASE, np.int8),
            quantities=np.ones(n, np.float32),
            amounts=np.ones(n, np.int64),
            times=_longs(numbers),
            sessions=_longs(numbers),
            purchases=_longs(numbers),
            durations=np.zeros(n, np.float32),
        )
        history = History(rows, _longs(self.cart), np.ones(len(self.cart)), 0)
        bought = _longs(sorted({key for _, key in lines}))
        stored = StoredShopper(history, bought, _longs(self.dismissed), {}, {}, self.pending)
        return UserHistory.of(stored, products)


class Histories:
    """Stands for the histories of the agent: everybody has this one."""

    def __init__(self, past: Past) -> None:
        self._past = past

    def read(
        self, _customer: str, _visitor: str, products: Catalogue, _model: str, _consent: Consent
    ) -> tuple[Person, UserHistory]:
        return Person(1, {}), self._past.for_ranker(products)

    def find_session(self, _person: int, _name: str) -> int:
        return 0

    def latest_search(self, _person: int, _session: int) -> str:
        return ""


def _longs(values: list[int]) -> Any:
    return np.array(values, np.int64)


def _recorded(number: int, kind: str, key: int) -> Recorded:
    name = f"p{key}"
    details: dict[str, Any] = {
        "add_to_cart": AddToCart(items=[ProductQuantity(product_id=name)]),
        "remove_from_cart": RemoveFromCart(items=[ProductQuantity(product_id=name)]),
        "purchase": Purchase(purchase_id=str(number), items=[PurchaseLine(product_id=name)]),
    }
    return Recorded(number, 1, NOON, kind, Event(customer_id="ann", **{kind: details[kind]}))


def at_ranker(shelf: list[CatalogueEntry], offers: list[Offer]) -> Catalogue:
    return catalogue(*shelf).with_offers(sorted(offers))


def offers_for(request: RecommendRequest, offers: list[Offer]) -> list[Offer]:
    """Return what the fallback reads of the place of a request."""
    return [each for each in offers if each.place_id == request.context.place_id and each.product_key in SELLING]


def by_ranker(shelf: list[CatalogueEntry], request: RecommendRequest, past: Past) -> set[int]:
    """Return the keys of the products that the ranker may show."""
    serving, query = ServingState(at_ranker(shelf, OFFERS)), to_query(request)
    shopper = read_known_shopper(Histories(past), query, serving)  # type: ignore[arg-type]
    context = request_context(shopper, query, serving)
    policy = PAGE_POLICIES[query.context.page]
    allowed = allowed_on_page(serving.catalogue, context, policy, query.all_filters)
    return set(serving.catalogue.keys[allowed].tolist())


def by_fallback(shelf: list[CatalogueEntry], request: RecommendRequest, past: Past) -> set[int]:
    """Return the keys of the products that the fallback may show."""
    by_key = {each.key: each for each in shelf}
    best_sellers = BestSellers.of([by_key[key] for key in SELLING])
    allowed = allowed_best_sellers(best_sellers, request, past.for_fallback(), offers_for(request, OFFERS))
    return {each.key for each, shown in zip(best_sellers.entries, allowed.tolist(), strict=True) if shown}


def euros(amount: int, currency: str = "EUR") -> Money:
    return Money(currency_code=currency, amount_minor=amount)


PAGES = [
    RecommendationContext(),
    RecommendationContext(page_type=PageType.PAGE_TYPE_HOME, category="Tea"),
    RecommendationContext(page_type=PageType.PAGE_TYPE_PRODUCT, product_id="p8"),
    RecommendationContext(page_type=PageType.PAGE_TYPE_PRODUCT, product_id="p11"),
    RecommendationContext(page_type=PageType.PAGE_TYPE_CATEGORY, category="Tea"),
    RecommendationContext(page_type=PageType.PAGE_TYPE_CATEGORY, category="Unknown"),
    RecommendationContext(page_type=PageType.PAGE_TYPE_CART),
    RecommendationContext(page_type=PageType.PAGE_TYPE_CART, cart_product_ids=["p1", "p10"]),
    RecommendationContext(page_type=PageType.PAGE_TYPE_SEARCH, search_query="tea"),
    RecommendationContext(page_type=PageType.PAGE_TYPE_POST_PURCHASE),
    RecommendationContext(page_type=PageType.PAGE_TYPE_POST_PURCHASE, purchased_product_ids=["p2", "p7"]),
    RecommendationContext(page_type=PageType.PAGE_TYPE_BUY_AGAIN),
    RecommendationContext(page_type=PageType.PAGE_TYPE_BUY_AGAIN, cart_product_ids=["p12"]),
    RecommendationContext(place_id="berlin"),
    RecommendationContext(place_id="paris"),
    RecommendationContext(place_id="nowhere"),
    RecommendationContext(page_type=PageType.PAGE_TYPE_PRODUCT, product_id="p15"),
    RecommendationContext(page_type=PageType.PAGE_TYPE_PRODUCT, product_id="p19", place_id="berlin"),
    RecommendationContext(page_type=PageType.PAGE_TYPE_BUY_AGAIN, place_id="berlin", cart_product_ids=["p15"]),
]
FILTERS = [
    RecommendationFilter(),
    RecommendationFilter(categories=["Tea"]),
    RecommendationFilter(categories=["Coffee", "Unknown"]),
    RecommendationFilter(in_stock_only=True),
    RecommendationFilter(min_price=euros(200)),
    RecommendationFilter(min_price=euros(100), max_price=euros(200)),
    RecommendationFilter(max_price=euros(10_000, "USD")),
    RecommendationFilter(max_price=euros(10_000, "GBP")),
    RecommendationFilter(exclude_product_ids=["p1", "p12", "p99"]),
    RecommendationFilter(categories=["Tea"], in_stock_only=True, max_price=euros(900), exclude_product_ids=["p8"]),
]
PASTS = [
    Past(),
    Past([[2, 12], [1, 10, 6]], cart=[8, 11], dismissed=[7]),
    Past([[2], [6]], pending=[("add_to_cart", 1), ("purchase", 12), ("add_to_cart", 4)]),
    Past([[13, 14], [19]], dismissed=[15]),
    Past(cart=[19], pending=[("purchase", 15)]),
]


@pytest.mark.parametrize("context", PAGES, ids=repr)
@pytest.mark.parametrize("rule", FILTERS, ids=repr)
@pytest.mark.parametrize(
    "past", PASTS, ids=["stranger", "customer", "events not projected", "variants", "variants put in"]
)
def test_of_the_best_sellers_both_may_show_the_same(
    context: RecommendationContext, rule: RecommendationFilter, past: Past
) -> None:
    request = RecommendRequest(customer_id="ann", context=context, filter=rule)
    assert by_fallback(SHELF, request, past) == by_ranker(SHELF, request, past) & set(SELLING)


def test_the_table_is_no_table_of_empty_lists() -> None:
    customer = PASTS[1]

    def shown(context: RecommendationContext, **rule: Any) -> set[int]:
        request = RecommendRequest(customer_id="ann", context=context, filter=RecommendationFilter(**rule))
        return by_fallback(SHELF, request, customer)

    again = RecommendationContext(page_type=PageType.PAGE_TYPE_BUY_AGAIN)
    tea = RecommendationContext(page_type=PageType.PAGE_TYPE_CATEGORY, category="Tea")
    assert shown(RecommendationContext()) == {4, 5, 13, 14, 18}
    assert shown(again) == {1, 2, 6, 12}
    assert shown(again, categories=["Tea"]) == {2, 12}
    assert shown(tea, categories=["Coffee"]) == set(), "the page's category and the filter's hold both"


def test_the_table_has_places_times_and_variants() -> None:
    def shown(past: Past, **context: Any) -> set[int]:
        request = RecommendRequest(customer_id="ann", context=RecommendationContext(**context))
        return by_fallback(SHELF, request, past)

    everywhere = {12, 1, 8, 2, 7, 6, 5, 4, 13, 14, 18}
    assert shown(Past()) == everywhere, "neither what is not yet nor what is no longer on sale"
    assert shown(Past(), place_id="berlin") == everywhere - {2} | {3}, "not what nobody wants recommended"
    assert shown(Past(), place_id="paris") == everywhere - {12}
    assert shown(Past([[15]])) == everywhere - {13, 14}, "a variant takes the others with it"
    again = PageType.PAGE_TYPE_BUY_AGAIN
    assert shown(Past([[13, 14]]), page_type=again) == {13, 14}, "but where each was bought"


def test_a_page_has_one_variant_of_a_group_and_rather_one_in_stock() -> None:
    best_sellers = BestSellers.of([each for key in SELLING for each in SHELF if each.key == key])
    columns = at_ranker(SHELF, OFFERS)

    def both(keys: list[int], place: str) -> tuple[list[int], list[int]]:
        ranker = one_of_each_group(columns.at(place), columns.rows_of(keys))
        offers = [each for each in OFFERS if each.place_id == place]
        fallback = one_of_each_group(best_sellers.at(offers), best_sellers.rows_of(np.array(keys)))
        return columns.keys[ranker].tolist(), [best_sellers.entries[row].key for row in fallback]

    assert both([13, 1, 14, 18], "") == ([1, 14, 18], [1, 14, 18])
    assert both([13, 1, 14, 18], "berlin") == ([13, 1, 18], [13, 1, 18]), "it is in stock there"
    assert both([13, 1, 14, 18], "paris") == ([13, 1, 18], [13, 1, 18]), "of none in stock the first"


KEYS = st.integers(1, 19)
SOME = st.lists(KEYS, max_size=4, unique=True)
IDS = st.lists(KEYS.map("p{}".format), max_size=3, unique=True)
CONTEXTS = st.builds(
    RecommendationContext,
    page_type=st.sampled_from([each for each in PageType.values() if each]),
    product_id=KEYS.map("p{}".format),
    category=st.sampled_from(["Tea", "Coffee", "Unknown"]),
    place_id=st.sampled_from(["", "berlin", "paris"]),
    cart_product_ids=IDS,
    purchased_product_ids=IDS,
)
RULES = st.builds(
    RecommendationFilter,
    categories=st.lists(st.sampled_from(["Tea", "Coffee", "Unknown"]), max_size=2),
    min_price=st.none() | st.builds(euros, st.integers(0, 600)),
    max_price=st.none() | st.builds(euros, st.integers(600, 1200)),
    exclude_product_ids=IDS,
    in_stock_only=st.booleans(),
)
KINDS = st.sampled_from(["add_to_cart", "remove_from_cart", "purchase"])
STATUSES = st.sampled_from(["IN_STOCK", "OUT_OF_STOCK", "PREORDER"])


@given(
    st.lists(STATUSES, min_size=19, max_size=19),
    CONTEXTS,
    RULES,
    st.builds(
        Past,
        orders=st.lists(SOME.filter(bool), max_size=2),
        cart=SOME,
        dismissed=SOME,
        pending=st.lists(st.tuples(KINDS, KEYS), max_size=3),
    ),
)
def test_whatever_the_fallback_shows_the_ranker_allows(
    statuses: list[str], context: RecommendationContext, rule: RecommendationFilter, past: Past
) -> None:
    shelf = [each._replace(inventory_status=status) for each, status in zip(SHELF, statuses, strict=True)]
    request = RecommendRequest(customer_id="ann", context=context, filter=rule)
    shown, allowed = by_fallback(shelf, request, past), by_ranker(shelf, request, past)
    assert shown <= allowed
    if not past.pending:
        assert shown == allowed & set(SELLING)
