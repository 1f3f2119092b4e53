"""The search finds the best of what it can reach one change at a time, asks nothing twice and can be continued."""

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.recommendation.algorithms.base import Space
from services.recommendation.tuning.search import Params, coordinate_search

SPACE: Space = {"x": (0, 1, 2, 3, 4), "y": ("a", "b", "c")}


def searched(space: Space, starts: list[Params], worth: Callable[[Mapping[str, Any]], float]) -> list[Params]:
    """Return everything proposed until the search ends."""
    search = coordinate_search(space, starts)
    proposed = [next(search)]
    while True:
        try:
            proposed.append(search.send(worth(proposed[-1])))
        except StopIteration:
            return proposed


def peak(params: Mapping[str, Any]) -> float:
    return -abs(params["x"] - 3) - "bac".index(params["y"])


def test_the_defaults_come_first_and_the_optimum_is_found() -> None:
    proposed = searched(SPACE, [{"x": 0, "y": "c"}], peak)
    assert proposed[0] == {"x": 0, "y": "c"}
    assert max(proposed, key=peak) == {"x": 3, "y": "b"}


def test_steps_go_on_as_long_as_they_are_better() -> None:
    proposed = searched({"x": (0, 1, 2, 3, 4, 5, 6)}, [{"x": 1}], lambda params: -abs(params["x"] - 3))
    assert [each["x"] for each in proposed] == [1, 2, 3, 4]
    assert [each["x"] for each in searched({"x": (0, 1, 2)}, [{"x": 1}], lambda params: 0.0)] == [1, 2, 0]


def test_it_goes_on_from_the_best_start() -> None:
    proposed = searched(SPACE, [{"x": 0, "y": "c"}, {"x": 3, "y": "a"}], peak)
    assert proposed[:3] == [{"x": 0, "y": "c"}, {"x": 3, "y": "a"}, {"x": 4, "y": "a"}]


def test_a_default_between_the_values_is_left_for_either_side() -> None:
    proposed = searched({"x": (0, 1, 4, 9)}, [{"x": 2}], lambda params: -params["x"])
    assert [each["x"] for each in proposed] == [2, 4, 1, 0]


def test_nothing_is_searched_without_a_space() -> None:
    assert searched({}, [{}, {}], lambda params: 0.0) == [{}]


@given(st.lists(st.floats(0, 1), min_size=15, max_size=15))
def test_nothing_is_proposed_twice_and_no_step_from_the_best_is_better(worths: list[float]) -> None:
    def worth(params: Mapping[str, Any]) -> float:
        return worths[3 * params["x"] + "abc".index(params["y"])]

    proposed = searched(SPACE, [{"x": 0, "y": "a"}], worth)
    assert len({(each["x"], each["y"]) for each in proposed}) == len(proposed)
    best = max(proposed, key=worth)
    for name, values in SPACE.items():
        place = values.index(best[name])
        for value in (*values[place + 1 : place + 2], *values[max(place - 1, 0) : place]):
            assert {**best, name: value} in proposed


@given(st.lists(st.floats(0, 1), min_size=15, max_size=15))
def test_the_same_values_lead_to_the_same_proposals(worths: list[float]) -> None:
    def worth(params: Mapping[str, Any]) -> float:
        return worths[3 * params["x"] + "abc".index(params["y"])]

    assert searched(SPACE, [{"x": 2, "y": "b"}], worth) == searched(SPACE, [{"x": 2, "y": "b"}], worth)
