"""Impressions of shown lists: which are of one relevance, and what relevance may depend on."""

from dataclasses import replace

import numpy as np

from services.recommendation.algorithms.base import Interactions
from services.recommendation.training.position_bias import Method
from services.recommendation.training.shown_impressions import (
    LEAST_PROPENSITY,
    bias_facts,
    impressions_of,
    position_biases,
)
from services.recommendation.training.shown_lists import ShownLists
from shared.page_rules import Page
from tests.unit.recommendation.training import shown_shop


def lists(**changed: np.ndarray) -> ShownLists:
    """Return two lists of products 0 and 1 for customers 0 and 1, made at 100 and 200."""
    found = ShownLists(
        customers=np.array([0, 1], np.int32),
        pages=np.zeros(2, np.int8),
        times=np.array([100, 200]),
        whole=np.ones(2, np.bool_),
        owners=np.array([0, 0, 1, 1]),
        products=np.array([0, 1, 0, 1], np.int32),
        positions=np.array([1, 2, 2, 1]),
        grades=np.array([1, 0, 0, 2], np.int8),
        dismissed=np.zeros(4, np.bool_),
        propensities=np.ones(4, np.float32),
        worth=np.ones(4, np.float32),
    )
    return replace(found, **changed)


def data() -> Interactions:
    """Return what both did: customer 0 meets product 0 three times, customer 1 product 2 of its category once."""
    return Interactions.of(
        [0, 0, 0, 1], [0, 0, 0, 2], n_customers=2, n_products=3, now=300, times=[50, 100, 150, 60], category=[7, -1, 7]
    )


def test_items_of_one_customer_are_a_group() -> None:
    same = lists(customers=np.array([1, 1], np.int32))
    groups = impressions_of(same, data()).groups.tolist()
    assert (groups[0] == groups[2], groups[1] == groups[3], groups[0] == groups[1]) == (True, True, False)
    assert len(set(impressions_of(lists(), data()).groups.tolist())) == 4


def test_items_at_places_that_were_drawn_are_a_group_whoever_saw_them() -> None:
    drawn = lists(propensities=np.array([0.25, 0.96, 0.01, 0.96], np.float32))
    found = impressions_of(drawn, data())
    assert found.groups[0] == found.groups[2]
    assert found.groups[1] != found.groups[3], "what stays at its place stands there because it suits the shopper"
    np.testing.assert_allclose(found.weights, [4.0, 1 / 0.96, 1 / LEAST_PROPENSITY, 1 / 0.96], rtol=1e-6)


def test_features_say_what_was_known_before_the_list() -> None:
    popularity, own, share, unknown = impressions_of(lists(), data()).features.T
    np.testing.assert_allclose(popularity, np.log1p([3, 0, 3, 0]), rtol=1e-6)
    np.testing.assert_allclose(own, np.log1p([1, 0, 0, 0]), rtol=1e-6)  # the event at 100 is not before the list
    np.testing.assert_allclose(share, [1.0, 0.0, 1.0, 0.0])
    assert unknown.tolist() == [0, 1, 0, 1]


def test_each_page_has_a_bias_of_its_own() -> None:
    home, cart = shown_shop.shown_lists(6_000), shown_shop.shown_lists(20, page=Page.CART)
    of_lists = ("customers", "pages", "times", "whole")
    of_items = ("products", "positions", "grades", "dismissed", "propensities", "worth")
    both = ShownLists(
        **{name: np.concatenate([getattr(home, name), getattr(cart, name)]) for name in of_lists + of_items},
        owners=np.concatenate([home.owners, cart.owners + len(home)]),
    )
    found = position_biases(both, shown_shop.interactions())
    assert set(found) == {Page.HOME, Page.CART}
    assert found[Page.CART].method is Method.NONE
    assert found[Page.HOME].method is Method.INTERVENTIONS
    np.testing.assert_allclose(found[Page.HOME].examination, shown_shop.EXAMINATION, rtol=0.4)
    facts = bias_facts(found)
    assert facts["CART"] == {"method": "none", "clicks": 0, "examination": [1.0]}
    assert facts["HOME"]["clicks"] == found[Page.HOME].clicks
