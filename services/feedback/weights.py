"""Weights of the hybrid learned from how each algorithm's recommendations were met.

Each response is worth points: a click 1, a cart addition 3, a purchase 10. An algorithm's value is the share it won of
the points it could win at most, per recommendation shown, smoothed towards the value of all algorithms together as if
`PRIOR_SHOWN` more had been shown and met like the average (the mean of a Beta posterior, and with it robust against
luck in few trials). The target weight is the default weight times the value relative to the average; the new weight
lies between the current one and the target, nearer to the target the more was shown. So without evidence nothing
changes, and the same evidence seen again every day does not drive the weights ever further.

An algorithm that is switched off (weight 0) stays so. The others keep at least `FLOOR`, that they go on being tried.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.algorithms import DEFAULT_WEIGHTS
from shared.db.algorithm_performance import AlgorithmCounts

CLICK_POINTS = 1
CART_POINTS = 3
PURCHASE_POINTS = 10
MOST_POINTS = CLICK_POINTS + CART_POINTS + PURCHASE_POINTS
PRIOR_SHOWN = 500.0
MIN_SHOWN = 100
HALF_WAY_SHOWN = 2_000.0
FLOOR = 0.02
NEGLIGIBLE = 0.005


@dataclass(frozen=True)
class Learned:
    """New weights, which add up to 1, and a sentence on how they came about."""

    weights: dict[str, float]
    rationale: str


def normalised(weights: Mapping[str, float]) -> dict[str, float]:
    """Return weights that add up to 1.

    Raises
    ------
    ValueError
        If they add up to 0.
    """
    total = sum(weights.values())
    if not total > 0:
        raise ValueError("weights: must not add up to 0")
    return {name: weight / total for name, weight in weights.items()}


def learn(current: Mapping[str, float], measured: Iterable[AlgorithmCounts], days: int) -> Learned:
    """Return weights that follow from what was measured.

    Parameters
    ----------
    current : mapping of name to weight
        The weights in force; they add up to 1.
    measured : iterable of AlgorithmCounts
        Of the last `days` days. Algorithms that are switched off or unknown do not matter.
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
    """Return weights of at least `floor` that add up to 1: small ones are raised, the others shrink in proportion.

    Raises
    ------
    ValueError
        If there are so many that they cannot all have `floor`.
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


def _points(counts: AlgorithmCounts) -> int:
    return CLICK_POINTS * counts.clicked + CART_POINTS * counts.added_to_cart + PURCHASE_POINTS * counts.purchased


def _value(counts: AlgorithmCounts | None, mean: float) -> float:
    """Return the points per recommendation shown, smoothed; the mean for an algorithm that was not shown."""
    if counts is None:
        return mean
    return (PRIOR_SHOWN * mean + _points(counts)) / (PRIOR_SHOWN + counts.shown)


def _too_little(shown: int, points: int, days: int) -> str:
    if shown < MIN_SHOWN:
        seen = f"only {shown} recommendations were shown in the last {days} days, {MIN_SHOWN} are needed"
    else:
        seen = f"of {shown} recommendations shown in the last {days} days none was responded to ({points} points)"
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
