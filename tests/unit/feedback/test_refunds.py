"""A refund never takes a credit below 0, and ends it when nothing is left."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.feedback.credited_lines import reduced
from services.feedback.lines import GivenBack
from shared.db.outcomes import StoredCredit

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CREDIT = StoredCredit(1, 2, "p", "ease", "purchase", "o", 3, NOON, 100, "EUR")


@pytest.mark.parametrize(
    ("amount", "back", "expected"),
    [
        (100, GivenBack(40, False), (60, "purchase")),
        (100, GivenBack(40, True), (60, "purchase")),
        (100, GivenBack(100, True), (0, "refunded")),
        (100, GivenBack(250, False), (0, "refunded")),
        (0, GivenBack(0, False), (0, "purchase")),
        (0, GivenBack(0, True), (0, "refunded")),
        (None, GivenBack(0, False), (None, "purchase")),
        (None, GivenBack(0, True), (None, "refunded")),
    ],
)
def test_what_is_left_of_a_credit(amount: int | None, back: GivenBack, expected: tuple[int | None, str]) -> None:
    [left] = reduced([replace(CREDIT, amount=amount)], back)
    assert (left.amount, left.kind) == expected


def test_a_view_through_credit_shrinks_as_one() -> None:
    [left] = reduced([replace(CREDIT, kind="view_through")], GivenBack(1, False))
    assert (left.amount, left.kind) == (99, "view_through")
