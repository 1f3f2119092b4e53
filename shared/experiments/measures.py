"""What is summed over the sessions of the units of an experiment."""

MEASURES = (
    "sessions",
    "buying_sessions",
    "orders",
    "revenue",
    "kept_revenue",
    "refunded",
    "margin",
    "shown",
    "clicked",
    "added_to_cart",
    "purchased",
    "dismissed",
)
"""Money is in minor units; `kept_revenue` is without refunds, `margin` of products with a cost."""
