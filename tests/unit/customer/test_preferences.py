"""Preferences say what is true of the history and how much evidence there is."""

import numpy as np
import pytest
from hypothesis import given, settings

from services.customer.clock import DAY, DAYPARTS, WEEKDAYS
from services.customer.events import Events, Kind
from services.customer.interests import CatalogueLabels, Labels, population_shares, shares
from services.customer.preferences import preferences, price_band, timing
from services.customer.purchase_cadence import cadence
from tests.unit.customer.histories import CATEGORIES, N_CATEGORIES, NOW, events, purchases

BRANDS = Labels(np.array([0, 0, 1, -1, 1], dtype=np.int32), ["Alpha", "Beta"])
CATALOGUE = CatalogueLabels(CATEGORIES, BRANDS)


def test_shares_follow_the_weights_of_events() -> None:
    history = Events.of([NOW] * 3, [0, 1, 1], [Kind.PURCHASE, Kind.VIEW, Kind.VIEW])
    first, second = shares(history, CATEGORIES)
    assert (first.name, first.share, first.events) == ("bread", pytest.approx(5 / 7), 1)
    assert (second.name, second.share, second.events) == ("milk", pytest.approx(2 / 7), 2)
    assert first.lift is None


def test_recent_interest_counts_more() -> None:
    history = Events.of([NOW - 60 * DAY, NOW], [0, 1], [Kind.VIEW, Kind.VIEW])
    assert [share.share for share in shares(history, CATEGORIES)] == [pytest.approx(2 / 3), pytest.approx(1 / 3)]


def test_lift_compares_with_everybody() -> None:
    everybody = Events.of([NOW] * 4, [0, 1, 1, 1], [Kind.VIEW] * 4)
    population = population_shares(everybody, CATEGORIES)
    assert population.tolist() == [0.25, 0.75, 0, 0, 0]
    mine = shares(Events.of([NOW] * 2, [0, 2], [Kind.VIEW] * 2), CATEGORIES, population)
    assert {share.name: share.lift for share in mine} == {"bread": 2.0, "fruit": None}


def test_nobody_has_no_shares() -> None:
    nobody = Events.of([], [], [])
    assert population_shares(nobody, CATEGORIES).tolist() == [0.0] * N_CATEGORIES
    assert shares(nobody, CATEGORIES) == ()


def test_only_the_top_is_listed_and_unknown_brands_are_left_out() -> None:
    history = Events.of([NOW] * 5, range(5), [Kind.VIEW] * 5)
    result = preferences(history, CATALOGUE, NOW, top=2)
    assert len(result.categories) == 2
    assert [(brand.name, brand.share) for brand in result.brands] == [("Alpha", 0.5), ("Beta", 0.5)]
    assert result.events == 5


@settings(max_examples=60, deadline=None)
@given(events())
def test_shares_sum_to_one_or_there_are_none(history: Events) -> None:
    result = preferences(history, CATALOGUE, NOW)
    parts = ([s.share for s in result.categories], [s.share for s in result.brands])
    for part in (*parts, result.timing.time_of_day.values(), result.timing.weekday.values()):
        assert not part or sum(part) == pytest.approx(1.0)
        assert all(0 <= share <= 1 + 1e-9 for share in part)
    band = result.price_band
    assert band is None or band.p10 <= band.p50 <= band.p90


def test_price_band_is_per_unit_and_of_purchases_only() -> None:
    history = purchases(range(11), [0] * 11, [200 * n for n in range(11)], quantities=2.0)
    band = price_band(history)
    assert band is not None
    assert (band.p10, band.p50, band.p90, band.events) == (190, 550, 910, 10)
    assert price_band(Events.of([NOW], [0], [Kind.VIEW], amounts=100)) is None


def test_timing_counts_hours_not_lines() -> None:
    monday_morning, sunday_night = 1_700_467_200, 1_700_352_000 + 3600
    times = [monday_morning, monday_morning + 60, monday_morning + 120, sunday_night]
    result = timing(Events.of(times, [0] * 4, [Kind.VIEW] * 4))
    assert result.time_of_day == dict.fromkeys(DAYPARTS, 0.0) | {"morning": 0.5, "night": 0.5}
    assert result.weekday == dict.fromkeys(WEEKDAYS, 0.0) | {"monday": 0.5, "sunday": 0.5}
    assert result.hours == 2
    later = timing(Events.of(times, [0] * 4, [Kind.VIEW] * 4), utc_offset_seconds=5 * 3600)
    assert later.time_of_day["afternoon"] == 0.5


def test_rhythm_counts_days_with_a_purchase() -> None:
    result = cadence(purchases([21, 14, 14, 7, 0], [0, 1, 2, 3, 4]), NOW)
    assert (result.interval_days, result.purchase_days) == (7.0, 4)
    assert cadence(purchases([3], [0]), NOW).interval_days is None


def test_a_product_is_due_after_its_own_interval() -> None:
    milk, wine = purchases([24, 17, 10], [1] * 3), purchases([60, 40, 20], [3] * 3)
    assert cadence(milk, NOW).due[0].product == 1
    (due,) = cadence(wine, NOW).due
    assert (due.interval_days, due.purchases, due.due) == (20.0, 3, NOW)
    assert cadence(wine, NOW - DAY).due == ()
    assert [due.product for due in cadence(wine, NOW - DAY, horizon_days=1).due] == [3]


def test_the_most_overdue_comes_first_and_lapsed_products_are_left_out() -> None:
    days = [30, 20, 10, 41, 27, 13, 90, 80, 70]
    history = purchases(days, [0, 0, 0, 1, 1, 1, 2, 2, 2])
    assert [due.product for due in cadence(history, NOW).due] == [0]
    assert [due.product for due in cadence(history, NOW + 5 * DAY).due] == [0, 1]
    assert [due.product for due in cadence(history, NOW + 5 * DAY, top=1).due] == [0]


def test_several_purchases_on_one_day_are_one() -> None:
    assert cadence(purchases([10, 5.1, 5.1, 5.1], [0] * 4), NOW).due == ()


def test_purchases_after_now_are_not_known() -> None:
    assert cadence(purchases([20, 10, 0, -10], [0] * 4), NOW, horizon_days=10).due[0].last_bought == NOW
