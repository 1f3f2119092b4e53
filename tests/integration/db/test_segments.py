"""Segments are replaced as a whole, memberships customer by customer."""

from shared.db import segments
from shared.db.engine import Database
from shared.db.segments import Membership, Segment
from tests.support.events import add_customers, rows

LOYAL = Segment("loyal", segments.RFM, {"frequency": [4, 5]})
NIGHT = Segment("night", segments.LEARNED, {"share": 0.2})
RARE = Segment("rare", segments.LEARNED, {"share": 0.1})


def test_a_kept_segment_keeps_its_key_and_members(database: Database) -> None:
    anna = add_customers(database, "anna")["anna"]
    with database.write() as connection:
        first = segments.replace_segments(connection, [LOYAL, NIGHT])
        segments.replace_memberships(connection, {anna: [(first["loyal"], 0.7), (first["night"], 0.9)]})
    changed = Segment("loyal", segments.RFM, {"frequency": [5, 5]})
    with database.write() as connection:
        second = segments.replace_segments(connection, [changed, RARE])
    assert second["loyal"] == first["loyal"]
    assert set(second) == {"loyal", "rare"}
    with database.read() as connection:
        assert segments.memberships_of(connection, anna) == [Membership(changed, 0.7)]


def test_memberships_are_most_confident_first_and_replaced(database: Database) -> None:
    keys = add_customers(database, "anna", "ben")
    with database.write() as connection:
        numbers = segments.replace_segments(connection, [LOYAL, NIGHT])
        both = [(numbers["loyal"], 0.7), (numbers["night"], 0.9)]
        segments.replace_memberships(connection, {keys["anna"]: both, keys["ben"]: both, 9_999: both})
        segments.replace_memberships(connection, {keys["ben"]: []})
    with database.read() as connection:
        found = segments.memberships_of(connection, keys["anna"])
        assert segments.memberships_of(connection, keys["ben"]) == []
    assert [(each.segment.name, each.confidence) for each in found] == [("night", 0.9), ("loyal", 0.7)]
    assert len(rows(database, "customer_segment_memberships")) == 2


def test_no_segments_at_all(database: Database) -> None:
    with database.write() as connection:
        segments.replace_segments(connection, [LOYAL])
        assert segments.replace_segments(connection, []) == {}
