"""Which metrics are asked for: wrong names are refused by name, and what is left open is filled in."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from quintet.type.v1.metric_pb2 import MetricFilter, MetricQuery

from services.feedback.metrics import convert
from services.feedback.metrics.definitions import DEFINITIONS, OF_LISTS
from services.feedback.metrics.question import MetricQuestion, days
from services.feedback.metrics.ratio import Moments, mean_interval, ratio_interval
from shared.errors import InvalidArgument

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
TODAY = (NOW - datetime(1970, 1, 1, tzinfo=UTC)).days


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"metrics": ["ctr"]}, r"query.metrics\[0\].*ctr"),
        ({"metrics": ["orders", "orders"]}, r"query.metrics\[1\].*once"),
        ({"by": ["weekday"]}, r"query.dimensions\[0\].*weekday"),
        ({"only": [("day", ["2026-01-01"])]}, r"query.filters.dimension\[0\]"),
        ({"metrics": ["orders"], "by": ["algorithm"]}, "not kept by algorithm, only by day, segment, arm"),
        ({"metrics": ["customer_lifetime_value"], "by": ["day"]}, "only by nothing"),
        ({"metrics": ["mean_cpu"], "only": [("arm", ["a"])]}, "not kept by arm"),
        ({"start": NOW, "end": NOW}, "end_time"),
    ],
)
def test_what_is_asked_wrongly_is_refused(asked: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidArgument, match=problem):
        MetricQuestion(**asked).settled(NOW)


def test_without_names_all_that_are_kept_by_the_dimensions_are_meant() -> None:
    assert MetricQuestion().settled(NOW)[0] == list(DEFINITIONS)
    names, selection = MetricQuestion(by=["day"], only=[("placement", ["a"])]).settled(NOW)
    assert names == [name for name, each in DEFINITIONS.items() if each.dimensions == OF_LISTS]
    assert (selection.by, selection.only) == (("day",), {"placement": ["a"]})


def test_days_count_whole() -> None:
    assert days(None, None, NOW) == (TODAY - 30, TODAY + 1)
    midnight = NOW.replace(hour=0)
    assert days(midnight - timedelta(days=1), midnight, NOW) == (TODAY - 1, TODAY)
    assert days(midnight - timedelta(hours=1), midnight + timedelta(hours=1), NOW) == (TODAY - 1, TODAY + 1)


def test_too_many_names_are_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"query\.metrics"):
        convert.to_question(MetricQuery(metrics=["orders"] * 51))
    with pytest.raises(InvalidArgument, match=r"query.filters\[0\].values"):
        convert.to_question(MetricQuery(filters=[MetricFilter(dimension="arm")]))
    with pytest.raises(InvalidArgument, match="table"):
        convert.to_table(99)


def test_the_interval_of_a_ratio_is_that_of_its_residuals() -> None:
    # y 3 of x 2 and y 1 of x 2: ratio 1, residuals 1 and -1, variance 2; over the square of 2 and over 2 it is 1/4.
    low, high = ratio_interval(Moments(2, 4, 4, 8, 8, 10)) or (0, 0)
    assert (low, high) == pytest.approx((1 - 1.959963984540054 / 2, 1 + 1.959963984540054 / 2))
    assert ratio_interval(Moments(1, 2, 1, 4, 2, 1)) is None
    assert ratio_interval(Moments(2, 0, 0, 0, 0, 0)) is None


def test_the_interval_of_a_mean_is_the_usual_one() -> None:
    # 1 and 3: mean 2, variance 2, over 2 it is 1.
    assert mean_interval(2, 4, 10) == pytest.approx((2 - 1.959963984540054, 2 + 1.959963984540054))
