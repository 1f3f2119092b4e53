"""Interleaved lists: their items, their exact probabilities, and the expected credit of each place."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.interleaving import (
    MOST_OPTIMISED,
    Interleaved,
    _allowed,
    _probabilities,
    _rank_credits,
    optimised,
    team_draft,
)

METHODS = pytest.mark.parametrize("method", [team_draft, optimised])
RANKING = st.lists(st.integers(0, 11), unique=True, max_size=7)


class Coins:
    """A generator whose coins fall as they are told."""

    def __init__(self, coins: tuple[int, ...]) -> None:
        self.coins = iter(coins)

    def integers(self, sides: int) -> int:
        return next(self.coins) if sides == 2 else 0


def test_team_draft_picks_in_turns() -> None:
    first, second = ["a", "b", "c", "d"], ["b", "e", "a", "f"]
    assert team_draft(first, second, 4, Coins((0, 0))) == Interleaved(("a", "b", "c", "e"), (1, -1, 1, -1), 0.25)
    assert team_draft(first, second, 4, Coins((1, 0))) == Interleaved(("b", "a", "c", "e"), (-1, 1, 1, -1), 0.25)
    assert team_draft(first, second, 3, Coins((0, 1))) == Interleaved(("a", "b", "e"), (1, -1, -1), 0.25)


def test_equal_rankings_give_one_list_and_either_may_have_picked() -> None:
    ranking = ["a", "b", "c"]
    found = [team_draft(ranking, ranking, 2, Coins((coin,))) for coin in (0, 1)]
    assert [each.items for each in found] == [("a", "b")] * 2
    assert [each.probability for each in found] == [1.0, 1.0]
    assert [each.credits for each in found] == [(1, -1), (-1, 1)]


@METHODS
def test_places_that_one_ranking_cannot_fill_earn_nothing(method) -> None:
    found = method(["a"], ["b", "c", "d"], 4, np.random.default_rng(0))
    assert set(found.items) == {"a", "b", "c", "d"}
    assert found.credits[2:] == (0.0, 0.0)
    assert method([], ["b"], 3, np.random.default_rng(0)) == Interleaved(("b",), (0.0,), 1.0)
    assert method(["a", "b"], ["a"], 2, np.random.default_rng(0)) == Interleaved(("a", "b"), (0.0, 0.0), 1.0)


@settings(deadline=None)
@METHODS
@given(first=RANKING, second=RANKING, length=st.integers(1, 9), seed=st.integers(0, 9))
def test_a_list_continues_a_ranking_at_each_place(
    method, first: list[int], second: list[int], length: int, seed: int
) -> None:
    found = method(first, second, length, np.random.default_rng(seed))
    union = set(first) | set(second)
    assert len(found.items) == len(found.credits) == min(length, len(union))
    assert len(set(found.items)) == len(found.items)
    for place, item in enumerate(found.items):
        left = [[each for each in ranking if each not in found.items[:place]] for ranking in (first, second)]
        assert item in [ranking[0] for ranking in left if ranking]
    assert 0 < found.probability <= 1
    assert method(first, second, length, np.random.default_rng(seed)) == found


@given(first=RANKING, second=RANKING, length=st.integers(1, 6))
def test_team_draft_gives_each_place_to_both_alike_with_exact_probabilities(
    first: list[int], second: list[int], length: int
) -> None:
    drawn = [team_draft(first, second, length, Coins(coins)) for coins in product((0, 1), repeat=3)]
    earned = np.array([each.credits for each in drawn])
    np.testing.assert_allclose(earned.sum(axis=0), 0, atol=1e-12)
    counted = Counter(each.items for each in drawn)
    assert all(each.probability == pytest.approx(counted[each.items] / len(drawn)) for each in drawn)


@settings(deadline=None, max_examples=60)
@given(first=RANKING.filter(bool), second=RANKING.filter(bool), length=st.integers(1, 6))
def test_each_place_of_an_optimised_list_has_an_expected_credit_of_0(
    first: list[int], second: list[int], length: int
) -> None:
    places = min(length, len(first), len(second))
    lists = list(dict.fromkeys(_allowed(first, second, places, ())))
    credit = _rank_credits(first, second)
    earned = np.array([[credit[item] for item in each] for each in lists])
    probabilities = _probabilities(earned)
    assert probabilities.min() >= 0
    assert probabilities.sum() == pytest.approx(1)
    np.testing.assert_allclose(probabilities @ earned, 0, atol=1e-7)


def test_an_optimised_list_of_two_is_the_hand_computed_one() -> None:
    # Of a–b and b–a only "ab" and "ba" can be made: credits 1/2, −1/2 and −1/2, 1/2, so each is as likely.
    rng = np.random.default_rng(0)
    found = {
        (mixed.items, mixed.credits, mixed.probability) for mixed in (optimised("ab", "ba", 2, rng) for _ in "12345678")
    }
    assert found == {(("a", "b"), (0.5, -0.5), 0.5), (("b", "a"), (-0.5, 0.5), 0.5)}


def test_optimised_lists_avoid_those_that_say_less() -> None:
    # "ac", all of the first ranking, and "bd" tell nothing by one click: whoever is clicked, its ranking wins.
    rng = np.random.default_rng(0)
    seen = {optimised("acx", "bdy", 2, rng).items for _ in range(200)}
    assert seen == {("a", "b"), ("b", "a")}


def test_later_places_are_filled_without_credit() -> None:
    first, second = list(range(20)), list(range(19, -1, -1))
    found = optimised(first, second, 15, np.random.default_rng(0))
    assert len(found.items) == 15
    assert all(found.credits[:MOST_OPTIMISED])
    assert found.credits[MOST_OPTIMISED:] == (0.0,) * (15 - MOST_OPTIMISED)


@METHODS
def test_what_makes_no_list_is_refused(method) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="length: must be at least 1, got 0"):
        method(["a"], ["b"], 0, rng)
    with pytest.raises(ValueError, match="second: must have each item once"):
        method(["a"], ["b", "b"], 2, rng)
