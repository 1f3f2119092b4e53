"""Figures beyond their bounds are named; of few calls no share is judged."""

from dataclasses import replace

import pytest

from shared.monitoring.sample import Sample
from shared.monitoring.thresholds import Thresholds, breaches

MOST = Thresholds()
WELL = Sample(300, 1_000, 10, 5, 500, 0.95, 6_000, 1_000, 50, 50)


def test_what_is_just_within_is_well() -> None:
    assert breaches(WELL, MOST) == []


@pytest.mark.parametrize(
    ("figure", "change"),
    [
        ("p99_ms", {"p99_ms": 501.0}),
        ("failed_share", {"failed": 11}),
        ("memory_mb", {"memory_mb": 6_001.0}),
        ("cpu_cores", {"cpu_cores": 0.96}),
        ("fallback_share", {"fallbacks": 51}),
        ("empty_share", {"empty": 51}),
    ],
)
def test_each_figure_has_its_bound(figure: str, change: dict[str, float]) -> None:
    assert [each.figure for each in breaches(replace(WELL, **change), MOST)] == [figure]


def test_few_calls_say_nothing() -> None:
    assert breaches(Sample(300, 19, 19, 9_000, 9_000, 0.1, 100, 19, 19, 19), MOST) == []
