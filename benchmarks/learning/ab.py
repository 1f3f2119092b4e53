"""`python -m benchmarks.learning.ab`: the power of A/B tests of the least effect that the calculator promises."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from benchmarks.learning.figures import Figure, printed
from benchmarks.learning.shoppers import Floats, Shoppers, buying, clicking
from services.feedback.statistics.baseline import Baseline
from services.feedback.statistics.cuped import CupedMoments, adjust
from services.feedback.statistics.estimate import Estimate, difference
from services.feedback.statistics.proportion import wilson_interval
from services.feedback.statistics.ratio import RatioMoments
from services.feedback.statistics.sample_size import AlwaysValid, Design, FixedHorizon, power_with, units_needed
from services.feedback.statistics.sequential import always_valid_p

REPETITIONS, SEED = 4_000, 16
DAYS = 14
OFTEN = 1_000
"""Looks of who looks all the time."""
ABOUT = f"""The treated arm's effect is the least one that the calculator promises to find with the units of the test;
the promise is 80 %, or 90 % where that is said. *Fixed* tests look once at the end. *Always valid* tests look once a
day for {DAYS} days, or all the time ({OFTEN:,} looks), and have found the effect if any look did. An effect is more
clicks or orders of the same kind, or larger amounts. Distributions are those of the A/A tests; with CUPED, spend is
log-normal and a fifth of the shoppers has no pre-period. `ab.power` is that of the row where it differs most from the
promise."""


@dataclass(frozen=True)
class Scenario:
    """A test that is repeated.

    Parameters
    ----------
    name : str
    shoppers : callable
        Of a relative effect: the shoppers of an arm.
    effect : float
        The least relative effect asked for.
    design : Design
    looks : int
        Number of looks, after equal numbers of units.
    baseline : callable
        Of the moments of the control: what the calculator knows.
    """

    name: str
    shoppers: Callable[[float], Shoppers]
    effect: float
    design: Design
    looks: int
    baseline: Callable[[RatioMoments], Baseline] = Baseline.of


@dataclass(frozen=True)
class Power:
    """What came of a scenario."""

    name: str
    effect: float
    units: int
    promised: float
    found: int
    repetitions: int

    @property
    def measured(self) -> float:
        """Share of the repetitions that found the effect."""
        return self.found / self.repetitions

    @property
    def error(self) -> float:
        """Measured less promised."""
        return self.measured - self.promised


def converting(effect: float) -> Shoppers:
    """Return shoppers of whom 4 % convert, each counted once."""
    share = 0.04 * (1 + effect)
    return Shoppers(np.array([1, 1]), np.array([0, 1]), np.array([1 - share, share]))


def _below_one(moments: RatioMoments) -> Baseline:
    return Baseline.of(moments, maximum=1.0)


def _of_amounts(moments: RatioMoments) -> Baseline:
    return Baseline.of(moments, larger_amounts=True)


FIXED, DAILY, ALWAYS = FixedHorizon(), AlwaysValid(DAYS), AlwaysValid()
SCENARIOS = (
    Scenario("conversion, fixed", converting, 0.1, Design(FIXED), 1, _below_one),
    Scenario("conversion, daily", converting, 0.1, Design(DAILY), DAYS, _below_one),
    Scenario("conversion, all the time", converting, 0.1, Design(ALWAYS), OFTEN, _below_one),
    Scenario("conversion, daily, 90 %", converting, 0.1, Design(DAILY, power=0.9), DAYS, _below_one),
    Scenario("conversion, daily, three arms", converting, 0.1, Design(DAILY, shares=(0.5, 0.3, 0.2)), DAYS, _below_one),
    Scenario("conversion −10 %, daily, a fifth", converting, -0.1, Design(DAILY, shares=(0.8, 0.2)), DAYS, _below_one),
    Scenario("click-through rate, fixed", lambda e: clicking(0.05 * (1 + e)), 0.08, Design(FIXED), 1, _below_one),
    Scenario("click-through rate, daily", lambda e: clicking(0.05 * (1 + e)), 0.08, Design(DAILY), DAYS, _below_one),
    Scenario("revenue by orders, fixed", lambda e: buying(0.03 * (1 + e)), 0.15, Design(FIXED), 1),
    Scenario("revenue by orders, daily", lambda e: buying(0.03 * (1 + e)), 0.15, Design(DAILY), DAYS),
    Scenario(
        "revenue by orders, daily, a fifth",
        lambda e: buying(0.03 * (1 + e)),
        0.15,
        Design(DAILY, shares=(0.8, 0.2)),
        DAYS,
    ),
    Scenario("revenue by amounts, daily", lambda e: buying(0.03, 1 + e), 0.15, Design(DAILY), DAYS, _of_amounts),
)
ESTIMATED = fields(Estimate)
SPEND_SPREAD, SPEND_EFFECT = 0.8, 0.08
"""Standard deviation of the logarithm of what a customer spends, and the effect asked for."""
ALIKE, KNOWN = 0.8, 0.8
"""Correlation of the logarithms now and before, and the share of customers who were there before."""
CUPED = {"spend with CUPED, fixed": Design(FIXED), "spend with CUPED, daily": Design(DAILY)}


def measure(scenario: Scenario, repetitions: int, seed: int) -> Power:
    """Return how often a scenario's tests find its effect."""
    rng = np.random.default_rng(seed)
    baseline = scenario.baseline(scenario.shoppers(0.0).moments())
    needed = units_needed(baseline, scenario.effect, scenario.design)
    control, treated = (
        scenario.shoppers(effect).sums(rng, _sizes(units, scenario.looks), repetitions)
        for effect, units in ((0.0, needed[0]), (scenario.effect, min(needed[1:])))
    )
    found = difference(_cumulated(control).estimate, _cumulated(treated).estimate)
    promised = power_with(baseline, scenario.effect, scenario.design, sum(needed))
    return Power(
        scenario.name, scenario.effect, sum(needed), promised, _significant(scenario.design, found), repetitions
    )


