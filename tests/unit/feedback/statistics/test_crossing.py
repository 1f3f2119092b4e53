"""Crossing probabilities: published constants of group-sequential tests, closed forms, and simulation."""

import numpy as np
import pytest
from scipy.stats import norm

from services.feedback.statistics.crossing import surviving, surviving_sequential
from services.feedback.statistics.sequential import critical_value


@pytest.mark.parametrize(("looks", "constant"), [(2, 2.178), (5, 2.413), (10, 2.555)])
def test_pocock_constants_keep_their_level(looks: int, constant: float) -> None:
    # Pocock, Biometrika 64 (1977), table 1, α = .05
    times = np.arange(1, looks + 1) / looks
    assert surviving(constant * np.sqrt(times)).crossing(0.0) == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(("looks", "constant"), [(2, 1.977), (5, 2.040), (10, 2.087)])
def test_o_brien_fleming_constants_keep_their_level(looks: int, constant: float) -> None:
    # Jennison & Turnbull, "Group Sequential Methods", 2000, table 2.3, α = .05
    assert surviving(np.full(looks, constant)).crossing(0.0) == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize("drift", [0.0, 1.0, 3.0, -3.0])
def test_one_look_has_the_power_of_a_z_test(drift: float) -> None:
    exact = norm.sf(1.96 - drift) + norm.cdf(-1.96 - drift)
    assert surviving(np.array([1.96])).crossing(drift) == pytest.approx(exact, abs=1e-9)


def test_a_constant_boundary_looked_at_all_the_time_has_a_closed_form() -> None:
    # P(max |B| > b) as an alternating series, by reflection; with b = 2.2414 it is .05.
    bound = 2.2414
    series = 4 * sum((-1) ** k * norm.sf((2 * k + 1) * bound) for k in range(5))
    assert surviving(np.full(100, bound), between=True).crossing(0.0) == pytest.approx(series, abs=1e-6)


@pytest.mark.parametrize(("looks", "steps"), [(14, 14), (None, 2_000)])
def test_the_sequential_test_crosses_as_often_as_in_simulation(looks: int | None, steps: int) -> None:
    rng = np.random.default_rng(0)
    times = np.arange(1, steps + 1) / steps
    motion = rng.normal(3.2 / steps, 1 / np.sqrt(steps), (4_000, steps)).cumsum(axis=1)
    crossed = np.any(np.abs(motion) >= np.sqrt(times) * critical_value(times), axis=1).mean()
    assert surviving_sequential(0.05, looks).crossing(3.2) == pytest.approx(crossed, abs=0.02)


def test_more_looks_find_more_and_never_too_much() -> None:
    found = [surviving_sequential(0.05, looks).crossing(0.0) for looks in (1, 7, 28, 400, None)]
    assert found == sorted(found)
    assert found[0] == pytest.approx(2 * norm.sf(critical_value(1.0)))
    assert found[-1] < 0.05


@pytest.mark.parametrize("looks", [0, 401])
def test_impossible_numbers_of_looks_are_refused(looks: int) -> None:
    with pytest.raises(ValueError, match="looks: must be from 1 to 400"):
        surviving_sequential(0.05, looks)
