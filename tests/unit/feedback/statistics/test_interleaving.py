"""Preferences from clicks on interleaved lists: nobody is preferred by chance, the better ranking is by taste."""

import numpy as np
import pytest

from services.feedback.statistics.interleaving import credit_of_clicks, preference
from services.feedback.statistics.sequential import always_valid_interval
from shared.interleaving import Interleaved, optimised, team_draft

METHODS = pytest.mark.parametrize("method", [team_draft, optimised])
FIRST, SECOND = ["a", "b", "c", "d", "e"], ["b", "e", "f", "a", "g"]
CLICKED_BY_CHANCE = np.array([0.6, 0.5, 0.3, 0.2])


def outcome(mixed: Interleaved[str], clicked: np.ndarray) -> tuple[float, int]:
    places = np.flatnonzero(clicked).tolist()
    return credit_of_clicks(mixed.credits, places), len(places)


@METHODS
def test_clicks_by_chance_prefer_nobody(method) -> None:
    rng = np.random.default_rng(0)
    lists = [method(FIRST, SECOND, 4, rng) for _ in range(400)]
    found = preference(*zip(*(outcome(mixed, rng.random(4) < CLICKED_BY_CHANCE) for mixed in lists), strict=True))
    low, high = always_valid_interval(found, 1.0)
    assert low <= 0 <= high
    assert abs(found.z()) < 3
    assert found.standard_error < 0.1


@METHODS
def test_clicks_on_what_the_first_ranking_has_higher_prefer_it(method) -> None:
    rng = np.random.default_rng(1)
    liked = {"a", "c", "b"}
    lists = [method(FIRST, SECOND, 4, rng) for _ in range(200)]
    clicks = [np.array([item in liked for item in mixed.items]) & (rng.random(4) < 0.5) for mixed in lists]
    found = preference(*zip(*map(outcome, lists, clicks), strict=True))
    assert always_valid_interval(found, 1.0)[0] > 0


def test_credit_is_that_of_the_places_clicked_each_once() -> None:
    assert credit_of_clicks((1.0, -1.0, -0.5), [0, 2, 2]) == 0.5
    assert credit_of_clicks((1.0, -1.0), []) == 0


@pytest.mark.parametrize("place", [-1, 2])
def test_places_outside_of_the_list_are_refused(place: int) -> None:
    with pytest.raises(ValueError, match=f"clicked: must be from 0 to 1, got {place}"):
        credit_of_clicks((1.0, -1.0), [place])


def test_the_preference_is_the_mean_credit_of_a_click() -> None:
    found = preference([1.0, -2.0, 0.0], [1, 2, 0])
    assert found.value == pytest.approx(-1 / 3)
    assert found.units == 3
