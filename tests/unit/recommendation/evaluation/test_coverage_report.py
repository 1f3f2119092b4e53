"""Who came to be asked, and why the others did not."""

from dataclasses import replace

import pytest

from services.recommendation.algorithms.base import Interactions, Kind
from services.recommendation.evaluation.coverage_report import CoverageReport
from services.recommendation.holdout.protocols import eval_cases
from services.recommendation.holdout.tasks import Protocol, Task
from tests.unit.recommendation.evaluation.synthetic_data import at_random, bought, events, viewed

TRAIN = events(bought(0, 1, 10), bought(1, 1, 11), bought(2, 2, 12), viewed(2, 3, 13))
TEST = events(
    bought(0, 1, 60),  # had before
    bought(1, 7, 61),  # train never saw
    bought(2, 3, 62),
    bought(3, 1, 63),  # not in train
    viewed(4, 1, 64),  # no purchase
)


def test_each_customer_who_is_not_asked_is_counted_once_by_reason() -> None:
    coverage = CoverageReport.of(Task(TRAIN, Protocol.NEXT_ITEM, exclude_seen=True), TEST)
    assert (coverage.who, coverage.in_test) == ("customers", 4)
    assert coverage.not_asked == {
        "not in train": 1,
        "with nothing but what they had before": 1,
        "with nothing but products that train never saw": 1,
    }
    assert coverage.sentence() == (
        "customers in test: 4, of them 1 not in train, 1 with nothing but what they had before,"
        " 1 with nothing but products that train never saw"
    )


def test_reasons_that_hold_for_nobody_are_not_there() -> None:
    coverage = CoverageReport.of(Task(TRAIN, Protocol.TOP_N), TEST.where(TEST.customers == 2))
    assert coverage == CoverageReport("customers", 1, {})
    assert coverage.sentence() == "customers in test: 1"


def test_sessions_too_short_and_without_a_next_item_are_counted() -> None:
    test = events(
        viewed(0, 1, 60, basket=1),
        viewed(0, 1, 61, basket=2),
        viewed(0, 7, 62, basket=2),
        viewed(0, 2, 63, basket=3),
        viewed(0, 1, 64, basket=3),
        bought(0, 3, 65, basket=3),
    )
    task = Task(TRAIN, Protocol.SESSION, Kind.VIEW)
    assert CoverageReport.of(replace(task, every_kind=True), test).not_asked == {
        "of one event": 1,
        "without a later event with a product that train knows": 1,
    }
    assert CoverageReport.of(replace(task, target=Kind.PURCHASE), test).not_asked == {
        "of one event": 1,
        "without a later purchase with a product that train knows": 1,
    }
    assert CoverageReport.of(replace(task, every_kind=True), test, 2).not_asked == {"of no more than 2 events": 2}


@pytest.mark.parametrize("protocol", [each for each in Protocol if each is not Protocol.SESSION])
@pytest.mark.parametrize("exclude", [False, True])
def test_those_who_are_not_asked_and_those_who_are_make_all(protocol: Protocol, exclude: bool) -> None:
    train, test = at_random(1), at_random(2, n_events=60)
    test = replace(test, products=(test.products + 1) % test.n_products)
    task = Task(_without_some(train), protocol, Kind.PURCHASE, exclude_seen=exclude)
    asked = eval_cases(protocol, task.train, test, target=task.target, exclude_seen=exclude, cutoff=60)
    coverage = CoverageReport.of(task, test)
    assert len(asked) == coverage.in_test - sum(coverage.not_asked.values())
    assert coverage.not_asked


def _without_some(train: Interactions) -> Interactions:
    return train.where((train.customers > 3) & (train.products > 3))
