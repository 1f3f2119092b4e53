"""What one list adds to the aggregates: counts, money, products and diversity, by algorithm and of all together.

Diversity of a list is the mean cosine distance between the embeddings of the products that were shown, over all pairs:
1 − cosine, from 0 for the same direction to 2 for the opposite one. Lists of which fewer than two products with an
embedding were shown have none.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.db.list_facts import ListBase, ListFact, Response
from shared.db.product_embeddings import EmbeddingMatrix
from shared.metric_numbers import ALL_ALGORITHMS, MILLION, ByAlgorithm, MetricNumbers

DIVERSITY = ("diverse_lists", "diversity", "diversity_squares")


def contribution(base: ListBase, embeddings: EmbeddingMatrix, before: ListFact | None = None) -> ByAlgorithm:
    """Return what a list adds, by algorithm.

    Where the same products were shown as `before`, their diversity stays as it was measured then: embeddings change.
    """
    generated = {ALL_ALGORITHMS: sum(base.by_algorithm.values()), **base.by_algorithm}
    known: Mapping[str, MetricNumbers] = {} if before is None else before.numbers
    return {
        name: _numbers(count, _of(base.responses, name), embeddings, known.get(name))
        for name, count in generated.items()
    }


def mean_distance(vectors: NDArray[np.float32]) -> float | None:
    """Return the mean cosine distance over all pairs of vectors; None for fewer than two.

    Parameters
    ----------
    vectors : ndarray of shape (n, dimensions)
        Vectors without a length are left out.
    """
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1) if len(vectors) else np.empty(0)
    units = vectors[lengths > 0].astype(np.float64) / lengths[lengths > 0, None] if len(vectors) else vectors
    count = len(units)
    if count < 2:
        return None
    total = units.sum(axis=0)
    # Of all ordered pairs, a vector with itself included, the cosines add up to the square of the sum of the units.
    return float(1.0 - (total @ total - count) / (count * (count - 1)))


def shown_products(bases: Iterable[ListBase]) -> set[int]:
    """Return the products that were shown in lists."""
    return {each.product_key for base in bases for each in base.responses if each.shown}


def _of(responses: Sequence[Response], algorithm: str) -> list[Response]:
    return [each for each in responses if algorithm in (ALL_ALGORITHMS, each.algorithm)]


def _numbers(
    generated: int, responses: Sequence[Response], embeddings: EmbeddingMatrix, before: MetricNumbers | None
) -> MetricNumbers:
    shown = [each for each in responses if each.shown]
    numbers = MetricNumbers(_counts(generated, responses))
    for each in shown:
        shows, responded = numbers.products.get(each.product_key, (0, 0))
        answered = each.clicked or each.added_to_cart or each.purchased
        numbers.products[each.product_key] = (shows + 1, responded + answered)
    for each in responses:
        for credit in each.credits:
            revenue, costed, margin = numbers.amounts.get(credit.currency, (0, 0, 0))
            more = (revenue + credit.revenue, costed + credit.costed, margin + credit.margin)
            numbers.amounts[credit.currency] = more
    numbers.counts |= _diversity(numbers, embeddings, before)
    return numbers


def _counts(generated: int, responses: Sequence[Response]) -> dict[str, int]:
    return {
        "lists": 1,
        "lists_shown": int(any(each.shown for each in responses)),
        "generated": generated,
        "shown": sum(each.shown for each in responses),
        "clicked": sum(each.clicked for each in responses),
        "added_to_cart": sum(each.added_to_cart for each in responses),
        "purchased": sum(each.purchased for each in responses),
        "purchased_after_view": sum(each.after_view and each.shown for each in responses),
        "dismissed": sum(each.dismissed for each in responses),
        "refunded": sum(each.refunded for each in responses),
    }


def _diversity(numbers: MetricNumbers, embeddings: EmbeddingMatrix, before: MetricNumbers | None) -> dict[str, int]:
    if before is not None and before.counts.get("diverse_lists") and before.products.keys() == numbers.products.keys():
        return {name: before.counts.get(name, 0) for name in DIVERSITY}
    rows = [row for key in sorted(numbers.products) if (row := embeddings.row_of(key)) is not None]
    distance = mean_distance(embeddings.vectors[rows]) if rows else None
    if distance is None:
        return {}
    return dict(zip(DIVERSITY, (1, round(distance * MILLION), round(distance * distance * MILLION)), strict=True))