def measure_cuped(design: Design, name: str, repetitions: int, seed: int) -> Power:
    """Return how often tests of what customers spend find an effect, with a look a day, after CUPED."""
    rng = np.random.default_rng(seed)
    mean, variance = float(np.exp(SPEND_SPREAD**2 / 2)), float(np.expm1(SPEND_SPREAD**2))  # relative to the mean
    correlation = float(np.expm1(ALIKE * SPEND_SPREAD**2)) / variance
    whole = Baseline(mean, variance * mean**2, larger_amounts=True)
    baseline = whole.reduced(KNOWN * correlation**2)
    needed = units_needed(baseline, SPEND_EFFECT, design)
    looks = [
        [difference(*adjust(arms).arms) for arms in zip(control, treated, strict=True)]
        for control, treated in (
            (_spending(rng, 1.0, needed[0]), _spending(rng, 1 + SPEND_EFFECT, needed[1])) for _ in range(repetitions)
        )
    ]
    found = Estimate(*(np.array([[getattr(look, each.name) for look in run] for run in looks]) for each in ESTIMATED))
    promised = power_with(baseline, SPEND_EFFECT, design, sum(needed))
    return Power(name, SPEND_EFFECT, sum(needed), promised, _significant(design, found), repetitions)


def _spending(rng: np.random.Generator, grown: float, units: int) -> list[CupedMoments]:
    """Return the moments until the end of each day of what customers spend, now and before."""
    logs = rng.multivariate_normal([0, 0], SPEND_SPREAD**2 * np.array([[1, ALIKE], [ALIKE, 1]]), units)
    now, known = grown * np.exp(logs[:, 0]), rng.random(units) < KNOWN
    before = known * np.exp(logs[:, 1])
    days = np.split(np.arange(units), np.cumsum(_sizes(units, DAYS))[:-1])
    return list(accumulate(CupedMoments.of(np.ones(len(day)), now[day], known[day], before[day]) for day in days))


def _sizes(units: int, looks: int) -> NDArray[np.int64]:
    """Return the units between looks."""
    return np.diff(units * np.arange(looks + 1) // looks)


def _cumulated(arm: RatioMoments) -> RatioMoments:
    return RatioMoments(*(np.cumsum(getattr(arm, each.name), axis=1) for each in fields(arm)))


def _significant(design: Design, found: Estimate) -> int:
    """Return the number of tests that find a difference, for estimates of shape (n_tests, n_looks)."""
    alpha = design.alpha_of_comparison
    if isinstance(design.test, FixedHorizon):
        last: Floats = np.asarray(found.p_value())[:, -1]
        return int((last <= alpha).sum())
    units = np.asarray(found.units)
    p_values = np.asarray(always_valid_p(found, units / units[:, [-1]], alpha))
    return int((p_values <= alpha).any(axis=1).sum())


def figures(powers: Sequence[Power]) -> list[Figure]:
    """Return the power where it differs most from the promise, and this difference."""
    worst = max(powers, key=lambda power: abs(power.error))
    low, high = (round(end, 4) for end in wilson_interval(worst.found, worst.repetitions))
    more = {"low": low, "high": high, "promised": round(worst.promised, 4), "repetitions": worst.repetitions}
    return [
        Figure("ab.power", worst.measured, "share", more | {"where": worst.name}),
        Figure("ab.power_error", abs(worst.error), "share", {"scenarios": len(powers)}),
    ]


def rows(powers: Sequence[Power]) -> list[dict[str, object]]:
    """Return the table of all scenarios."""
    return [
        {
            "test": power.name,
            "effect": f"{power.effect:+.0%}",
            "units": power.units,
            "promised": round(power.promised, 4),
            "measured": round(power.measured, 4),
            "difference": round(power.error, 4),
        }
        for power in powers
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args(arguments)
    powers = [measure(scenario, given.repetitions, given.seed) for scenario in SCENARIOS]
    powers += [measure_cuped(design, name, given.repetitions, given.seed) for name, design in CUPED.items()]
    tables = {f"Power in {given.repetitions:,} repetitions": rows(powers)}
    print(printed(figures(powers), ABOUT, tables, repetitions=given.repetitions, seed=given.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
