"""At a place its own stock and prices hold, and elsewhere the products' own."""

import numpy as np

from services.recommendation.serving.catalogue import Catalogue
from shared.db.product_offers import Offer
from shared.inventory import NOT_BUYABLE, NOT_RECOMMENDABLE, NOW, ON_ORDER
from shared.place_columns import price_at
from tests.unit.recommendation.small import catalogue, entry


def offer(key: int, price: int | None = None, status: str | None = None, place: str = "berlin") -> Offer:
    return Offer(place, key, price, None if price is None else "GBP", status, 1)


def shelf(*offers: Offer) -> Catalogue:
    made = catalogue(entry(1), entry(2, inventory_status="OUT_OF_STOCK"), entry(3, recommendable=False), entry(4))
    return made.with_offers(offers)


def test_a_place_has_stock_and_prices_of_its_own() -> None:
    made = shelf(offer(1, status="OUT_OF_STOCK"), offer(2, 7, "PREORDER"), offer(4, 9))
    berlin = made.at("berlin")
    assert berlin.stock.tolist() == [NOT_BUYABLE, ON_ORDER, NOT_RECOMMENDABLE, NOW]
    assert [price_at(berlin, row) for row in range(4)] == [(100, "EUR"), (7, "GBP"), (300, "EUR"), (9, "GBP")]
    assert made.stock.tolist() == [NOW, NOT_BUYABLE, NOT_RECOMMENDABLE, NOW], "elsewhere nothing changes"
    assert price_at(made, 1) == (200, "EUR")


def test_what_is_not_recommendable_is_so_at_every_place() -> None:
    assert shelf(offer(3, status="IN_STOCK")).at("berlin").stock[2] == NOT_RECOMMENDABLE


def test_a_place_that_says_nothing_is_as_everywhere() -> None:
    made = shelf(offer(1, 5))
    assert made.at("paris") is made
    assert made.at("") is made


def test_later_offers_replace_and_end_earlier_ones() -> None:
    made = shelf(offer(1, 5), offer(2, 6), offer(4, 7, place="paris"))
    later = made.with_offers([offer(1), offer(4, 8), offer(2, 6, "IN_STOCK")])
    berlin = later.at("berlin")
    assert [price_at(berlin, row) for row in (0, 1, 3)] == [(100, "EUR"), (6, "GBP"), (8, "GBP")]
    assert berlin.stock[1] == NOW
    assert price_at(later.at("paris"), 3) == (7, "GBP")
    assert price_at(made.at("berlin"), 0) == (5, "GBP"), "who took the catalogue before sees what it was"


def test_an_offer_of_an_unknown_product_is_left_out() -> None:
    made = shelf(offer(77, 5), offer(1, 6))
    assert price_at(made.at("berlin"), 0) == (6, "GBP")
    assert np.array_equal(made.at("berlin").stock, made.stock)
