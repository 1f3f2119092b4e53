"""The shops, the figures and the slates of the off-policy benchmark."""

import numpy as np
import pytest

from benchmarks.learning import off_policy_shop
from benchmarks.learning.obp_comparison import by_quintet, slates_of
from benchmarks.learning.off_policy import Found, coverage, judge_actions, judge_slates, summary
from benchmarks.learning.off_policy_intervals import empirical_likelihood, normal
from benchmarks.learning.off_policy_shop import ExploringShop, VariantShop
from benchmarks.learning.simulated_shop import SimulatedShop
from tests.support.tiny_journey import tiny_world


@pytest.fixture(autouse=True)
def small_truth(monkeypatch):
    monkeypatch.setattr(off_policy_shop, "TRUTH_CUSTOMERS", 20_000)


def test_the_logging_policy_earns_its_true_value():
    for shop in (VariantShop(), ExploringShop()):
        log = shop.sample_log(np.random.default_rng(1), 20_000).log
        earned = log.rewards.sum() / len(log)

        assert earned == pytest.approx(shop.true_value("logging"), rel=0.08)


def test_policies_are_probabilities_and_the_log_is_of_the_logging_policy():
    sample = VariantShop().sample_log(np.random.default_rng(1), 3000)
    rows = np.arange(len(sample.log))

    for probabilities in sample.policies.values():
        assert np.allclose(probabilities.sum(axis=1), 1.0)
    assert (sample.policies["logging"][rows, sample.log.actions] == sample.log.propensities).all()
    assert (1.0 / sample.log.propensities).mean() == pytest.approx(6.0, rel=0.05)


def test_lists_earn_once_at_most_and_show_what_is_explored():
    sample = ExploringShop().sample_log(np.random.default_rng(1), 3000)

    assert ((sample.log.rewards > 0).sum(axis=1) <= 1).all()
    assert (sample.buckets > 0).mean() == pytest.approx(0.2, abs=0.01)
    assert (sample.policies["logging"] == sample.log.propensities).all()
    for shares in sample.shares.values():
        assert np.allclose(shares.sum(axis=2), 1.0)


@pytest.mark.parametrize(("judge", "shop"), [(judge_actions, VariantShop()), (judge_slates, ExploringShop())])
def test_a_judged_log_has_every_method_and_policy_once_and_is_the_same_again(judge, shop):
    found = judge(shop, 150, 3)

    assert (
        len({each.key for each in found}) == len(found) == 6 * len(shop.sample_log(np.random.default_rng(), 5).policies)
    )
    assert found == judge(shop, 150, 3)


def test_figures_are_shares_of_what_was_not_refused():
    rows = [(11.0, 9.0, 13.0, False), (8.0, 7.0, 9.5, False), (0.0, 0.0, 99.0, True), (0.0, 0.0, 99.0, True)]
    found = [Found(("dr", "new"), *row) for row in rows]

    figures = summary(found, lambda policy: {"new": 10.0}[policy])

    assert figures == {
        "ope.refused.dr.new": 0.5,
        "ope.coverage_of.dr.new": 0.5,
        "ope.bias.dr.new": pytest.approx(-0.05),
        "ope.error.dr.new": pytest.approx(np.sqrt((0.1**2 + 0.2**2) / 2)),
        "ope.width.dr.new": pytest.approx(0.325),
    }


def test_a_method_that_was_always_refused_has_no_other_figure():
    assert summary([Found(("dr", "new"), 1.0, 0.0, 2.0, True)], lambda _: 1.0) == {"ope.refused.dr.new": 1.0}


def test_the_figure_is_the_worst_policy_of_the_default_method():
    simulated = SimulatedShop.of(tiny_world(), customers=60)
    figures = coverage(simulated=simulated, repeats=4, customers=600, processes=1)
    of_default = [value for name, value in figures.items() if name.startswith("ope.coverage_of.dr.")]

    assert len(of_default) > 4, "policies that the log cannot judge are refused"
    assert figures["ope.coverage_error"] == pytest.approx(max(abs(value - 0.95) for value in of_default))
    assert figures["ope.coverage_error"] == pytest.approx(abs(figures["ope.coverage"] - 0.95))
    of_simulated = [value for name, value in figures.items() if name.startswith("ope.coverage_of.dr.simulated_")]
    assert of_simulated
    assert figures["ope.coverage_simulated"] in of_simulated


def test_logs_of_the_simulated_shop_earn_what_its_policies_truly_do() -> None:
    shop = SimulatedShop.of(tiny_world(), customers=400)
    sample = shop.sample_log(np.random.default_rng(0), 20_000)
    truth = shop.true_value("simulated_logging")
    assert truth > 0
    assert sample.log.rewards.mean() == pytest.approx(truth, rel=0.15)
    weights = sample.policies["simulated_greedy"][np.arange(len(sample.log.actions)), sample.log.actions]
    estimate = (weights / sample.log.propensities * sample.log.rewards).mean()
    assert estimate == pytest.approx(shop.true_value("simulated_greedy"), rel=0.3)
    assert all(shares.sum(axis=1) == pytest.approx(1.0) for shares in sample.policies.values())


def test_slates_have_a_row_of_each_place_in_the_order_of_time():
    assert slates_of(np.array([2, 0, 0, 1, 2, 2, 1, 0])).tolist() == [[1, 3, 0], [2, 6, 4]]


def test_our_estimates_for_the_comparison_read_the_policy_at_the_place():
    policy = np.array([[0.2, 0.4, 0.6], [0.8, 0.6, 0.4]])
    arrays = {
        "actions": np.array([0, 1, 0]),
        "places": np.array([0, 1, 2]),
        "rewards": np.array([1.0, 1.0, 1.0]),
        "propensities": np.full(3, 0.5),
        "predictions": np.arange(18.0).reshape(3, 2, 3),
        "slates": np.array([[0, 1, 2]]),
        "threshold": 1.0,
    }

    found = by_quintet(arrays, policy)

    assert found["ips"] == pytest.approx((0.4 + 1.2 + 1.2) / 3)
    assert found["dm"] == pytest.approx((0.2 * 0 + 0.8 * 3 + 0.4 * 7 + 0.6 * 10 + 0.6 * 14 + 0.4 * 17) / 3)
    assert found["independent"] == pytest.approx(0.4 + 1.2 + 1.2)
    assert found["reward_interaction"] == pytest.approx(0.4 + 0.48 + 0.576)
    assert found["whole_slate"] == pytest.approx(0.576 * 3)


def test_empirical_likelihood_is_near_normal_for_many_values_without_tails():
    values = np.random.default_rng(1).random(2000)

    assert empirical_likelihood(values) == pytest.approx(normal(values), abs=0.001)
