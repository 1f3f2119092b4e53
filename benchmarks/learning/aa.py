"""`python -m benchmarks.learning.aa`: how often A/A tests find a difference, which is not there, however one peeks.

Both arms have the same shoppers. A test is wrong if any of its looks finds a difference.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.learning.figures import Figure, printed
from benchmarks.learning.shoppers import SHOWN, Floats, buying, clicking
from services.feedback.statistics.estimate import difference
from services.feedback.statistics.proportion import wilson_interval
from services.feedback.statistics.ratio import RatioMoments
from services.feedback.statistics.sequential import ALPHA, LEAST_UNITS, always_valid_p

TESTS, UNITS, DAYS = 1_000, 20_000, 28
PLANNED_DAY = 14
"""The tests go on for twice as long as planned."""
SHARES = (0.5, 0.2, 0.1)
RETURNING_UNITS = 1_500
SESSIONS_A_DAY = 0.12
AT_ONCE = 25
SEED = 16
ABOUT = f"""Both arms have the same shoppers, so each difference found is a false one. A test is wrong if any of its
looks finds one, at the 5 % level. Revenue per session and click-through rate are ratios of sums over shoppers.
Sessions of a shopper are negative binomial; clicks and orders are beta-binomial, as shoppers differ; the amount of an
order is log-normal (σ 1.1). Each test goes on for {DAYS} days, twice as long as planned. In *arriving*, {UNITS:,}
shoppers come one after the other. In *returning*, {RETURNING_UNITS:,} shoppers come again and again, each with a
propensity of their own. A look counts when each arm has {LEAST_UNITS} shoppers. The treated arm has a half, a fifth
or a tenth of the shoppers. *Always valid* is the test of the product; *looked at as if once* is the z-test of the
same differences, which holds for one look. `aa.false_positive_rate` is the rate of the worst row, which chance makes
worse than it is."""

Found = dict[tuple[str, str, str, float], tuple[int, int]]
"""By kind of arrival, metric, schedule and share: how many always-valid tests, and how many z-tests, were wrong."""


@dataclass(frozen=True)
class Looks:
    """P-values at looks, each of shape (n_tests, n_looks); 1 where a look does not count."""

    always_valid: Floats
    once: Floats

    def wrong(self, at: NDArray[np.int64]) -> tuple[int, int]:
        """Return how many tests find a difference in any of the looks at these places, by both p-values."""
        always_valid, once = (int((each[:, at] <= ALPHA).any(axis=1).sum()) for each in (self.always_valid, self.once))
        return always_valid, once


def looks_of(control: RatioMoments, treated: RatioMoments, planned: Floats) -> Looks:
    """Return the p-values of two arms, whose moments have shape (n_tests, n_looks)."""
    found = difference(control.estimate, treated.estimate)
    counts = np.minimum(control.n, treated.n) >= LEAST_UNITS
    p_values = always_valid_p(found, found.units / planned), found.p_value()
    return Looks(*(np.where(counts, each, 1.0) for each in p_values))


def arriving(rng: np.random.Generator, tests: int, units: int) -> Iterator[tuple[str, float, Looks]]:
    """Yield metric, share and looks after each unit, of units that come once."""
    for metric, shoppers in (("revenue per session", buying()), ("click-through rate", clicking())):
        x, y = shoppers.units(rng, (tests, units))
        chance = rng.random(x.shape)
        for share in SHARES:
            treated = chance < share
            control_arm, treated_arm = (_cumulated(x * mine, y * mine, mine) for mine in (~treated, treated))
            yield metric, share, looks_of(control_arm, treated_arm, np.array(units * PLANNED_DAY / DAYS))


def _cumulated(x: Floats, y: Floats, mine: NDArray[np.bool_]) -> RatioMoments:
    return RatioMoments(*(np.cumsum(each, axis=1, dtype=np.float64) for each in (mine, x, y, x * x, x * y, y * y)))


def returning(rng: np.random.Generator, tests: int, units: int) -> Iterator[tuple[str, float, Looks]]:
    """Yield metric, share and looks after each day, of units that come again."""
    shape = (tests, units, DAYS)
    activity = rng.gamma(0.8, SESSIONS_A_DAY / 0.8, (tests, units, 1))
    sessions = rng.poisson(np.broadcast_to(activity, shape))
    chance = rng.random((tests, units, 1))
    for metric, shoppers, shown, a, b in (
        ("revenue per session", buying(), 1, 0.6, 19.4),
        ("click-through rate", clicking(), SHOWN, 0.5, 9.5),
    ):
        propensity = np.broadcast_to(rng.beta(a, b, (tests, units, 1)), shape)
        seen = shown * sessions
        responses = np.zeros(shape, dtype=np.int64)
        responses[seen > 0] = rng.binomial(seen[seen > 0], propensity[seen > 0])
        x, y = (np.cumsum(each, axis=2, dtype=np.float64) for each in (seen, shoppers.counted(rng, responses)))
        for share in SHARES:
            treated = chance < share
            control_arm, treated_arm = (_summed(x * mine, y * mine) for mine in (~treated, treated))
            planned = np.asarray(control_arm.n + treated_arm.n)[:, [PLANNED_DAY - 1]]
            yield metric, share, looks_of(control_arm, treated_arm, planned)


def _summed(x: Floats, y: Floats) -> RatioMoments:
    return RatioMoments(*(each.sum(axis=1) for each in (x > 0, x, y, x * x, x * y, y * y)))


def schedules(units: int) -> dict[str, NDArray[np.int64]]:
    """Return the looks of units that arrive, by schedule: numbers of units less 1."""
    return {
        "after each unit": np.arange(units),
        "after each 100 units": np.arange(100, units + 1, 100) - 1,
        "after each day": np.arange(1, DAYS + 1) * units // DAYS - 1,
        "at the end": np.array([units - 1]),
    }


def measure(tests: int, units: int, returning_units: int, seed: int) -> Found:
    """Return how many tests were wrong."""
    rng, found = np.random.default_rng(seed), Found()
    by_day = {"after each day": np.arange(DAYS), "at the end": np.array([DAYS - 1])}
    for begin in range(0, tests, AT_ONCE):
        some = min(AT_ONCE, tests - begin)
        for kind, drawn, at in (
            ("arriving", arriving(rng, some, units), schedules(units)),
            ("returning", returning(rng, some, returning_units), by_day),
        ):
            for metric, share, looks in drawn:
                for schedule, places in at.items():
                    key = kind, metric, schedule, share
                    before, now = found.get(key, (0, 0)), looks.wrong(places)
                    found[key] = before[0] + now[0], before[1] + now[1]
    return found


def figures(found: Found, tests: int) -> list[Figure]:
    """Return the rate of the worst metric, schedule and share, and that of the z-test."""
    worst = max(found, key=lambda where: found[where][0])
    worst_once = max(found, key=lambda where: found[where][1])
    return [
        _rate("aa.false_positive_rate", found[worst][0], tests, worst),
        _rate("aa.false_positive_rate_of_one_look_test", found[worst_once][1], tests, worst_once),
    ]


def _rate(name: str, wrong: int, tests: int, where: tuple[str, str, str, float]) -> Figure:
    low, high = (round(end, 4) for end in wilson_interval(wrong, tests))
    return Figure(name, wrong / tests, "share", {"low": low, "high": high, "tests": tests, "where": list(where)})


def rows(found: Found, tests: int) -> list[dict[str, Any]]:
    """Return the table of all rates."""
    return [
        {
            "shoppers": kind,
            "metric": metric,
            "looks": schedule,
            "treated share": share,
            "always valid": round(wrong / tests, 4),
            "looked at as if once": round(once / tests, 4),
        }
        for (kind, metric, schedule, share), (wrong, once) in found.items()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=int, default=TESTS)
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args(arguments)
    found = measure(given.tests, UNITS, RETURNING_UNITS, given.seed)
    tables = {f"Share of {given.tests:,} A/A tests that find a difference": rows(found, given.tests)}
    print(printed(figures(found, given.tests), ABOUT, tables, tests=given.tests, seed=given.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
