"""Units meet arms by hashes: always the same, in the planned shares, and independently in different experiments."""

import math

import numpy as np
import pytest
from scipy.stats import chisquare

from shared.experiments.assignment import BUCKETS, arm_of, bucket_of, unit_hash

UNITS = [unit_hash("customer", f"c{number}") for number in range(20_000)]


def test_a_unit_is_in_the_same_bucket_and_arm_in_every_process() -> None:
    unit = unit_hash("customer", "ann")
    assert (unit, bucket_of("home", unit), arm_of("bolder", unit, [1, 1])) == (2_662_230_730_434_450_021, 1_393, 0)


def test_a_customer_and_a_visitor_of_one_name_are_two_units() -> None:
    assert unit_hash("customer", "x") != unit_hash("visitor", "x")


def test_numbers_of_units_fit_a_signed_column() -> None:
    assert min(UNITS) >= 0
    assert max(UNITS) < 2**63
    assert len(set(UNITS)) == len(UNITS)


@pytest.mark.parametrize("shares", [[1, 1], [1, 3], [50, 30, 20]])
def test_arms_have_their_shares(shares: list[float]) -> None:
    met = np.bincount([arm_of("e", unit, shares) for unit in UNITS], minlength=len(shares))
    assert chisquare(met, np.array(shares) / sum(shares) * len(UNITS)).pvalue > 1e-4


def test_buckets_are_filled_alike() -> None:
    tenths = np.bincount([bucket_of("layer", unit) * 10 // BUCKETS for unit in UNITS], minlength=10)
    assert chisquare(tenths).pvalue > 1e-4


def test_arms_of_two_experiments_and_buckets_of_two_layers_say_nothing_about_each_other() -> None:
    one, other = (np.array([arm_of(name, unit, [1, 1]) for unit in UNITS]) for name in ("one", "other"))
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / math.sqrt(len(UNITS))
    low, high = (np.array([bucket_of(name, unit) for unit in UNITS]) for name in ("one", "other"))
    assert abs(np.corrcoef(low, high)[0, 1]) < 4 / math.sqrt(len(UNITS))
