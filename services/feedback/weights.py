"""Learns the weights of the algorithms from the responses to their recommendations.

Each response has points: a click its grade (`click_grades`, at most 1), a cart addition 3, a purchase 10. The value of
an algorithm is its number of points per recommendation shown. It is shrunk towards the mean value of all algorithms as
if `PRIOR_SHOWN` more recommendations with the mean value had been shown, so that few lucky responses have little
effect.

The target weight is the default weight times value / mean value. The new weight lies between the current weight and
the target, and is closer to the target the more recommendations were shown. So weights do not change without data, and
they do not drift if the same data is used again every day.

An algorithm that is switched off (weight 0) stays off. The other weights are at least `FLOOR`, so that each algorithm
is still shown.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.algorithms import DEFAULT_WEIGHTS
from shared.db.algorithm_performance import AlgorithmCounts

CLICK_POINTS = 1
CART_POINTS = 3
PURCHASE_POINTS = 10
PRIOR_SHOWN = 500.0
MIN_SHOWN = 100
HALF_WAY_SHOWN = 2_000.0
FLOOR = 0.02
NEGLIGIBLE = 0.005


@dataclass(frozen=True)
class Learned:
    """New weights, which sum to 1, and a sentence that explains them."""

    weights: dict[str, float]
    rationale: str


def normalised(weights: Mapping[str, float]) -> dict[str, float]:
    """Return the weights divided by their sum.

    Raises
    ------
    ValueError
        If the sum is not above 0.
    """
    total = sum(weights.values())
    if not total > 0:
        raise ValueError("weights: must not add up to 0")
    return {name: weight / total for name, weight in weights.items()}


def learn(current: Mapping[str, float], measured: Iterable[AlgorithmCounts], days: int) -> Learned:
    """Return the weights learned from the measured counts; they are unchanged if there are too few responses.

    Parameters
    ----------
    current : mapping of name to weight
        The current weights, which sum to 1.
    measured : iterable of AlgorithmCounts
        Counts of the last `days` days. Algorithms that are switched off or unknown are ignored.
    days : int
        Length of the measured period, for the explanation.
    """
    active = {name: weight for name, weight in current.items() if weight > 0}
    counts = {each.algorithm: each for each in measured if each.algorithm in active}
    shown = sum(each.shown for each in counts.values())
    points = sum(_points(each) for each in counts.values())
    if shown < MIN_SHOWN or not points:
        return Learned(dict(current), _too_little(shown, points, days))
    mean = points / shown
    lift = {name: _value(counts.get(name), mean) / mean for name in active}
    target = normalised({name: (DEFAULT_WEIGHTS.get(name) or active[name]) * lift[name] for name in active})
    share = shown / (shown + HALF_WAY_SHOWN)
    mixed = {name: (1 - share) * active[name] + share * target[name] for name in active}
    weights = {**current, **with_floor(mixed, FLOOR)}
    return Learned(weights, _rationale(current, weights, counts, mean, days))


def with_floor(weights: Mapping[str, float], floor: float) -> dict[str, float]:
    """Return weights of at least `floor` that sum to 1: small weights are raised, the others reduced in proportion.

    Raises
    ------
    ValueError
        If there are too many weights for all to be at least `floor`.
    """
    if floor * len(weights) > 1:
        raise ValueError(f"floor: must be at most {1 / len(weights)} for {len(weights)} weights, got {floor}")
    raised: set[str] = set()
    while True:
        rest = normalised({name: weight for name, weight in weights.items() if name not in raised})
        share = 1 - floor * len(raised)
        low = {name for name, weight in rest.items() if weight * share < floor}
        if not low:
            return {name: floor if name in raised else rest[name] * share for name in weights}
        raised |= low


def _points(counts: AlgorithmCounts) -> float:
    clicks = CLICK_POINTS * (counts.clicked - counts.click_discount)
    return clicks + CART_POINTS * counts.added_to_cart + PURCHASE_POINTS * counts.purchased


def _value(counts: AlgorithmCounts | None, mean: float) -> float:
    """Return the shrunk number of points per recommendation shown; the mean for an algorithm without counts."""
    if counts is None:
        return mean
    return (PRIOR_SHOWN * mean + _points(counts)) / (PRIOR_SHOWN + counts.shown)


def _too_little(shown: int, points: float, days: int) -> str:
    if shown < MIN_SHOWN:
        seen = f"only {shown} recommendations were shown in the last {days} days, {MIN_SHOWN} are needed"
    else:
        seen = f"of {shown} recommendations shown in the last {days} days none was responded to ({points:g} points)"
    return f"Unchanged: {seen}."


def _rationale(
    before: Mapping[str, float],
    after: Mapping[str, float],
    counts: Mapping[str, AlgorithmCounts],
    mean: float,
    days: int,
) -> str:
    shown = sum(each.shown for each in counts.values())
    moved = sorted(after, key=lambda name: (-abs(after[name] - before[name]), name))
    moves = [_move(name, before, after, counts) for name in moved if abs(after[name] - before[name]) >= NEGLIGIBLE]
    said = "; ".join(moves) if moves else "no weight moves by 0.005 or more"
    return f"From {shown} recommendations shown in the last {days} days (mean value {mean:.4f} points each): {said}."


def _move(
    name: str, before: Mapping[str, float], after: Mapping[str, float], counts: Mapping[str, AlgorithmCounts]
) -> str:
    step = f"{name} {before[name]:.3f} to {after[name]:.3f}"
    seen = counts.get(name)
    if seen is None or not seen.shown:
        return f"{step} (not shown)"
    return f"{step} ({_points(seen) / seen.shown:.4f} points each from {seen.shown} shown)"
