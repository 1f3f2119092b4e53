"""Versions page by page without repeats, the one to roll back to, and what was measured beside the one before."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.recommendation.models.versions import Measure, one_before_active, page_of, quality_of
from shared.db.models import ModelVersion
from shared.errors import FailedPrecondition, NotFound

START = datetime(2026, 1, 1, tzinfo=UTC)


def version(number: int, *, active: bool = False, **metrics: Any) -> ModelVersion:
    facts = {"evaluation": {"home": {"questions": 10, "learned": True, **metrics}}} if metrics else {}
    return ModelVersion("recommender", f"v{number}", "", 1, facts, START + timedelta(days=number), active)


def measured(number: int, ndcg: float, *, active: bool = False) -> ModelVersion:
    return version(number, active=active, **{"ndcg_at_20.hybrid": ndcg})


def test_pages_have_each_version_once_and_end() -> None:
    versions = [version(number) for number in (3, 2, 1)]
    first, start = page_of(versions, 0, 2)
    last, end = page_of(versions, start, 2)
    assert [each.version for each in first + last] == ["v3", "v2", "v1"]
    assert end == 0


def test_a_new_version_does_not_shift_the_pages() -> None:
    _, start = page_of([version(2), version(1)], 0, 1)
    assert [each.version for each in page_of([version(3), version(2), version(1)], start, 9)[0]] == ["v1"]


def test_the_way_back_is_the_version_before_the_active_one() -> None:
    assert one_before_active([version(3), version(2, active=True), version(1)]).version == "v1"


@pytest.mark.parametrize("versions", [[], [version(1, active=True)], [version(2), version(1, active=True)]])
def test_without_an_older_version_there_is_no_way_back(versions: list[ModelVersion]) -> None:
    with pytest.raises(FailedPrecondition):
        one_before_active(versions)


def test_the_quality_is_that_of_the_version_beside_the_one_before() -> None:
    quality = quality_of([measured(2, 0.5, active=True), measured(1, 0.4)], "")
    assert quality.compared is not None
    assert (quality.version.version, quality.compared.version) == ("v2", "v1")
    assert quality.measures == (Measure("home", "ndcg_at_20.hybrid", 0.5, 0.4),)


def test_what_the_version_before_has_not_measured_is_left_out() -> None:
    quality = quality_of([measured(2, 0.5, active=True), version(1)], "v2")
    assert quality.measures == (Measure("home", "ndcg_at_20.hybrid", 0.5, None),)
    assert quality_of([version(1, active=True)], "").measures == ()


@pytest.mark.parametrize("name", ["", "v9"])
def test_an_unknown_version_is_not_found(name: str) -> None:
    with pytest.raises(NotFound):
        quality_of([version(1)], name)
