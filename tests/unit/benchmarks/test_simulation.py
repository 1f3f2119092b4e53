"""The hidden world: what was learned is what the data say, responses follow their chances, and chance is shared."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.simulation.behaviour import Behaviour
from benchmarks.simulation.instant import Shoppers
from benchmarks.simulation.knowing import AfterVisitFront, KnowingFront
from benchmarks.simulation.needs import Sessions, draw_sessions, incidence
from benchmarks.simulation.response import (
    Draws,
    Need,
    Page,
    Response,
    State,
    chances,
    examination,
    respond,
    settle,
)
from benchmarks.simulation.shop import event_table
from benchmarks.simulation.source import Observed, observe
from benchmarks.simulation.stored_world import load, save
from benchmarks.simulation.visits import Diary, Result, Shopper, Visit
from benchmarks.simulation.world import WORLD_SEED, World, observed_incidence
from tests.support.tiny_journey import CATEGORIES, PER_CATEGORY, SIZES, tables, tiny_world

SAMPLES = 4_000


@pytest.fixture(scope="module")
def world() -> World:
    return tiny_world()


@pytest.fixture(scope="module")
def observed() -> Observed:
    return observe(tables(), SIZES)


def state(world: World, household: int = 0, **more: object) -> State:
    needs = np.zeros(len(CATEGORIES), np.int64)
    return replace(State(household, SIZES.history_days, needs), **more)  # type: ignore[arg-type]


def long_sessions(world: World) -> Sessions:
    behaviour = world.behaviour
    rng = np.random.default_rng(5)
    return draw_sessions([(0, world.preferences)], 700, behaviour.recalled_share, SIZES.visit_share, rng)


class Always:
    """A front that shows the same list on every page, and counts the calls."""

    def __init__(self, products: Sequence[int]) -> None:
        self.products = list(products)
        self.orders: list[Result] = []

    def recommend(self, visit: Visit, page: Page, product: int | None, cart: Sequence[int]) -> list[int]:
        return self.products

    def responded(self, visit: Visit, page: Page, response: Response) -> None: ...

    def looked(self, visit: Visit, category: int, product: int) -> None: ...

    def took(self, visit: Visit, product: int) -> None: ...

    def ordered(self, result: Result) -> None:
        self.orders.append(result)


def played(world: World, front: Always | KnowingFront, seed: int = 1) -> list[Result]:
    diary = Diary(world, seed)
    shopper = Shopper(diary, front)
    days = range(SIZES.history_days, SIZES.history_days + SIZES.days)
    return [shopper.play(visit) for day in days for visit in diary.visits(day)]


def test_remembered_needs_are_as_frequent_as_purchases_in_the_data(world: World, observed: Observed) -> None:
    drawn = np.random.default_rng(WORLD_SEED).permutation(observed.households)[: SIZES.households]
    simulated = incidence(long_sessions(world), len(CATEGORIES))
    assert simulated == pytest.approx(observed_incidence(observed, drawn), rel=0.1)


def test_households_that_need_more_of_a_category_in_the_data_need_more_of_it(world: World, observed: Observed) -> None:
    drawn = np.random.default_rng(WORLD_SEED).permutation(observed.households)[: SIZES.households]
    rows = observed.category_days()
    counts = np.zeros((observed.households, len(CATEGORIES)))
    np.add.at(counts, (rows[:, 0], rows[:, 1]), 1)
    for category in range(len(CATEGORIES)):
        known = counts[drawn, category]
        assert np.corrcoef(known, world.preferences.need_rates[:, category])[0, 1] > 0.95


def test_tastes_tell_the_two_kinds_of_households_apart(world: World, observed: Observed) -> None:
    drawn = np.random.default_rng(WORLD_SEED).permutation(observed.households)[: SIZES.households]
    even = np.arange(world.products) % PER_CATEGORY % 2 == 0
    liked = np.where((drawn % 2 == 0)[:, None], even, ~even)
    shares = np.exp(world.preferences.taste)
    assert shares[liked].mean() > 2 * shares[~liked].mean()


def test_promoted_products_are_chosen_more_often_as_in_the_data(world: World) -> None:
    preferences = world.preferences
    effect = preferences.elasticities * np.log(0.7) + preferences.promotions
    assert effect == pytest.approx(np.log(2.0), abs=0.25)


def test_dips_go_with_apples(world: World) -> None:
    lifts = world.preferences.complements
    assert lifts[0, 3] == lifts.max() > 0.2
    assert lifts[1, 4] == pytest.approx(0.0, abs=0.1)


def test_the_first_days_of_a_run_are_no_quieter_than_later_ones(world: World) -> None:
    sessions = long_sessions(world)
    needs = np.bincount(sessions.days[sessions.need_sessions], minlength=700)
    visits = np.bincount(sessions.days, minlength=700)
    assert needs[:14].sum() / visits[:14].sum() == pytest.approx(needs.sum() / visits.sum(), rel=0.15)


def test_a_plan_is_the_same_each_time_and_another_for_another_seed(world: World) -> None:
    first, again, other = world.plan(1), world.plan(1), world.plan(2)
    assert np.array_equal(first.need_sessions, again.need_sessions)
    assert np.array_equal(first.seconds, again.seconds)
    assert len(first) != len(other) or not np.array_equal(first.households, other.households)


def test_nobody_comes_before_registration_and_nothing_is_bought_before_it_is_there(world: World) -> None:
    late = replace(world, registration_days=np.full(world.households, SIZES.history_days + 2))
    assert late.plan(1).days.min() == SIZES.history_days + 2
    entry = np.zeros(world.products, np.int64)
    entry[0] = SIZES.history_days + 3
    cold = replace(world, entry_days=entry)
    sessions = cold.plan(1)
    chosen = cold.chosen(cold.preferences, sessions, 1)
    days = sessions.days[sessions.need_sessions[chosen == 0]]
    assert len(days)
    assert days.min() >= SIZES.history_days + 3


def test_the_first_place_is_always_examined_and_later_ones_by_the_curve(world: World) -> None:
    curve = examination(4, 0.7)
    assert curve == pytest.approx([1.0, 2**-0.7, 3**-0.7, 4**-0.7])


def test_clicks_fall_with_the_place_as_the_curve_says(world: World) -> None:
    here = state(world, mood=3.0)
    listed = list(range(5))
    product = listed[-1]
    rates = []
    for place in (0, 3):
        moved = [each for each in listed if each != product]
        moved.insert(place, product)
        clicks = 0
        for sample in range(SAMPLES):
            draws = Draws.of(world.products, (sample,))
            response = respond(world, world.preferences, here, Page.HOME, moved, draws)
            clicks += any(each.product == product for each in response.outcomes)
        rates.append(clicks / SAMPLES)
    assert rates[1] / rates[0] == pytest.approx(4**-world.behaviour.position_exponent, abs=0.06)


def test_what_is_expected_is_the_mean_of_what_is_drawn(world: World) -> None:
    needs = np.zeros(len(CATEGORIES), np.int64)
    needs[[0, 1]] = Need.WANTED, Need.FORGOTTEN
    here = state(world, needs=needs, planned={0: 5}, mood=2.0)
    listed = [0, 1, PER_CATEGORY, 3 * PER_CATEGORY]
    drawn = [
        respond(world, world.preferences, here, Page.CART, listed, Draws.of(world.products, (sample,)))
        for sample in range(SAMPLES)
    ]
    expected = drawn[0].expected
    kept = 1.0 - world.behaviour.refund_share
    assert np.mean([each.gain for each in drawn]) * kept == pytest.approx(expected.gain, rel=0.1)
    assert np.mean([len(each.outcomes) for each in drawn]) == pytest.approx(expected.clicks, rel=0.05)
    bought = np.mean([sum(one.purchased for one in each.outcomes) for each in drawn])
    assert bought == pytest.approx(expected.purchases, rel=0.08)
    assert np.mean([each.shown for each in drawn]) == pytest.approx(expected.shown, rel=0.05)


def certain(world: World) -> World:
    """The world in which every list is looked at, and all of its first place is bought and kept."""
    behaviour = replace(world.behaviour, seen_share=(1.0, 1.0, 1.0), click_base=0.999999, cart_base=0.999999,
                        purchase_share=1.0, refund_share=0.0, wanted_logit=20.0)  # fmt: skip
    return replace(world, behaviour=behaviour)


def test_a_purchase_that_would_have_been_made_anyhow_brings_only_the_difference(world: World) -> None:
    sure = certain(world)
    needs = np.zeros(len(CATEGORIES), np.int64)
    needs[0] = Need.WANTED
    here = state(sure, needs=needs, planned={0: 5})
    response = respond(sure, sure.preferences, here, Page.HOME, [0], Draws.of(sure.products, (1,)))
    prices = sure.prices(here.day)
    assert response.gain == prices[0] - prices[5]
    assert response.expected.gain == pytest.approx(prices[0] - prices[5], rel=1e-3)
    settle(sure, here, response.outcomes)
    assert (here.planned, here.cart, here.needs[0]) == ({}, [0], Need.SATISFIED)


def test_what_is_bought_on_a_product_page_takes_the_place_of_the_product_in_view(world: World) -> None:
    class Alternatives(Always):
        def recommend(self, visit: Visit, page: Page, product: int | None, cart: Sequence[int]) -> list[int]:
            if product is None:
                return []
            first = product - product % PER_CATEGORY
            return [first + (product + 1) % PER_CATEGORY]

    sure = certain(world)
    results = [each for each in played(sure, Alternatives([])) if each.visit.own]
    assert results
    for result in results:
        (category, product), *others = result.visit.own
        assert result.own == [each for _, each in others]
        assert [sure.observed.categories[each] for each in result.recommended] == [category]
        assert product not in result.order


def test_needs_and_complements_move_the_chances(world: World) -> None:
    products = np.arange(world.products)
    nothing = chances(world, world.preferences, state(world), products)
    needs = np.zeros(len(CATEGORIES), np.int64)
    needs[2] = Need.FORGOTTEN
    needed = chances(world, world.preferences, state(world, needs=needs), products)
    cheese = world.observed.categories == 2
    assert (needed.clicked[cheese] > nothing.clicked[cheese]).all()
    assert needed.clicked[~cheese] == pytest.approx(nothing.clicked[~cheese])
    with_apples = chances(world, world.preferences, state(world, cart=[0]), products)
    dips = world.observed.categories == 3
    assert (with_apples.clicked[dips] > nothing.clicked[dips]).all()


def test_what_happens_to_a_product_does_not_depend_on_the_rest_of_the_list(world: World) -> None:
    """Where every place is examined, only the product's own draws say what comes of it."""
    all_examined = replace(world, behaviour=replace(world.behaviour, position_exponent=0.0))
    here = state(all_examined, mood=3.0)
    clicked = 0
    for sample in range(200):
        draws = Draws.of(world.products, (sample,))
        lists = ([7, 1, 2], [30, 31, 7])
        responses = [respond(all_examined, world.preferences, here, Page.HOME, each, draws) for each in lists]
        first, second = ([each[1:] for each in one.outcomes if each.product == 7] for one in responses)
        assert first == second
        clicked += bool(first)
    assert 20 < clicked < 180


