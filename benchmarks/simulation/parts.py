"""The parts of the benchmark: each returns its figures by name, from the same runs."""

from collections.abc import Callable
from typing import Any

from benchmarks.simulation.analysis import Runs, lift, per_session, recovery, table
from benchmarks.simulation.behaviour import Sizes
from benchmarks.simulation.knowing import AFTER_VISIT, KNOWING
from benchmarks.simulation.policies import EXPLORED_PLACES, RELEVANCE_GIVEN_UP

Figures = dict[str, Any]
LIFTS = {
    "lift.revenue_per_session": ("full_loop", "static_hybrid"),
    "lift.over_offline": ("full_loop", "offline"),
    "lift.over_popular": ("full_loop", "popular"),
    "lift.offline_over_static": ("offline", "static_hybrid"),
    "lift.offline_over_popular": ("offline", "popular"),
}
"""Figures, and the policies that each compares."""
FULL_LOOP = "full_loop"
LAST_DAYS = 10
_DRIFT_NAMES = {"days": "recovery_days", "low": "recovery_days.low", "high": "recovery_days.high"}


def lifts(runs: Runs, sizes: Sizes) -> Figures:
    """Return the lifts over the days from the warm-up to the drift, of all revenue and of recommended revenue.

    `NAME` is of the revenue of all that is bought, expected over the draws of the responses; `NAME.low` and `.high` are
    its interval by t over the seeds. `NAME.recommended` is of what recommendations add to it, `NAME.realised` of the
    revenue that was drawn, `NAME.late` of the ten days before the drift.
    """
    found: Figures = {}
    policies = {run["policy"] for run in runs}
    for name, (policy, versus) in LIFTS.items():
        if {policy, versus} <= policies:
            found |= _lift(runs, name, policy, versus, sizes)
    return found


def levels_of_policies(runs: Runs, sizes: Sizes) -> Figures:
    """Return of each policy revenue a session, click-through rate and conversion, over the same days."""
    found: Figures = {}
    days = _days(sizes)
    for policy in dict.fromkeys(run["policy"] for run in runs):
        shown = table(runs, policy, "expected_shown")[:, days].sum()
        found |= {
            f"policy.{policy}.revenue_per_session": _cents(per_session(runs, policy, "expected_revenue", days).mean()),
            f"policy.{policy}.recommended_per_session": _cents(per_session(runs, policy, "expected_gain", days).mean()),
            f"policy.{policy}.click_through_rate": _rate(runs, policy, "expected_clicks", shown, days),
            f"policy.{policy}.conversion": _rate(runs, policy, "expected_purchases", shown, days),
        }
    return found


def drift(runs: Runs, sizes: Sizes) -> Figures:
    """Return how soon the full loop is back at its level after the drift; nothing where no run is that long.

    Where it is not back within the run, `recovered` is 0, and the days are those of the run after the drift: it takes
    longer. `drift.after_visit.` are the figures of a shop that learns new tastes whole by one visit.
    """
    long = [run for run in runs if len(run["days"]) > sizes.drift_day]
    policies = {run["policy"] for run in long}
    found: Figures = {}
    for prefix, policy in (("drift.", FULL_LOOP), ("drift.after_visit.", AFTER_VISIT)):
        if {policy, KNOWING} <= policies:
            of_policy = recovery(long, policy, KNOWING, sizes.drift_day)
            found[f"{prefix}recovered"] = float(of_policy["days"] is not None)
            if of_policy["days"] is None:
                of_policy["days"] = float(len(long[0]["days"]) - sizes.drift_day)
            found |= {f"{prefix}{_DRIFT_NAMES.get(name, name)}": _rounded(value) for name, value in of_policy.items()}
    return found


def exploration(runs: Runs, sizes: Sizes) -> Figures:
    """Return what exploration of the full loop costs, and its budget, both as shares.

    `cost` is the share of the lists' scores that was given up for products that are not known yet, as the budget counts
    it; `places` the share of the places that were explored.
    """
    explored = [run["explored"] for run in runs if run["policy"] == FULL_LOOP]
    if not explored:
        return {}
    places, tried, scores, shown, displaced = (
        sum(each[name] for each in explored)
        for name in ("places", "explored", "scores", "explored_scores", "displaced_scores")
    )
    return {
        "exploration.cost": _rounded((displaced - shown) / (scores - shown + displaced)),
        "exploration.budget": RELEVANCE_GIVEN_UP,
        "exploration.places": _rounded(tried / places),
        "exploration.places_budget": EXPLORED_PLACES,
    }


PARTS: dict[str, Callable[[Runs, Sizes], Figures]] = {
    "lifts": lifts,
    "policies": levels_of_policies,
    "drift": drift,
    "exploration": exploration,
}


def _days(sizes: Sizes) -> slice:
    return slice(sizes.warm_up_days, sizes.drift_day)


def _lift(runs: Runs, name: str, policy: str, versus: str, sizes: Sizes) -> Figures:
    found: Figures = {}
    days = _days(sizes)
    last = slice(max(days.start, sizes.drift_day - LAST_DAYS), sizes.drift_day)
    columns = {
        "": ("expected_revenue", days),
        ".recommended": ("expected_gain", days),
        ".realised": ("revenue", days),
        ".late": ("expected_revenue", last),
    }
    for suffix, (column, period) in columns.items():
        value, low, high, bootstrap_low, bootstrap_high = lift(runs, policy, versus, column, period)
        own = f"{name}{suffix}"
        found |= {own: _rounded(value), f"{own}.low": _rounded(low), f"{own}.high": _rounded(high)}
        found |= {f"{own}.bootstrap_low": _rounded(bootstrap_low), f"{own}.bootstrap_high": _rounded(bootstrap_high)}
    return found


def _rate(runs: Runs, policy: str, column: str, shown: float, days: slice) -> float | None:
    return _rounded(float(table(runs, policy, column)[:, days].sum() / shown))


def _cents(value: float) -> float | None:
    return _rounded(value / 100)


def _rounded(value: float | None) -> float | None:
    """Return a figure to be written; None where it is not finite, as an interval of one seed."""
    return None if value is None or abs(value) == float("inf") or value != value else round(value, 4)
