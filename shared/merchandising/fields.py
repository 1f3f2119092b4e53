"""Fields that placements, rules, variants and experiments have in common, with their checks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.placement_pb2 import PlacementBoosts
from quintet.type.v1.recommendation_pb2 import AlgorithmWeight

from shared import limits
from shared.algorithm_weights import checked_weights
from shared.algorithms import ALGORITHM_NAMES
from shared.errors import InvalidArgument
from shared.events.check import check_choice, check_number
from shared.merchandising.placement import Boosts
from shared.page_rules import ONLY_BOUGHT, Page
from shared.timestamps import to_datetime

DEFAULT_STRATEGY = "default"


def check_strategy(name: str, field: str) -> None:
    """Raise InvalidArgument unless `name` is a strategy, or empty."""
    if name not in ("", DEFAULT_STRATEGY):
        known = f"{DEFAULT_STRATEGY} or one of {', '.join(sorted(ALGORITHM_NAMES))}"
        check_choice(name, field, ALGORITHM_NAMES, known)


def to_strategy(name: str, page: Page, field: str) -> str:
    """Return the algorithm that orders a page alone; empty for what suits the page. Raises InvalidArgument."""
    check_strategy(name, field)
    if name in ("", DEFAULT_STRATEGY):
        return ""
    if page in ONLY_BOUGHT:
        problem = "must be the default on pages of what was bought before"
        raise InvalidArgument.of(field, name, problem, ErrorReason.FIELD_CONFLICT)
    return name


def to_boosts(message: PlacementBoosts, field: str) -> Boosts:
    """Return boosts. Raises InvalidArgument naming the field."""
    for name in ("price", "margin", "novelty"):
        check_number(getattr(message, name), f"{field}.{name}", -1, 1)
    check_number(message.revenue, f"{field}.revenue", 0, limits.MAX_REVENUE_POWER)
    return Boosts(message.price, message.margin, message.novelty, message.revenue)


def to_weights(given: Sequence[AlgorithmWeight], field: str) -> tuple[tuple[str, float], ...]:
    """Return the algorithms with a weight above 0, by name. Raises InvalidArgument, also for weights that are all 0."""
    weights = checked_weights(given, field)
    if weights and not any(weights.values()):
        raise InvalidArgument.of(field, 0, "must not all be 0", ErrorReason.FIELD_OUT_OF_RANGE)
    return tuple(sorted((name, weight) for name, weight in weights.items() if weight))


def to_moment(message: Any, name: str, field: str) -> datetime | None:
    """Return the time in a field of a message; None where it is not set. Raises InvalidArgument."""
    if not message.HasField(name):
        return None
    try:
        return to_datetime(getattr(message, name))
    except (ValueError, OverflowError) as error:
        problem, seconds = "must be a valid time", getattr(message, name).seconds
        raise InvalidArgument.of(f"{field}.{name}", seconds, problem, ErrorReason.FIELD_MALFORMED) from error


def check_order(start: datetime | None, end: datetime | None, field: str) -> None:
    """Raise InvalidArgument unless `end` is after `start`, where both are set."""
    if start is not None and end is not None and end <= start:
        problem = "must be after start_time"
        raise InvalidArgument.of(f"{field}.end_time", end.isoformat(), problem, ErrorReason.FIELD_CONFLICT)


def check_alone(strategy: str, weights: Sequence[object], field: str) -> None:
    """Raise InvalidArgument when a strategy and weights are both said: either orders the list by itself."""
    if weights and strategy not in ("", DEFAULT_STRATEGY):
        problem = "must be empty, or default, beside weights"
        raise InvalidArgument.of(f"{field}.strategy", strategy, problem, ErrorReason.FIELD_CONFLICT)