def test_what_is_remembered_is_bought_whatever_is_recommended(world: World) -> None:
    off = replace(world, behaviour=replace(world.behaviour, click_base=1e-12, wanted_logit=0.0, needed_logit=0.0))
    shown, others = (played(off, Always(listed)) for listed in ([0, 1, 2], [20, 21, 22]))
    assert [each.own for each in shown] == [each.own for each in others]
    assert [each.own for each in shown] == [[product for _, product in each.visit.own] for each in shown]
    assert sum(each.revenue for each in shown) > 0


def test_the_list_of_a_product_page_is_seen_before_the_product_is_taken(world: World) -> None:
    carts: list[tuple[int, list[int]]] = []

    class Watching(Always):
        def recommend(self, visit: Visit, page: Page, product: int | None, cart: Sequence[int]) -> list[int]:
            if product is not None:
                carts.append((product, list(cart)))
            return super().recommend(visit, page, product, cart)

    played(world, Watching([0, 1, 2]))
    assert carts
    assert all(product not in cart for product, cart in carts)


def test_sessions_are_the_same_in_front_of_every_shop(world: World) -> None:
    some, others = (played(world, Always(listed)) for listed in ([0, 1, 2], [20, 21, 22]))
    assert [each.visit for each in some] == [each.visit for each in others]


