"""Which metrics are asked for: checked against what there is, with what was left open filled in."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from quintet.type.v1.error_pb2 import ErrorReason

from services.feedback.metrics.definitions import DAY, DEFINITIONS, DIMENSIONS
from shared import periods
from shared.db.metric_cells import day_of
from shared.db.metric_sums import Selection
from shared.db.types import MICROSECOND
from shared.errors import InvalidArgument
from shared.events.check import check_choice

_METRICS = f"one of {', '.join(DEFINITIONS)}"
_DIMENSIONS = f"one of {', '.join(DIMENSIONS)}"


@dataclass(frozen=True)
class MetricQuestion:
    """What is asked for, as it was said: names of metrics and dimensions, and (dimension, values) that count."""

    metrics: Sequence[str] = ()
    by: Sequence[str] = ()
    only: Sequence[tuple[str, Sequence[str]]] = ()
    start: datetime | None = None
    end: datetime | None = None

    def settled(self, now: datetime) -> tuple[list[str], Selection]:
        """Return the names of the metrics, and what they are of.

        Raises
        ------
        InvalidArgument
            For an unknown metric or dimension, one that is named twice, a metric that is not kept by a dimension, or a
            period that does not end after its start.
        """
        _check_named(self.metrics, "query.metrics", DEFINITIONS, _METRICS)
        _check_named(self.by, "query.dimensions", DIMENSIONS, _DIMENSIONS)
        filtered = [name for name, _ in self.only]
        _check_named(filtered, "query.filters.dimension", [each for each in DIMENSIONS if each != DAY], _DIMENSIONS)
        needed = {*self.by, *filtered}
        names = list(self.metrics) or [name for name, each in DEFINITIONS.items() if needed <= set(each.dimensions)]
        for name in names:
            _check_kept(name, needed)
        return names, Selection(*days(self.start, self.end, now), tuple(self.by), dict(self.only))


def days(start: datetime | None, end: datetime | None, now: datetime) -> tuple[int, int]:
    """Return the first day of a period and the day after its last, which both count whole.

    Raises InvalidArgument if it does not end after its start.
    """
    since, until = periods.settled(start, end, now)
    return day_of(since), day_of(until - MICROSECOND) + 1


def _check_named(names: Sequence[str], field: str, known: Collection[str], what: str) -> None:
    for place, name in enumerate(names):
        check_choice(name, f"{field}[{place}]", known, what)
        if name in names[:place]:
            raise InvalidArgument.of(f"{field}[{place}]", name, "must be named once", ErrorReason.DUPLICATE_ELEMENT)


def _check_kept(name: str, needed: Iterable[str]) -> None:
    missing = sorted(set(needed) - set(DEFINITIONS[name].dimensions))
    if missing:
        kept = ", ".join(DEFINITIONS[name].dimensions) or "nothing"
        problem = f"is not kept by {', '.join(missing)}, only by {kept}"
        raise InvalidArgument.of("query.metrics", name, problem, ErrorReason.FIELD_CONFLICT)
