"""A page shows one variant of a group: rather one in stock now, and of these the best one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommendation.algorithms.arrays import FloatArray
from services.recommendation.algorithms.fusion import fuse
from services.recommendation.serving import ranking
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.page_policy import PagePolicy
from services.recommendation.serving.proposals import Proposals
from services.recommendation.serving.ranking import Ranked
from shared.db.products import CatalogueEntry
from shared.page_rules import one_of_each_group
from tests.unit.recommendation.small import catalogue, entry

POLICY = PagePolicy("test", trade_off=1.0)


def ranked(scores: list[float], n: int) -> Ranked:
    """Return a ranking of the first products of `n`."""
    values: FloatArray = np.array(scores, np.float32)
    rows = np.arange(len(scores), dtype=np.int32)
    proposals = Proposals(rows, ("popular",), values[None, :], np.ones((1, len(scores)), bool))
    return Ranked(fuse({"popular": values}, {"popular": 1.0}), proposals, np.ones(n, bool), ())


def shown(shelf: Catalogue, scores: list[float], limit: int) -> list[int]:
    one_each = ranking.one_of_each_group(ranked(scores, len(shelf)), shelf)
    return ranking.diversify(one_each, shelf, POLICY, limit).tolist()


def shelf(*entries: CatalogueEntry) -> Catalogue:
    return catalogue(*entries)


def test_of_a_group_the_best_variant_in_stock_is_shown() -> None:
    made = shelf(
        entry(1, group_id="shirt", inventory_status="PREORDER"),
        entry(2, group_id="shirt"),
        entry(3, group_id="shirt"),
        entry(4),
    )
    assert shown(made, [4.0, 2.0, 3.0, 1.0], 2) == [2, 3]


def test_of_variants_on_order_the_best_one_is_shown() -> None:
    made = shelf(*(entry(key, group_id="shirt", inventory_status="BACKORDER") for key in (1, 2)), entry(3))
    assert shown(made, [1.0, 3.0, 2.0], 2) == [1, 2]


def test_products_of_no_group_are_each_shown() -> None:
    assert shown(shelf(entry(1), entry(2), entry(3, group_id="g")), [3.0, 2.0, 1.0], 3) == [0, 1, 2]


def test_what_fills_a_list_has_one_variant_of_a_group_too() -> None:
    made = shelf(
        entry(1, group_id="shirt"),
        entry(2, group_id="shirt"),
        entry(3, group_id="cup"),
        entry(4, group_id="cup"),
        entry(5),
    )
    assert shown(made, [1.0], 5) == [0, 2, 4], "no second shirt, one cup, and no list is filled with variants"


def test_scores_and_parts_of_what_is_shown_stay() -> None:
    before = ranked([3.0, 2.0, 1.0], 3)
    after = ranking.one_of_each_group(before, shelf(entry(1, group_id="g"), entry(2, group_id="g"), entry(3)))
    assert after.score(0) == before.score(0)
    assert sum(after.contributions(2).values()) == pytest.approx(after.score(2))


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.sampled_from(["IN_STOCK", "PREORDER"])), max_size=9))
def test_of_each_group_the_first_in_stock_stays_in_its_place(products: list[tuple[str, str]]) -> None:
    made = catalogue(
        *(entry(key, group_id=group, inventory_status=status) for key, (group, status) in enumerate(products))
    )
    rows = np.arange(len(products), dtype=np.int32)[::-1]
    kept = one_of_each_group(made, rows).tolist()
    assert kept == [row for row in rows.tolist() if row in kept], "the order stays"
    for group in {group for group, _ in products}:
        own = [row for row in rows.tolist() if products[row][0] == group]
        best = next((row for row in own if products[row][1] == "IN_STOCK"), own[0])
        assert [row for row in kept if row in own] == (own if group == "" else [best])