def test_runs_are_repeatable(world: World) -> None:
    first, again = played(world, Always([0, 9, 20])), played(world, Always([0, 9, 20]))
    assert [(each.order, each.revenue, each.expected_revenue) for each in first] == [
        (each.order, each.revenue, each.expected_revenue) for each in again
    ]


def test_the_drift_moves_a_share_of_the_households_and_keeps_how_much_they_need(world: World) -> None:
    before, after = world.preferences, world.drifted(1)
    moved = (before.taste != after.taste).any(axis=1)
    assert moved.sum() == round(Behaviour().drift_share * world.households)
    assert np.array_equal(before.visit_rates, after.visit_rates)
    assert after.need_rates.sum() == pytest.approx(before.need_rates.sum())
    departments = world.observed.departments
    demand = [after.need_rates[:, departments == each].sum() for each in np.unique(departments)]
    assert demand != pytest.approx([before.need_rates[:, departments == each].sum() for each in np.unique(departments)])
    assert not np.array_equal(world.drifted(1).taste, world.drifted(2).taste)


def test_without_other_demand_each_household_needs_as_much_as_before(world: World) -> None:
    calm = replace(world, behaviour=replace(world.behaviour, drift_popularity=0.0))
    before, after = calm.preferences.need_rates, calm.drifted(1).need_rates
    assert after.sum(axis=1) == pytest.approx(before.sum(axis=1))
    assert np.abs(after - before).max() > 0.01


