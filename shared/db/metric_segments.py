"""The one segment of a customer that metrics are counted by: that of recency, frequency and monetary value."""

from collections.abc import Collection

from sqlalchemy import Connection, select

from shared.db.batches import among
from shared.db.schema import customer_segment_memberships, customer_segments
from shared.db.segments import RFM

NO_SEGMENT = ""
"""Of customers whom no refresh has seen yet, and of nobody known."""


def segments_of(connection: Connection, customer_keys: Collection[int]) -> dict[int, str]:
    """Return the names of customers' segments; who is in none is missing. Of several, the most confident counts."""
    segment, member = customer_segments.c, customer_segment_memberships.c
    query = (
        select(member.customer_id, segment.segment_name)
        .join(customer_segments, segment.segment_id == member.segment_id)
        .where(segment.kind == RFM, among(connection, member.customer_id, customer_keys))
        .order_by(member.confidence_score, segment.segment_id.desc())
    )
    return {row.customer_id: row.segment_name for row in connection.execute(query)}
