"""The event writer keeps what is new and refers to things that exist, on both databases."""

from datetime import UTC, datetime

import pytest
from quintet.type.v1.consent_pb2 import ConsentState
from quintet.type.v1.event_pb2 import (
    Event,
    HomeView,
    Impression,
    ProductQuantity,
    ProductView,
    Purchase,
    PurchaseLine,
    Refund,
)
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.recommendation_pb2 import Feedback, InteractionType

from services.coordinator.event_validation import submit_event, submit_feedback
from services.coordinator.event_writer import EventWriter
from services.coordinator.group_commit import CommitResult
from shared.db import customers, event_log, products
from shared.db.engine import Database, StaleReference
from shared.db.erasure import erase
from shared.db.recommendations import log_recommendations
from shared.db.retention import drop_visitors
from shared.db.schema import event_log as event_log_table
from shared.errors import InvalidArgument, NotFound
from shared.recommendation_tokens import UNCOUNTED, Shopper, list_number, numbers_in
from tests.support.projecting import apply_all
from tests.support.recommendations import list_of_one
from tests.support.shop import add_customers, add_products
from tests.support.sqlite_work import counted_work
from tests.support.tokens import KEYS, next_number, token


@pytest.fixture
def writer(database: Database) -> EventWriter:
    add_customers(database, "ann", "bob")
    add_products(database, "tea", "cup")
    return EventWriter(database, KEYS)


def home(event_id: str, customer: str = "ann") -> Event:
    return Event(event_id=event_id, customer_id=customer, home_view=HomeView())


def commit(writer: EventWriter, *events: Event) -> list[CommitResult]:
    return writer.commit([submit_event(event) for event in events])


def logged(database: Database) -> list[event_log.LoggedEvent]:
    with database.read() as connection:
        return event_log.read_after(connection, 0, limit=1000)


def test_new_events_are_appended_in_order_with_their_customers(writer: EventWriter, database: Database) -> None:
    outcomes = commit(writer, home("1"), home("2", "bob"))
    assert [(each.event_id, each.duplicate, each.error) for each in outcomes] == [
        ("1", False, None),
        ("2", False, None),
    ]
    with database.read() as connection:
        keys = customers.resolve_customers(connection, ["ann", "bob"])
    assert [(each.event_id, each.customer_key) for each in logged(database)] == [("1", keys["ann"]), ("2", keys["bob"])]
    assert [each.sequence for each in outcomes] == [each.sequence for each in logged(database)]