def test_tastes_change_on_the_day_of_the_drift_and_not_before(world: World) -> None:
    diary = Diary(world, 1)
    assert diary.preferences(world.drift_day - 1) is world.preferences
    assert diary.preferences(world.drift_day) is diary.after_drift


def test_who_knows_every_taste_sells_more_than_who_shows_the_same_to_all(world: World) -> None:
    knowing = played(world, KnowingFront(Diary(world, 1)))
    fixed = played(world, Always([35, 34, 33, 32, 31]))
    gains = [sum(r.expected.gain for each in results for _, r in each.lists) for results in (knowing, fixed)]
    assert gains[0] > 1.2 * gains[1]


def test_who_learns_by_a_visit_knows_all_before_the_drift_and_less_right_after_it(world: World) -> None:
    gains = [gain_by_day(world, front(Diary(world, 1))) for front in (KnowingFront, AfterVisitFront)]
    drift_day = SIZES.drift_day
    assert gains[1][:drift_day] == pytest.approx(gains[0][:drift_day])
    assert gains[1][drift_day] < gains[0][drift_day]


def gain_by_day(world: World, front: KnowingFront) -> list[float]:
    days = [0.0] * SIZES.days
    for result in played(world, front):
        days[result.visit.day - SIZES.history_days] += sum(r.expected.gain for _, r in result.lists)
    return days


def test_refunds_take_their_revenue_back(world: World) -> None:
    all_back = replace(world, behaviour=replace(world.behaviour, refund_share=1.0))
    results = played(all_back, Always([0, 1]))
    assert sum(len(each.refunded) for each in results) > 0
    assert {each.revenue for each in results} == {0}
    assert {round(each.expected_revenue, 6) for each in results} == {0.0}


def test_a_world_comes_back_from_its_files(world: World, tmp_path: Path) -> None:
    save(world, tmp_path)
    again = load(tmp_path)
    assert (again.behaviour, again.sizes) == (world.behaviour, world.sizes)
    assert again.observed.names == world.observed.names
    assert np.array_equal(again.preferences.taste, world.preferences.taste)
    assert np.array_equal(again.plan(3).need_sessions, world.plan(3).need_sessions)


def test_the_history_is_views_carts_and_one_order_a_session(world: World) -> None:
    sessions = world.history()
    chosen = world.chosen(world.preferences, sessions, 0)
    rows = event_table(world, sessions, chosen).to_pylist()
    remembered = int(sessions.remembered.sum())
    kinds = [row["event_type"] for row in rows]
    assert [kinds.count(kind) for kind in ("view", "cart", "purchase")] == [remembered] * 3
    ids = [row["event_id"] for row in rows if row["event_id"]]
    assert len(ids) == len(set(ids))
    orders = [row["order_id"] for row in rows if row["order_id"]]
    assert len(set(orders)) == len(np.unique(sessions.need_sessions[sessions.remembered]))


def test_single_lists_have_responses_without_agents(world: World) -> None:
    shoppers, rng = Shoppers(world), np.random.default_rng(3)
    needed, clicks, expected = 0, 0, 0.0
    for _ in range(SAMPLES):
        arrived = shoppers.arrive(SIZES.history_days, rng)
        needed += int((arrived.needs == Need.WANTED).sum())
        assert set(arrived.planned) == set(np.flatnonzero(arrived.needs == Need.WANTED).tolist())
        response = shoppers.respond(arrived, [0, 7, 14], rng)
        clicks += len(response.outcomes)
        expected += response.expected.clicks
    assert clicks == pytest.approx(expected, abs=4 * np.sqrt(expected))
    # Sessions of the run are as needy: there frequent visitors count more often, as they do here.
    assert needed / SAMPLES == pytest.approx(incidence(long_sessions(world), len(CATEGORIES)).sum(), rel=0.1)


def test_single_lists_know_the_drift(world: World) -> None:
    shoppers = Shoppers(world)
    moved = int(np.flatnonzero((world.preferences.taste != world.drifted(1).taste).any(axis=1))[0])
    before, after = (
        shoppers.respond(State(moved, day, np.zeros(len(CATEGORIES), np.int64)), range(5), np.random.default_rng(0))
        for day in (world.drift_day - 1, world.drift_day)
    )
    assert before.expected != after.expected
