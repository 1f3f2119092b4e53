"""Refunds that name no order find the latest earlier ones with units left."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from quintet.type.v1.event_pb2 import Event
from quintet.type.v1.money_pb2 import Money

from cli.importing.batch import RowBatch
from cli.importing.drafts import Draft
from cli.importing.refunds import match_refunds
from shared.db.refundable_lines import Pair, RefundableLine

BATCH = RowBatch(range(1, 10), {"n": list(range(1, 10))})


def day(number: int) -> datetime:
    return datetime(2026, 1, number, tzinfo=UTC)


def refund(row: int, at: datetime, quantity: float, amount: int | None = None) -> Draft:
    event = Event(event_id=f"refund:C:{row}", customer_id="c")
    event.event_time.FromDatetime(at)
    event.refund.items.add(product_id="p", quantity=quantity)
    if amount is not None:
        event.refund.amount.CopyFrom(Money(currency_code="USD", amount_minor=amount))
    return Draft(event, [row], unmatched=True)


def purchase(order_id: str, at: datetime, quantity: float, customer: str = "c") -> Draft:
    event = Event(customer_id=customer)
    event.event_time.FromDatetime(at)
    event.purchase.purchase_id = order_id
    event.purchase.items.add(product_id="p", quantity=quantity)
    return Draft(event, [0])


def none_known(order_ids: Collection[str]) -> set[str]:
    return set()


def matched(
    drafts: list[Draft], stored: dict[Pair, list[RefundableLine]] | None = None
) -> list[tuple[str, str, float, int]]:
    found, rejects = match_refunds(BATCH, drafts, lambda pairs: {} if stored is None else stored, none_known)
    assert rejects == []
    return [
        (
            each.event.event_id,
            each.event.refund.purchase_id,
            each.event.refund.items[0].quantity,
            each.event.refund.amount.amount_minor,
        )
        for each in found
        if each.event.WhichOneof("detail") == "refund"
    ]


def test_the_latest_earlier_order_is_taken() -> None:
    stored = {
        ("c", "p"): [
            RefundableLine("old", day(1), 5),
            RefundableLine("new", day(3), 5),
            RefundableLine("later", day(9), 5),
        ]
    }
    assert matched([refund(1, day(5), 2)], stored) == [("refund:C:1", "new", 2, 0)]


def test_a_refund_of_more_than_one_order_is_split_and_its_money_too() -> None:
    stored = {("c", "p"): [RefundableLine("old", day(1), 5), RefundableLine("new", day(3), 1)]}
    assert matched([refund(1, day(5), 3, 100)], stored) == [
        ("refund:C:1", "new", 1, 33),
        ("refund:C:1.2", "old", 2, 67),
    ]


def test_orders_of_the_same_batch_count_and_are_used_up() -> None:
    drafts = [purchase("o", day(2), 3), refund(1, day(3), 2), refund(2, day(3), 1)]
    assert [order for _, order, _, _ in matched(drafts)] == ["o", "o"]
    found, rejects = match_refunds(BATCH, [*drafts, refund(3, day(3), 1)], lambda pairs: {}, none_known)
    assert len(found) == 3
    assert [(each.line, each.row) for each in rejects] == [(4, {"n": 4})]
    assert "is more than the 0 units the customer bought before" in rejects[0].reason


def test_an_order_that_is_stored_already_does_not_count_twice() -> None:
    stored = {("c", "p"): [RefundableLine("o", day(2), 1)]}
    _, rejects = match_refunds(
        BATCH, [purchase("o", day(2), 3), refund(1, day(3), 2)], lambda pairs: stored, lambda order_ids: {"o"}
    )
    assert len(rejects) == 1


def test_an_order_that_was_given_back_in_full_does_not_count() -> None:
    drafts = [purchase("o", day(2), 3), refund(1, day(3), 1)]
    _, rejects = match_refunds(BATCH, drafts, lambda pairs: {}, lambda order_ids: set(order_ids))
    assert len(rejects) == 1


def test_other_customers_orders_do_not_count() -> None:
    _, rejects = match_refunds(
        BATCH, [purchase("o", day(2), 3, "d"), refund(1, day(3), 1)], lambda pairs: {}, none_known
    )
    assert len(rejects) == 1


def test_guests_cannot_give_back_what_others_bought() -> None:
    guest = refund(1, day(3), 1)
    guest.event.customer_id, guest.event.visitor_id = "", "guest:C"
    _, rejects = match_refunds(
        BATCH, [purchase("o", day(2), 3, ""), guest, refund(2, day(3), 1)], lambda pairs: {}, none_known
    )
    assert [each.line for each in rejects] == [2, 3]


def test_a_second_piece_of_an_order_does_not_count() -> None:
    drafts = [purchase("o", day(1), 1), purchase("o", day(2), 3), refund(1, day(3), 2)]
    _, rejects = match_refunds(BATCH, drafts, lambda pairs: {}, none_known)
    assert len(rejects) == 1


def test_nothing_is_looked_up_without_need() -> None:
    def look_up(_: Collection[object]) -> Any:
        raise AssertionError("looked up")

    drafts = [purchase("o", day(2), 3)]
    assert match_refunds(BATCH, drafts, look_up, look_up) == (drafts, [])
