"""Rules of merchandisers: what to do with which products, and when."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias
from zoneinfo import ZoneInfo

from shared.filters.tree import Expression
from shared.page_rules import Page

MINUTES_A_DAY = 24 * 60


class LimitGroup(StrEnum):
    """What a limit groups products by: a field of filter expressions."""

    BRAND = "brand"
    CATEGORY = "category"


@dataclass(frozen=True)
class Pin:
    """Show the product, named by the platform's id, at a position from 1."""

    product_id: str
    position: int


@dataclass(frozen=True)
class Weigh:
    """Multiply scores: a boost above 1, a bury from 0 to below 1."""

    factor: float


@dataclass(frozen=True)
class Exclude:
    """Leave products out."""


@dataclass(frozen=True)
class Limit:
    """Show at most `most` products of a group, in any `window` that follow each other; 0 means in the whole list."""

    group: LimitGroup
    most: int
    window: int = 0


Action: TypeAlias = Pin | Weigh | Exclude | Limit


@dataclass(frozen=True)
class WeeklyHours:
    """Hours of the week: days from 1 for Monday, all if empty; minutes of the day, the last one exclusive."""

    weekdays: frozenset[int] = frozenset()
    start_minute: int = 0
    end_minute: int = MINUTES_A_DAY

    def hold(self, local: datetime) -> bool:
        """Say whether a moment in the time zone of the rule is within the hours."""
        minute = local.hour * 60 + local.minute
        on_day = not self.weekdays or local.isoweekday() in self.weekdays
        return on_day and self.start_minute <= minute < self.end_minute


@dataclass(frozen=True)
class Moment:
    """Where, for whom and when a list is made.

    `segments` are those of the customer; None where they are not known, which counts as being in all of them. `at` is
    an aware time.
    """

    placement_id: str
    page: Page
    segments: frozenset[str] | None
    at: datetime


@dataclass(frozen=True)
class Condition:
    """When a rule holds: all conditions at once; empty ones always do."""

    placement_ids: frozenset[str] = frozenset()
    pages: frozenset[Page] = frozenset()
    segments: frozenset[str] = frozenset()
    start: datetime | None = None
    end: datetime | None = None
    hours: tuple[WeeklyHours, ...] = ()
    time_zone: str = "UTC"

    def holds(self, moment: Moment) -> bool:
        """Say whether the rule holds at a moment."""
        return (
            _among(moment.placement_id, self.placement_ids)
            and _among(moment.page, self.pages)
            and (not self.segments or moment.segments is None or not self.segments.isdisjoint(moment.segments))
            and self._in_time(moment.at)
        )

    def _in_time(self, at: datetime) -> bool:
        if (self.start is not None and at < self.start) or (self.end is not None and at >= self.end):
            return False
        if not self.hours:
            return True
        local = at.astimezone(ZoneInfo(self.time_zone))
        return any(hours.hold(local) for hours in self.hours)


@dataclass(frozen=True)
class Rule:
    """A rule: what to do with the products that `filter` holds for (None: all), when the condition holds."""

    rule_id: str
    action: Action
    filter: Expression | None = None
    condition: Condition = Condition()
    priority: int = 0
    disabled: bool = False

    @property
    def order(self) -> tuple[int, str]:
        """What rules are sorted by: the one that wins comes first."""
        return -self.priority, self.rule_id


def _among(value: str, wanted: frozenset[str] | frozenset[Page]) -> bool:
    return not wanted or value in wanted
