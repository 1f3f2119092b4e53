"""Change detection: rare false alarms on exchangeable histories, high power, and the right name."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from services.customer.baskets import baskets_of
from services.customer.change import ASPECTS, ChangeReport, ChangeSettings, detect_changes
from services.customer.clock import DAY
from services.customer.events import Events, Kind
from tests.unit.customer.histories import CATEGORIES, N_CATEGORIES, NOW, purchases

RECENT_FROM = NOW - 56 * DAY


def shopper(rng: np.random.Generator, mean_gap_days: float = 4.0, days: int = 300) -> Events:
    """A shopper whose baskets and gaps are independent draws of one distribution each."""
    gaps = rng.gamma(2.0, mean_gap_days / 2.0, size=int(3 * days / mean_gap_days) + 40)
    times = (NOW - days * DAY + np.cumsum(gaps) * DAY).astype(np.int64)
    times = times[times <= NOW]
    basket = np.repeat(np.arange(len(times)), rng.poisson(4, len(times)) + 1)
    mix = rng.dirichlet(np.full(N_CATEGORIES, 2.0))
    products = rng.choice(N_CATEGORIES, len(basket), p=mix)
    amounts = np.exp(rng.normal(6.0, 0.5, len(basket))).astype(np.int64)
    return Events.of(times[basket], products, np.full(len(basket), Kind.PURCHASE), 1.0, amounts, basket)


def recent(events: Events) -> NDArray[np.bool_]:
    return events.times > RECENT_FROM


def detect(events: Events, **settings: float) -> ChangeReport:
    return detect_changes(events, CATEGORIES, NOW, ChangeSettings(**settings))  # type: ignore[arg-type]


def spends_more(events: Events) -> Events:
    return replace(events, amounts=np.where(recent(events), events.amounts * 2, events.amounts))


def buys_other_things(events: Events) -> Events:
    """The category bought most and the one bought least change places."""
    by_count = np.argsort(np.bincount(events.products, minlength=N_CATEGORIES))
    swapped = np.arange(N_CATEGORIES)
    swapped[by_count[[0, -1]]] = by_count[[-1, 0]]
    return replace(events, products=np.where(recent(events), swapped[events.products], events.products))


def buys_packs(events: Events) -> Events:
    """Pays the same for each line, but gets three times as many units for it."""
    return replace(events, quantities=np.where(recent(events), 3.0, 1.0))


def shops_at_night(events: Events) -> Events:
    hours = np.where(recent(events), 2, 14) * 3600
    return replace(events, times=np.minimum(events.times // DAY * DAY + hours, NOW))


def comes_less(events: Events) -> Events:
    return events.select(~recent(events) | (events.baskets % 5 == 0))


@pytest.mark.parametrize(
    ("change", "aspect"),
    [
        (spends_more, "basket_value"),
        (buys_other_things, "category_mix"),
        (buys_packs, "price_band"),
        (shops_at_night, "time_of_day"),
        (comes_less, "purchase_frequency"),
    ],
)
def test_names_an_injected_change_nearly_always(change: object, aspect: str) -> None:
    assert callable(change)
    reports = [detect(change(shopper(np.random.default_rng(seed))), seed=seed) for seed in range(40)]
    named = sum(aspect in {found.aspect for found in report.changes} for report in reports)
    assert named >= 34


def test_alarms_are_as_rare_as_promised_when_order_means_nothing() -> None:
    trials, alpha = 600, 0.05
    alarms = sum(
        bool(detect(shopper(np.random.default_rng(seed)), seed=seed, alpha=alpha, permutations=399).changes)
        for seed in range(trials)
    )
    assert alarms <= binom.ppf(0.999, trials, alpha)
    assert alarms >= binom.ppf(0.001, trials, alpha / 3)  # an always silent detector would keep the promise too


def test_says_from_what_to_what() -> None:
    (found,) = detect(spends_more(shopper(np.random.default_rng(1)))).changes[:1]
    assert found.after > 1.5 * found.before > 0
    assert found.description.startswith("typical basket value (geometric mean, minor units) went from ")
    assert f"to {found.after:.0f}" in found.description
    mix = {test.aspect: test for test in detect(buys_other_things(shopper(np.random.default_rng(1)))).tests}
    assert "category mix: the share of " in mix["category_mix"].description


def test_tests_all_aspects_most_significant_first() -> None:
    report = detect(spends_more(shopper(np.random.default_rng(2))))
    assert {test.aspect for test in report.tests} == set(ASPECTS)
    p_values = [test.raw_p_value for test in report.tests]
    assert p_values == sorted(p_values)
    assert all(0 < test.raw_p_value <= test.p_value <= 1 for test in report.tests)


def test_a_shopper_who_stopped_is_noticed_though_there_are_no_recent_baskets() -> None:
    events = shopper(np.random.default_rng(3))
    report = detect(events.select(~recent(events)))
    assert [found.aspect for found in report.changes] == ["purchase_frequency"]
    assert (report.recent_baskets, report.changes[0].after) == (0, 0.0)


@pytest.mark.parametrize("count", [0, 1, 9])
def test_short_histories_are_not_judged(count: int) -> None:
    report = detect(purchases(np.linspace(100, 0, count).tolist(), [0] * count))
    assert report.tests == ()
    assert report.changes == ()


def test_a_new_shopper_has_no_weeks_to_compare() -> None:
    events = shopper(np.random.default_rng(4), mean_gap_days=1.0, days=80)
    assert "purchase_frequency" not in {test.aspect for test in detect(events).tests}


def test_unknown_categories_and_prices_are_left_out() -> None:
    events = shopper(np.random.default_rng(5))
    blank = replace(events, products=np.full(len(events), -1, dtype=np.int32), amounts=np.zeros_like(events.amounts))
    assert {test.aspect for test in detect(blank).tests} == {"purchase_frequency", "basket_value", "time_of_day"}


def test_what_happens_later_or_before_the_baseline_does_not_matter() -> None:
    events = spends_more(shopper(np.random.default_rng(6)))
    times = np.r_[events.times, NOW + 5, NOW - 900 * DAY]
    longer = Events.of(
        times,
        np.r_[events.products, 0, 0],
        np.full(len(times), Kind.PURCHASE),
        1.0,
        np.r_[events.amounts, 10**6, 10**6],
        np.r_[events.baskets, 9998, 9999],
    )
    assert detect(longer).baseline_baskets == detect(events).baseline_baskets
    assert detect(longer).changes[0].before == detect(events).changes[0].before


def test_the_order_of_events_and_the_unit_of_money_do_not_matter() -> None:
    events = spends_more(shopper(np.random.default_rng(7)))
    shuffled = events.select(np.random.default_rng(0).permutation(len(events)))
    assert detect(shuffled).tests == detect(events).tests
    dearer = detect(replace(events, amounts=events.amounts * 1000))
    assert [found.aspect for found in dearer.changes] == [found.aspect for found in detect(events).changes]


def test_stricter_alpha_gets_more_permutations_up_to_a_bound() -> None:
    assert ChangeSettings().draws == 1999
    assert ChangeSettings(alpha=0.001).draws == 9999
    assert ChangeSettings(alpha=1e-9).draws == 20_000


@pytest.mark.parametrize(
    ("field", "value"), [("alpha", 0.0), ("alpha", 0.6), ("recent_days", 6), ("baseline_days", 0), ("min_recent", 0)]
)
def test_bad_settings_are_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field}: must be"):
        ChangeSettings(**{field: value})  # type: ignore[arg-type]


def test_baskets_gather_their_lines() -> None:
    events = Events.of([200, 100, 210], [0, 1, -1], [Kind.PURCHASE] * 3, [2.0, 1.0, 0.0], [500, 30, 70], [7, 3, 7])
    baskets = baskets_of(events, CATEGORIES, until=300)
    assert baskets.times.tolist() == [100, 200]
    np.testing.assert_allclose(np.expm1(baskets.log_value), [30, 570])
    np.testing.assert_allclose(np.expm1(baskets.log_price), [30, 250])
    assert baskets.codes.tolist() == [0, 1]
    assert baskets.mix.tolist() == [[0, 1], [1, 0]]
    assert len(baskets.since(101)) == 1
    assert baskets.dayparts(6 * 3600).argmax(axis=1).tolist() == [1, 1]
