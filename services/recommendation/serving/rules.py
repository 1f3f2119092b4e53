"""Business rules: which products may be shown, as one mask over the catalogue in memory. Applied before ranking."""

import numpy as np

from services.recommendation.algorithms.arrays import Mask, Rows
from services.recommendation.request import Filters
from services.recommendation.serving.catalogue import NOT_BUYABLE, NOW, Catalogue


def allowed_rows(catalogue: Catalogue, filters: Filters, excluded: Rows) -> Mask:
    """Return which products may be shown.

    Parameters
    ----------
    catalogue : Catalogue
        The catalogue.
    filters : Filters
        What the caller asks for.
    excluded : ndarray of shape (n,), int32
        Rows that this shopper must not see here; -1 stands for products that are not in the catalogue.

    Returns
    -------
    ndarray of shape (n_products,), bool
    """
    allowed = catalogue.stock == NOW if filters.in_stock_only else catalogue.stock > NOT_BUYABLE
    for names in _category_sets(filters):
        codes = [catalogue.categories.of(name) for name in names]
        allowed &= np.isin(catalogue.category, [code for code in codes if code >= 0])
    if filters.min_price is not None or filters.max_price is not None:
        allowed &= _within_prices(catalogue, filters)
    named = (catalogue.row_of_id(external_id) for external_id in filters.exclude_product_ids)
    allowed[[row for row in named if row is not None]] = False
    allowed[excluded[excluded >= 0]] = False
    return allowed


def _category_sets(filters: Filters) -> list[frozenset[str]]:
    """Return the sets of categories that a product must be in, all at once."""
    page = frozenset({filters.page_category} - {""})
    return [names for names in (filters.categories, page) if names]


def _within_prices(catalogue: Catalogue, filters: Filters) -> Mask:
    within = np.ones(len(catalogue), dtype=bool)
    for bound, sign in ((filters.min_price, 1), (filters.max_price, -1)):
        if bound is not None:
            within &= (catalogue.currency == catalogue.currencies.of(bound.currency)) & (catalogue.currency >= 0)
            within &= (catalogue.price >= 0) & (sign * catalogue.price >= sign * bound.amount)
    return within
