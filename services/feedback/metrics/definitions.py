"""Which metrics there are: what each is, in which unit, by what it can be asked for, and how sure it is.

The table of docs/business-metrics.md has the same rows.
"""

from dataclasses import dataclass
from enum import StrEnum

DAY, SEGMENT = "day", "segment"
OF_SESSIONS = (DAY, SEGMENT, "arm")
OF_LISTS = (DAY, "placement", "page_type", "algorithm", SEGMENT, "arm", "model_version")
OF_SYSTEM = (DAY,)
OF_PREDICTIONS = (SEGMENT,)
DIMENSIONS = OF_LISTS


class Unit(StrEnum):
    """What a value is counted in."""

    COUNT = "count"
    FRACTION = "fraction"
    RATIO = "ratio"
    MONEY = "minor units"
    MILLISECONDS = "ms"
    MEGABYTES = "MB"
    CORES = "cores"
    PER_SECOND = "1/s"


class Interval(StrEnum):
    """How the ends of the 95 % interval are found."""

    NONE = "none"
    WILSON = "Wilson"
    DELTA = "delta method"
    NORMAL = "normal"


@dataclass(frozen=True)
class Definition:
    """A metric.

    Attributes
    ----------
    name : str
        As in requests.
    dimensions : tuple of str
        What it can be asked for by.
    """

    name: str
    unit: Unit
    dimensions: tuple[str, ...]
    interval: Interval = Interval.NONE


_WHOLE: tuple[str, ...] = ()
DEFINITIONS = {
    each.name: each
    for each in (
        Definition("sessions", Unit.COUNT, OF_SESSIONS),
        Definition("orders", Unit.COUNT, OF_SESSIONS),
        Definition("conversion_rate", Unit.FRACTION, OF_SESSIONS, Interval.WILSON),
        Definition("orders_per_session", Unit.RATIO, OF_SESSIONS, Interval.DELTA),
        Definition("revenue", Unit.MONEY, OF_SESSIONS),
        Definition("average_order_value", Unit.MONEY, OF_SESSIONS, Interval.DELTA),
        Definition("revenue_per_session", Unit.MONEY, OF_SESSIONS, Interval.DELTA),
        Definition("margin", Unit.MONEY, OF_SESSIONS),
        Definition("margin_rate", Unit.RATIO, OF_SESSIONS),
        Definition("refund_rate", Unit.FRACTION, OF_SESSIONS, Interval.DELTA),
        Definition("customer_lifetime_value", Unit.MONEY, _WHOLE),
        Definition("predicted_lifetime_value", Unit.MONEY, OF_PREDICTIONS),
        Definition("recommendations_shown", Unit.COUNT, OF_LISTS),
        Definition("click_through_rate", Unit.FRACTION, OF_LISTS, Interval.WILSON),
        Definition("add_to_cart_rate", Unit.FRACTION, OF_LISTS, Interval.WILSON),
        Definition("recommendation_conversion_rate", Unit.FRACTION, OF_LISTS, Interval.WILSON),
        Definition("view_through_rate", Unit.FRACTION, OF_LISTS, Interval.WILSON),
        Definition("dismissal_rate", Unit.FRACTION, OF_LISTS, Interval.WILSON),
        Definition("attributed_revenue", Unit.MONEY, OF_LISTS),
        Definition("attributed_margin", Unit.MONEY, OF_LISTS),
        Definition("catalogue_coverage", Unit.FRACTION, OF_LISTS),
        Definition("diversity", Unit.RATIO, OF_LISTS, Interval.NORMAL),
        Definition("serendipity", Unit.FRACTION, OF_LISTS, Interval.NORMAL),
        Definition("response_time_p50", Unit.MILLISECONDS, OF_SYSTEM),
        Definition("response_time_p99", Unit.MILLISECONDS, OF_SYSTEM),
        Definition("peak_memory", Unit.MEGABYTES, OF_SYSTEM),
        Definition("mean_cpu", Unit.CORES, OF_SYSTEM),
        Definition("throughput", Unit.PER_SECOND, OF_SYSTEM),
    )
}
"""Metrics by name, in the order in which they are answered."""
