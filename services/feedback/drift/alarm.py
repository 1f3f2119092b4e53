"""Which of a day's tests are findings, so that daily looks do not cry wolf.

All tests of a day are corrected together by Holm's method. The level of a day is such that 30 days without a change
raise an alarm with a stated probability at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.multiplicity import holm

MONTH_DAYS = 30


class Kind(StrEnum):
    """What a test is about."""

    INPUTS = "inputs"
    RESPONSE = "response"
    QUALITY = "quality"


@dataclass(frozen=True)
class DriftTest:
    """A test of a day against the days before.

    Parameters
    ----------
    kind : Kind
    subject : str
        What was tested, such as `category of product_view`.
    value, before : float
        On the day and before: the share of the value that moved most, a rate, or a gain.
    size : float
        The population stability index of inputs, the relative change of the others.
    p_value : float
    divergence : float
        Jensen–Shannon divergence of inputs in bits; 0 of the others.
    detail : str
        The value that moved most; empty for none.
    """

    kind: Kind
    subject: str
    value: float
    before: float
    size: float
    p_value: float
    divergence: float = 0.0
    detail: str = ""


@dataclass(frozen=True)
class Judged:
    """A test with its p-value corrected for all tests of the day, and whether it is a finding."""

    test: DriftTest
    adjusted_p_value: float
    found: bool


@dataclass(frozen=True)
class Thresholds:
    """What counts as drift.

    Parameters
    ----------
    false_alarms : float
        Probability of an alarm in 30 days without a change.
    index : float
        Population stability index of inputs, at least.
    change : float
        Relative change of a response rate in either direction, and relative loss of quality, at least.
    """

    false_alarms: float = 0.05
    index: float = 0.2
    change: float = 0.1

    @property
    def level(self) -> float:
        """The level of one day's tests together."""
        return float(1 - (1 - self.false_alarms) ** (1 / MONTH_DAYS))


USUAL = Thresholds()


def judged(tests: Sequence[DriftTest], thresholds: Thresholds) -> list[Judged]:
    """Return the tests in their order, each with whether it is a finding: beyond chance, and large enough to matter."""
    adjusted = holm([each.p_value for each in tests])
    return [
        Judged(each, p, p <= thresholds.level and _matters(each, thresholds))
        for each, p in zip(tests, adjusted, strict=True)
    ]


def _matters(test: DriftTest, thresholds: Thresholds) -> bool:
    if test.kind is Kind.INPUTS:
        return test.size >= thresholds.index
    if test.kind is Kind.QUALITY:
        return test.size <= -thresholds.change
    return abs(test.size) >= thresholds.change
