from dataclasses import replace

import numpy as np
import pytest

from services.recommendation.off_policy.exploring import (
    ExploringList,
    conditional_propensities,
    supported_places,
    supported_share,
)
from tests.unit.recommendation.off_policy.exploring_shop import every_item, possible

LOGGING = ExploringList(np.array([3, 1, 4, 5]), 0.1, np.array([9, 2, 7]), np.array([0.5, 0.2, 0.3]))
SWAPPED = replace(LOGGING, items=np.array([3, 1, 5, 4]))
REPLACED = replace(LOGGING, items=np.array([3, 1, 2, 5]), pool=np.array([9, 4, 7]))
TWICE = replace(LOGGING, items=np.array([3, 9, 2, 5]), pool=np.array([1, 4, 7]))
AT_THE_TOP = replace(LOGGING, items=np.array([2, 1, 4, 5]), pool=np.array([9, 3, 7]))
MORE_PRODUCTS = replace(LOGGING, pool=np.array([9, 2, 8]))
BARE = ExploringList.certain(LOGGING.items)


def test_the_probabilities_given_above_make_those_of_whole_lists():
    for shown, chance in possible(LOGGING).items():
        items = np.array(shown)
        assert LOGGING.given_above(items, items).prod() == pytest.approx(chance)
    assert sum(possible(LOGGING).values()) == pytest.approx(1.0)


def test_what_is_never_shown_has_no_probability():
    for items in ([3, 4, 1, 5], [2, 1, 4, 5], [3, 9, 2, 5], [3, 1, 4, 8]):
        assert LOGGING.given_above(np.array(items), np.array(items)).prod() == 0.0


def test_marginal_probabilities_are_those_of_each_place():
    for place in range(4):
        for item in every_item(LOGGING):
            asked = LOGGING.items.copy()
            asked[place] = item
            truth = sum(chance for shown, chance in possible(LOGGING).items() if shown[place] == item)
            assert LOGGING.marginal(asked)[place] == pytest.approx(truth)


@pytest.mark.parametrize("shown", [[3, 1, 4, 5], [3, 9, 4, 5], [3, 1, 4, 2]])
def test_logged_propensities_become_those_given_above(shown):
    items = np.array(shown)
    apart = np.flatnonzero(items != LOGGING.items)
    explored = int(apart[0]) if len(apart) else None

    found = conditional_propensities(LOGGING.marginal(items), explored)

    assert found == pytest.approx(LOGGING.given_above(items, items))


def test_short_lists_have_propensities_too():
    assert conditional_propensities(np.array([1.0]), None).tolist() == [1.0]
    assert conditional_propensities(np.array([1.0, 0.9]), None) == pytest.approx([1.0, 0.9])
    assert conditional_propensities(np.array([1.0, 0.02]), 1) == pytest.approx([1.0, 0.02])
    assert conditional_propensities(np.ones(3), None).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "evaluation",
    [LOGGING, BARE, REPLACED, ExploringList.certain(REPLACED.items), SWAPPED, TWICE, AT_THE_TOP, MORE_PRODUCTS],
)
def test_support_is_the_probability_of_what_the_log_may_show(evaluation):
    shown = possible(LOGGING)
    assert supported_share(LOGGING, evaluation) == pytest.approx(
        sum(chance for items, chance in possible(evaluation).items() if items in shown)
    )

    found = supported_places(LOGGING, evaluation)
    for place in range(4):
        may_show = {items[place] for items in shown}
        truth = sum(chance for items, chance in possible(evaluation).items() if items[place] in may_show)
        assert found[place] == pytest.approx(truth)


def test_a_list_that_explores_nothing_supports_itself_alone():
    assert supported_share(BARE, BARE) == 1.0
    assert supported_share(BARE, REPLACED) == pytest.approx(0.02), "where it explores its way back"
    assert supported_share(BARE, ExploringList.certain(REPLACED.items)) == 0.0
    assert supported_share(BARE, LOGGING) == pytest.approx(LOGGING.stays)
    assert supported_places(BARE, ExploringList.certain(SWAPPED.items)).tolist() == [1.0, 1.0, 0.0, 0.0]