def test_a_repeated_event_is_a_duplicate_within_and_across_batches(writer: EventWriter, database: Database) -> None:
    assert [each.duplicate for each in commit(writer, home("1"), home("1"), home("2"))] == [False, True, False]
    assert [each.duplicate for each in commit(writer, home("2"), home("3"))] == [True, False]
    assert [each.event_id for each in logged(database)] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (home("x", "nobody"), "event.customer_id"),
        (Event(customer_id="ann", product_view=ProductView(product_id="no")), "event.product_view.product_id"),
        (
            Event(customer_id="ann", purchase=Purchase(purchase_id="o", items=[PurchaseLine(product_id="no")])),
            "event.purchase.items[0].product_id",
        ),
        (Event(customer_id="ann", recommendation_id="5", home_view=HomeView()), "event.recommendation_id"),
        (Event(customer_id="ann", recommendation_id="x", home_view=HomeView()), "event.recommendation_id"),
        (
            Event(customer_id="ann", impression=Impression(recommendation_ids=["9" * 30])),
            "event.impression.recommendation_ids[0]",
        ),
        (Event(customer_id="ann", refund=Refund(purchase_id="no")), "event.refund.purchase_id"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_unknown_reference_is_refused_and_the_rest_of_the_batch_is_kept(
    writer: EventWriter, database: Database, event: Event, field: str
) -> None:
    refused, kept = commit(writer, event, home("good"))
    assert refused.error is not None
    assert refused.error.code.name == "NOT_FOUND"
    assert [violation.field for violation in refused.error.violations] == [field]
    assert kept.error is None
    assert [each.event_id for each in logged(database)] == ["good"]


def test_a_visitor_becomes_known_with_the_first_event(writer: EventWriter, database: Database) -> None:
    first, second = (commit(writer, Event(visitor_id="cookie", home_view=HomeView())) for _ in range(2))
    assert not first[0].duplicate
    assert not second[0].duplicate
    keys = {each.customer_key for each in logged(database)}
    assert len(keys) == 1
    assert None not in keys


def test_a_refund_of_a_purchase_that_is_not_projected_yet_is_accepted(writer: EventWriter) -> None:
    purchase = Event(customer_id="ann", purchase=Purchase(purchase_id="o", items=[PurchaseLine(product_id="tea")]))
    commit(writer, purchase)
    assert commit(writer, Event(customer_id="ann", refund=Refund(purchase_id="o")))[0].error is None


def test_feedback_on_a_known_recommendation_is_appended(writer: EventWriter, database: Database) -> None:
    with database.write() as connection:
        customer = customers.resolve_customers(connection, ["ann"])["ann"]
        product = products.product_keys(connection, ["tea"])["tea"]
        known = next_number()
        log_recommendations(connection, [list_of_one(known, customer, product, datetime.now(UTC))])
    click = Feedback(recommendation_id=token(known), interaction_type=InteractionType.INTERACTION_TYPE_CLICK)
    [outcome] = writer.commit([submit_feedback(click)])
    assert outcome.error is None
    assert [each.kind for each in logged(database)] == ["feedback"]


def test_an_erasure_between_look_up_and_write_refuses_only_what_it_hit(
    writer: EventWriter, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = event_log.append
    failures = iter([StaleReference("foreign key")])

    def append_after_erasure(*arguments: object) -> dict[str, int]:
        for error in failures:
            raise error
        return append(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(event_log, "append", append_after_erasure)
    assert [each.error for each in commit(writer, home("1"), home("2"))] == [None, None]
    assert [each.event_id for each in logged(database)] == ["1", "2"]


def test_events_of_a_customer_that_was_erased_after_their_last_event_are_refused(
    writer: EventWriter, database: Database
) -> None:
    assert [each.error for each in commit(writer, home("1"), home("2", "bob"))] == [None, None]
    with database.write() as connection:
        erase(connection, customers.resolve_customers(connection, ["bob"])["bob"])
    kept, refused, also_kept = commit(writer, home("3"), home("4", "bob"), home("5"))
    assert isinstance(refused.error, NotFound)
    assert [violation.field for violation in refused.error.violations] == ["event.customer_id"]
    assert [kept.error, also_kept.error] == [None, None]
    with pytest.raises(NotFound):
        writer.check(submit_event(home("6", "bob")))
    add_customers(database, "bob")
    assert commit(writer, home("7", "bob"))[0].error is None
    assert [each.event_id for each in logged(database)] == ["1", "3", "5", "7"]


def order(event_id: str, purchase: str = "o", customer: str = "ann") -> Event:
    line = PurchaseLine(product_id="tea")
    return Event(event_id=event_id, customer_id=customer, purchase=Purchase(purchase_id=purchase, items=[line]))


def test_a_visitor_whose_row_went_meanwhile_begins_anew(writer: EventWriter, database: Database) -> None:
    seen = Event(visitor_id="cookie", home_view=HomeView())
    commit(writer, seen)
    with database.write() as connection:
        connection.execute(event_log_table.delete())
    assert drop_visitors(database, -1) == 1
    [outcome] = commit(writer, Event(visitor_id="cookie", home_view=HomeView()))
    assert (outcome.error, outcome.duplicate) == (None, False)
    assert len(logged(database)) == 1


def test_an_order_is_recorded_once_whatever_the_event(writer: EventWriter, database: Database) -> None:
    first, again, others = commit(writer, order("1"), order("2"), order("3", customer="bob"))
    assert first.error is None
    for refused in (again, others, *commit(writer, order("4"))):
        assert refused.error is not None
        assert refused.error.code.name == "ALREADY_EXISTS"
        assert refused.error.violations[0].field == "event.purchase.purchase_id"
    assert commit(writer, order("1"))[0].duplicate
    assert [each.event_id for each in logged(database)] == ["1"]


def test_a_refund_may_follow_its_purchase_in_one_batch(writer: EventWriter) -> None:
    refund = Event(event_id="r", customer_id="ann", refund=Refund(purchase_id="o"))
    assert [each.error for each in commit(writer, order("1"), refund)] == [None, None]


@pytest.mark.parametrize("state", ["in the same batch", "in the log", "projected"])
@pytest.mark.parametrize(
    ("refund", "field"),
    [
        (Event(customer_id="bob", refund=Refund(purchase_id="o")), "event.customer_id"),
        (
            Event(customer_id="ann", refund=Refund(purchase_id="o", items=[ProductQuantity(product_id="cup")])),
            "event.refund.items[0].product_id",
        ),
        (
            Event(customer_id="ann", refund=Refund(purchase_id="o", amount=Money(currency_code="EUR", amount_minor=1))),
            "event.refund.amount.currency_code",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refund_that_does_not_fit_its_order_is_refused(
    writer: EventWriter, database: Database, refund: Event, field: str, state: str
) -> None:
    paid = order("1")
    paid.purchase.items[0].amount.CopyFrom(Money(currency_code="USD", amount_minor=300))
    refund.event_id = "r"
    good = Event(event_id="good", customer_id="ann", refund=Refund(purchase_id="o"))
    if state != "in the same batch":
        commit(writer, paid)
    if state == "projected":
        apply_all(database)
    refused, kept = commit(writer, *([paid] if state == "in the same batch" else []), refund, good)[-2:]
    assert refused.error is not None
    assert refused.error.code.name == "INVALID_ARGUMENT"
    assert [violation.field for violation in refused.error.violations] == [field]
    assert kept.error is None
    assert [each.event_id for each in logged(database)] == ["1", "good"]


def test_what_is_not_projected_yet_makes_recording_no_more_work(sqlite_database: Database) -> None:
    add_customers(sqlite_database, "ann")
    add_products(sqlite_database, "tea", "cup")
    writer = EventWriter(sqlite_database, KEYS)

    def work_of(name: str) -> int:
        refund = Event(event_id=f"r{name}", customer_id="ann", refund=Refund(purchase_id="o"))
        batch = [order(f"p{name}", f"o{name}"), home(f"h{name}"), refund]
        with counted_work(sqlite_database) as work:
            assert [each.error for each in commit(writer, *batch)] == [None, None, None]
        return work.tens

    commit(writer, order("first"))
    alone = work_of("-alone")
    for number in range(5):
        commit(writer, *(order(f"{number}-{each}", f"o-{number}-{each}") for each in range(200)))
    assert work_of("-behind") <= 1.1 * alone + 5


def test_a_visitors_order_can_be_given_back_by_the_customer_they_turn_out_to_be(
    writer: EventWriter, database: Database
) -> None:
    bought = Event(visitor_id="cookie", purchase=Purchase(purchase_id="o", items=[PurchaseLine(product_id="tea")]))
    commit(writer, bought)
    apply_all(database)
    assert commit(writer, Event(customer_id="ann", refund=Refund(purchase_id="o")))[0].error is None


def test_feedback_and_events_have_ids_of_their_own(writer: EventWriter, database: Database) -> None:
    with database.write() as connection:
        product = products.product_keys(connection, ["tea"])["tea"]
        known = next_number()
        log_recommendations(connection, [list_of_one(known, None, product, datetime.now(UTC))])
    feedback = Feedback(
        feedback_id="x", recommendation_id=token(known), interaction_type=InteractionType.INTERACTION_TYPE_DISMISS
    )
    both = [submit_event(home("x")), submit_feedback(feedback)]
    assert [(each.event_id, each.duplicate) for each in writer.commit(both)] == [("x", False), ("x", False)]
    assert [each.duplicate for each in writer.commit(both)] == [True, True]


def test_a_check_refuses_like_a_commit_and_writes_nothing(writer: EventWriter, database: Database) -> None:
    writer.check(submit_event(home("1")))
    with pytest.raises(NotFound, match="nobody"):
        writer.check(submit_event(home("1", "nobody")))
    writer.check_products([("tea", "recommend.context.product_id")])
    with pytest.raises(NotFound, match="no such"):
        writer.check_products([("tea", "a"), ("no such", "recommend.context.cart_product_ids[0]")])
    assert logged(database) == []


def test_the_log_names_recommendations_by_number_and_refuses_another_shopper(
    writer: EventWriter, database: Database
) -> None:
    known = next_number()
    seen = Event(customer_id="ann", impression=Impression(recommendation_ids=[token(known, "ann")]))
    stolen = Event(customer_id="ann", recommendation_id=token(known, "bob"), home_view=HomeView())
    click = Feedback(
        recommendation_id=token(known, "ann"),
        customer_id="bob",
        interaction_type=InteractionType.INTERACTION_TYPE_CLICK,
    )
    first, second, third = writer.commit([submit_event(seen), submit_event(stolen), submit_feedback(click)])
    assert first.error is None
    for refused, field in ((second, "event.recommendation_id"), (third, "feedback.recommendation_id")):
        assert isinstance(refused.error, InvalidArgument)
        assert refused.error.violations[0].field == field
    [kept] = logged(database)
    assert list(Event.FromString(kept.payload).impression.recommendation_ids) == [str(known)]


def test_a_token_of_an_answer_shows_all_its_recommendations(writer: EventWriter, database: Database) -> None:
    answer, one = list_number(next_number()), next_number()
    whole = KEYS.issue_list(answer, 3, Shopper("ann"))
    shown = Impression(attribution_token=whole, recommendation_ids=[token(one, "ann")])
    mixed_up = [
        Event(customer_id="ann", impression=Impression(attribution_token=token(one, "ann"))),
        Event(customer_id="ann", recommendation_id=whole, home_view=HomeView()),
    ]
    first, *refused = commit(writer, Event(event_id="1", customer_id="ann", impression=shown), *mixed_up)
    assert first.error is None
    fields = [each.error.violations[0].field for each in refused if isinstance(each.error, NotFound)]
    assert fields == ["event.impression.attribution_token", "event.recommendation_id"]
    [kept] = logged(database)
    impression = Event.FromString(kept.payload).impression
    assert list(impression.recommendation_ids) == [str(one), *map(str, numbers_in(answer, 3))]
    assert not impression.attribution_token, "the log knows numbers only"


def denied_measure(event: Event) -> Event:
    event.consent.measure = ConsentState.CONSENT_STATE_DENIED
    return event


def test_without_measure_displays_and_clicks_are_acknowledged_and_not_recorded(
    writer: EventWriter, database: Database
) -> None:
    tokens = [token(next_number(), "ann") for _ in range(2)]
    events = [
        denied_measure(home("1")),
        Event(event_id="2", customer_id="ann", impression=Impression(recommendation_ids=tokens)),
        Event(event_id="3", customer_id="ann", recommendation_id=tokens[0], product_view=ProductView(product_id="tea")),
        Event(event_id="4", customer_id="bob", home_view=HomeView()),
    ]
    outcomes = commit(writer, *events)
    assert [(each.error, each.duplicate) for each in outcomes] == [(None, False)] * 4
    kept = {each.event_id: Event.FromString(each.payload) for each in logged(database)}
    assert list(kept) == ["1", "3", "4"]
    assert kept["3"].recommendation_id == ""
    assert kept["3"].product_view.product_id == "tea"


@pytest.mark.parametrize(
    ("response", "recorded"),
    [("SHOWN", 0), ("CLICK", 0), ("ADD_TO_CART", 0), ("DISMISS", 1)],
)
def test_without_measure_feedback_is_acknowledged_and_only_dismissals_are_recorded(
    writer: EventWriter, database: Database, response: str, recorded: int
) -> None:
    commit(writer, denied_measure(home("1")))
    kind = InteractionType.Value(f"INTERACTION_TYPE_{response}")
    feedback = Feedback(recommendation_id=token(next_number(), "ann"), interaction_type=kind, customer_id="ann")
    [outcome] = writer.commit([submit_feedback(feedback)])
    assert (outcome.error, outcome.duplicate) == (None, False)
    assert len(logged(database)) == 1 + recorded


def test_recommendations_that_count_nothing_are_left_out_whoever_responds(
    writer: EventWriter, database: Database
) -> None:
    uncounted, counted = token(numbers_in(UNCOUNTED, 1)[0], "ann"), token(next_number(), "ann")
    feedback = Feedback(recommendation_id=uncounted, interaction_type=InteractionType.INTERACTION_TYPE_DISMISS)
    [outcome] = writer.commit([submit_feedback(feedback)])
    assert (outcome.error, outcome.duplicate) == (None, False)
    shown = Impression(recommendation_ids=[uncounted, counted])
    commit(writer, Event(event_id="1", customer_id="ann", impression=shown))
    [event] = logged(database)
    assert len(Event.FromString(event.payload).impression.recommendation_ids) == 1
