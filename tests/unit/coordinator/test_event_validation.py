"""Events and feedback are checked, completed and taken apart before they get into the log."""

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from quintet.type.v1.consent_pb2 import Consent, ConsentState
from quintet.type.v1.event_pb2 import (
    AddToCart,
    CategoryView,
    CustomEvent,
    Event,
    HomeView,
    Impression,
    PageType,
    PageView,
    ProductQuantity,
    ProductView,
    Purchase,
    PurchaseLine,
    Refund,
    RemoveFromCart,
    Search,
)
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.recommendation_pb2 import Feedback, InteractionType

from services.coordinator.event_validation import require_distinct, submit_event, submit_feedback
from shared.errors import InvalidArgument


def usd(minor: int) -> Money:
    return Money(currency_code="USD", amount_minor=minor)


def at(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


FAR = datetime.now(UTC) + timedelta(days=2)
LONG = "x" * 129
NAN = float("nan")
TURNS_DIRECTION = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"

BAD = [
    (Event(home_view=HomeView()), "event.customer_id"),
    (Event(customer_id="c"), "event.detail"),
    (Event(customer_id=LONG, home_view=HomeView()), "event.customer_id"),
    (Event(customer_id="a\nb", home_view=HomeView()), "event.customer_id"),
    (Event(visitor_id="\x00", home_view=HomeView()), "event.visitor_id"),
    (Event(customer_id="c", event_id=LONG, home_view=HomeView()), "event.event_id"),
    (Event(customer_id="c", session_id=LONG, home_view=HomeView()), "event.session_id"),
    (Event(customer_id="c", event_time=at(FAR), home_view=HomeView()), "event.event_time"),
    (Event(customer_id="c", event_time=Timestamp(seconds=-1), home_view=HomeView()), "event.event_time"),
    (Event(customer_id="c", event_time=Timestamp(seconds=2**61), home_view=HomeView()), "event.event_time"),
    (Event(customer_id="c", attributes={str(n): "" for n in range(101)}, home_view=HomeView()), "event.attributes"),
    (Event(customer_id="c", product_view=ProductView()), "event.product_view.product_id"),
    (
        Event(customer_id="c", product_view=ProductView(product_id="p", duration_seconds=-1)),
        "event.product_view.duration_seconds",
    ),
    (
        Event(customer_id="c", product_view=ProductView(product_id="p", duration_seconds=NAN)),
        "event.product_view.duration_seconds",
    ),
    (Event(customer_id="c", product_view=ProductView(product_id="p", scrolls=-1)), "event.product_view.scrolls"),
    (Event(customer_id="c", product_view=ProductView(product_id="p", clicks=-1)), "event.product_view.clicks"),
    (Event(customer_id="c", page_view=PageView()), "event.page_view.page_type"),
    (Event(customer_id="c", page_view=PageView(page_type=99)), "event.page_view.page_type"),  # type: ignore[arg-type]
    (Event(customer_id="c", page_view=PageView(page_type=PageType.PAGE_TYPE_PRODUCT)), "event.page_view.product_id"),
    (
        Event(customer_id="c", page_view=PageView(page_type=PageType.PAGE_TYPE_HOME, product_id="p")),
        "event.page_view.product_id",
    ),
    (
        Event(customer_id="c", page_view=PageView(page_type=PageType.PAGE_TYPE_HOME, category="x")),
        "event.page_view.category",
    ),
    (Event(customer_id="c", page_view=PageView(page_type=PageType.PAGE_TYPE_CATEGORY)), "event.page_view.category"),
    (Event(customer_id="c", category_view=CategoryView()), "event.category_view.category"),
    (Event(customer_id="c", search=Search(query=" ")), "event.search.query"),
    (Event(customer_id="c", search=Search(query="q" * 501)), "event.search.query"),
    (Event(customer_id="c", search=Search(query="q", product_ids=["p", ""])), "event.search.product_ids[1]"),
    (Event(customer_id="c", search=Search(query="q", product_ids=["p"] * 201)), "event.search.product_ids"),
    (Event(customer_id="c", add_to_cart=AddToCart()), "event.add_to_cart.items"),
    (
        Event(customer_id="c", add_to_cart=AddToCart(items=[ProductQuantity(product_id="p", quantity=-2)])),
        "event.add_to_cart.items[0].quantity",
    ),
    (
        Event(customer_id="c", remove_from_cart=RemoveFromCart(items=[ProductQuantity()])),
        "event.remove_from_cart.items[0].product_id",
    ),
    (Event(customer_id="c", purchase=Purchase(items=[PurchaseLine(product_id="p")])), "event.purchase.purchase_id"),
    (Event(customer_id="c", purchase=Purchase(purchase_id="o")), "event.purchase.items"),
    (
        Event(
            customer_id="c", purchase=Purchase(purchase_id="o", items=[PurchaseLine(product_id="p", amount=usd(-1))])
        ),
        "event.purchase.items[0].amount.amount_minor",
    ),
    (
        Event(
            customer_id="c",
            purchase=Purchase(
                purchase_id="o",
                items=[PurchaseLine(product_id="p", amount=usd(1))],
                total=Money(currency_code="EUR", amount_minor=1),
            ),
        ),
        "event.purchase.total.currency_code",
    ),
    (
        Event(
            customer_id="c",
            purchase=Purchase(purchase_id="o", items=[PurchaseLine(product_id="p")], total=Money(currency_code="usd")),
        ),
        "event.purchase.total.currency_code",
    ),
    (Event(customer_id="c", refund=Refund()), "event.refund.purchase_id"),
    (Event(customer_id="c", refund=Refund(purchase_id="o", amount=usd(-1))), "event.refund.amount.amount_minor"),
    (Event(customer_id="c", impression=Impression()), "event.impression.recommendation_ids"),
    (Event(customer_id="c", impression=Impression(recommendation_ids=[""])), "event.impression.recommendation_ids[0]"),
    (Event(customer_id="c", impression=Impression(attribution_token="t" * 129)), "event.impression.attribution_token"),
    (Event(customer_id="c", custom=CustomEvent()), "event.custom.name"),
    (Event(customer_id="c", custom=CustomEvent(name="a\x01")), "event.custom.name"),
    (Event(customer_id="   ", home_view=HomeView()), "event.customer_id"),
    (Event(customer_id="c", event_id=" ", home_view=HomeView()), "event.event_id"),
    (Event(customer_id="a\u202eb", home_view=HomeView()), "event.customer_id"),
    (Event(customer_id="c", attributes={"": "x"}, home_view=HomeView()), "event.attributes"),
    (Event(customer_id="c", attributes={"a": "x" * 1001}, home_view=HomeView()), "event.attributes['a']"),
    (
        Event(
            customer_id="c",
            purchase=Purchase(purchase_id="o", items=[PurchaseLine(product_id="p", amount=usd(10**12 + 1))]),
        ),
        "event.purchase.items[0].amount.amount_minor",
    ),
]


@pytest.mark.parametrize(("event", "field"), BAD, ids=[field for _, field in BAD])
def test_a_bad_event_is_refused_by_the_name_of_its_field(event: Event, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        submit_event(event)
    assert [violation.field for violation in caught.value.violations] == [field]
    assert field in caught.value.message


def test_the_message_says_the_value() -> None:
    event = Event(customer_id="c", product_view=ProductView(product_id="p", duration_seconds=-5))
    with pytest.raises(InvalidArgument, match=r"got -5\.0"):
        submit_event(event, "events[7]")


def test_what_is_missing_is_completed_and_what_is_given_is_kept() -> None:
    moment = datetime(2026, 3, 1, 8, tzinfo=UTC)
    given_event = Event(customer_id="c", event_id="e", event_time=at(moment), home_view=HomeView())
    submission = submit_event(given_event)
    assert (submission.event_id, submission.occurred_at, submission.kind) == ("e", moment, "home_view")
    assert Event.FromString(submission.payload) == given_event

    completed = Event.FromString(submit_event(Event(customer_id="c", home_view=HomeView())).payload)
    assert completed.event_id
    assert abs(completed.event_time.ToDatetime(tzinfo=UTC) - datetime.now(UTC)) < timedelta(seconds=5)


def test_references_are_named_with_their_fields() -> None:
    event = Event(
        customer_id="c",
        recommendation_id="7",
        purchase=Purchase(purchase_id="o", items=[PurchaseLine(product_id="p"), PurchaseLine(product_id="q")]),
    )
    submission = submit_event(event, "events[3]")
    assert list(submission.products) == ["p", "q"]
    assert submission.product_field(0) == "events[3].purchase.items[0].product_id"
    assert submission.product_field(1) == "events[3].purchase.items[1].product_id"
    assert submission.recommendations == (("7", "events[3].recommendation_id"),)
    assert (submission.kind, submission.order_id) == ("purchase", "o")
    refund = submit_event(Event(customer_id="c", refund=Refund(purchase_id="o")))
    assert (refund.kind, refund.order_id, list(refund.products)) == ("refund", "o", [])
    shown = submit_event(Event(visitor_id="v", impression=Impression(recommendation_ids=["1", "2"])))
    assert list(shown.recommendations) == [
        ("1", "event.impression.recommendation_ids[0]"),
        ("2", "event.impression.recommendation_ids[1]"),
    ]
    whole = submit_event(Event(visitor_id="v", impression=Impression(attribution_token="all")))  # noqa: S106 - no secret
    assert list(whole.recommendations) == [("all", "event.impression.attribution_token")]
    page = submit_event(Event(visitor_id="v", page_view=PageView(page_type=PageType.PAGE_TYPE_PRODUCT, product_id="p")))
    assert list(page.products) == ["p"]
    assert page.product_field(0) == "event.page_view.product_id"


@pytest.mark.parametrize(
    ("feedback", "field"),
    [
        (Feedback(interaction_type=InteractionType.INTERACTION_TYPE_CLICK), "feedback.recommendation_id"),
        (Feedback(recommendation_id="1"), "feedback.interaction_type"),
        (Feedback(recommendation_id="1", interaction_type=77), "feedback.interaction_type"),  # type: ignore[arg-type]
        (
            Feedback(
                recommendation_id="1", interaction_type=InteractionType.INTERACTION_TYPE_CLICK, interaction_time=at(FAR)
            ),
            "feedback.interaction_time",
        ),
    ],
)
def test_bad_feedback_is_refused_by_the_name_of_its_field(feedback: Feedback, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        submit_feedback(feedback)
    assert caught.value.violations[0].field == field


def test_feedback_is_completed() -> None:
    click = Feedback(recommendation_id="12", interaction_type=InteractionType.INTERACTION_TYPE_CLICK)
    submission = submit_feedback(click)
    assert submission.kind == "feedback"
    assert Feedback.FromString(submission.payload).feedback_id == submission.event_id


def test_an_id_that_occurs_twice_is_named() -> None:
    require_distinct(["a", "b"], "customers")
    with pytest.raises(InvalidArgument, match=r"customers\[2\]"):
        require_distinct(["a", "b", "a"], "customers")


@given(st.text(max_size=200), st.floats(), st.integers(-(2**31), 2**31 - 1))
def test_any_product_view_is_either_taken_or_refused_as_invalid(product: str, duration: float, scrolls: int) -> None:
    view = ProductView(
        product_id=product.encode("utf-8", "ignore").decode(), duration_seconds=duration, scrolls=scrolls
    )
    event = Event(customer_id="c", product_view=view)
    if _is_good(view):
        assert Event.FromString(submit_event(event).payload).product_view == view
    else:
        with pytest.raises(InvalidArgument):
            submit_event(event)


def _is_good(view: ProductView) -> bool:
    misleading = any(
        unicodedata.category(each) in ("Cc", "Zl", "Zp") or each in TURNS_DIRECTION for each in view.product_id
    )
    is_id = len(view.product_id.strip()) > 0 and len(view.product_id) <= 128 and not misleading
    return is_id and 0 <= view.duration_seconds <= 86_400 and view.scrolls >= 0


def test_a_time_of_consent_that_a_caller_made_up_is_not_kept() -> None:
    consent = Consent(train=ConsentState.CONSENT_STATE_DENIED, update_time=Timestamp(seconds=2**62))
    kept = Event.FromString(submit_event(Event(customer_id="1", home_view=HomeView(), consent=consent)).payload)
    assert kept.consent == Consent(train=ConsentState.CONSENT_STATE_DENIED)
    assert not Event.FromString(submit_event(Event(customer_id="1", home_view=HomeView())).payload).HasField("consent")
