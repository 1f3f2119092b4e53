"""A training says what becomes of its model, and leaves out what asks the questions of its test."""

from datetime import UTC, datetime

import numpy as np
import pytest

from services.recommendation.algorithms.interactions import DAY, Interactions
from services.recommendation.training.candidacy import Candidacy, GatePlan, candidacy, cutoff_of
from shared.db import improvement_runs
from shared.db.models import ModelVersion

NOW = 100 * DAY
PEOPLE = 400


def data(days_ago: np.ndarray) -> Interactions:
    """Return a shop in which everybody did something 50 days ago and once more some days ago."""
    customers = np.arange(PEOPLE)
    times = np.concatenate([np.full(PEOPLE, NOW - 50 * DAY), NOW - (days_ago * DAY).astype(np.int64)])
    return Interactions.of(
        np.tile(customers, 2), np.zeros(2 * PEOPLE), n_customers=PEOPLE, n_products=1, now=NOW, times=times
    )


def live(learned_until: int = NOW - 30 * DAY) -> ModelVersion:
    return ModelVersion("recommender", "v1", "", 0, {"trained_at": learned_until}, datetime.now(UTC), True)


STEADY = data(np.linspace(0, 20, PEOPLE, endpoint=False))
ON = GatePlan("offline", questions=200)


def test_the_first_model_and_those_without_a_gate_are_live_at_once() -> None:
    assert candidacy(ON, None, STEADY) == Candidacy("LIVE", candidacy(ON, None, STEADY).reason)
    off = candidacy(GatePlan(), live(), STEADY)
    assert (off.state, off.former, off.cutoff) == ("LIVE", "v1", None)
    assert off.known(STEADY) is STEADY


def test_the_days_that_have_the_questions_are_left_out() -> None:
    chance = candidacy(GatePlan("offline", questions=100), live(), STEADY)
    assert chance.state == improvement_runs.OFFLINE_TEST
    assert chance.cutoff == pytest.approx(NOW - 5 * DAY, abs=DAY / 10)
    known = chance.known(STEADY)
    assert (known.times.max() < chance.cutoff, known.now) == (True, chance.cutoff)


@pytest.mark.parametrize(
    ("plan", "since", "days"),
    [
        (GatePlan("offline", questions=400, days=7), NOW - 30 * DAY, 7),
        (GatePlan("offline", questions=400, days=30), NOW - 6 * DAY, 6),
    ],
)
def test_the_cutoff_has_bounds(plan: GatePlan, since: int, days: float) -> None:
    assert cutoff_of(STEADY, since, plan) == pytest.approx(NOW - days * DAY, abs=2)


def test_a_day_at_least_is_left_out() -> None:
    busy = data(np.linspace(0, 0.2, PEOPLE))
    assert cutoff_of(busy, NOW - 30 * DAY, ON) == NOW - DAY


@pytest.mark.parametrize(("undecided", "state"), [("estimate", "LIVE"), ("keep", "REJECTED")])
def test_without_enough_shoppers_since_the_live_model_nothing_is_left_out(undecided: str, state: str) -> None:
    chance = candidacy(GatePlan("offline", undecided), live(NOW - 4 * DAY), STEADY)
    assert (chance.state, chance.cutoff) == (state, None)
    assert "100 shoppers" in chance.reason


def test_moments_to_come_ask_nothing() -> None:
    ahead = data(np.full(PEOPLE, -10.0))
    assert cutoff_of(ahead, NOW - 30 * DAY, ON) is None
