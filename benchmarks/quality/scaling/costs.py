"""What each algorithm costs, in the size of the data."""

from typing import NamedTuple


class Cost(NamedTuple):
    """Cost of training, of one answer, and of what is kept."""

    training: str
    answer: str
    kept: str


SYMBOLS = (
    "n products, m customers, e events, h products of a shopper that count, k neighbours kept of each product,"
    " d dimensions. All answers also take the n of writing a score for each product and choosing the best."
)

COSTS: dict[str, Cost] = {
    "quintet": Cost("2 × all of them + q · c · trees", "all of them + c · trees", "all of them"),
    "popular": Cost("e log e", "n", "n · groups"),
    "trending": Cost("e log e", "n", "n"),
    "new_arrivals": Cost("n", "n", "n"),
    "category_affinity": Cost("e log e", "k · categories", "n"),
    "content": Cost("n · d", "n · d", "n · d"),
    "similar": Cost("n · k", "h · k", "n · k"),
    "complementary": Cost("n · k", "h · k", "n · k"),
    "repurchase": Cost("e log e", "h", "n"),
    "session_knn": Cost("e log e", "h · sample + neighbours · session", "min(e, sessions kept)"),
    "transitions": Cost("e · (window + basket)", "h · k", "n · k"),
    "item_knn": Cost("m · h²", "h · k", "n · k"),
    "ease": Cost("m · h² + n · k³", "h · k", "n · k"),
    "graph_filter": Cost("m · h² + e · d + (n + m) · d²", "h · k + n · d", "n · (k + d)"),
    "matrix_factorization": Cost("e · d + (n + m) · d²", "n · d", "n · d"),
    "customer_knn": Cost("e log e", "h · customers of a product + neighbours · h", "customers kept · h"),
}
"""By name. q questions that the hybrid is learned from (at most 15,000) with c candidates each."""
