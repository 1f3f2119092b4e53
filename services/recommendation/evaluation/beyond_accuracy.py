"""What lists are beyond accuracy: diverse, novel, surprising, not only best-sellers; and what they show together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from services.recommendation.algorithms.arrays import Csr, FloatArray, Longs, Mask, Rows, as_csr
from services.recommendation.algorithms.content import unit_rows
from services.recommendation.algorithms.interactions import Interactions
from services.recommendation.algorithms.sparse import scaled
from services.recommendation.evaluation.popularity import Popularity
from services.recommendation.holdout.metrics import Values, hits
from services.recommendation.holdout.pairs import Pairs

PER_LIST = ("diversity", "novelty", "serendipity", "popularity_bias")
OVERALL = ("coverage", "gini")

MOST_LISTS = 1000
"""Lists whose diversity is computed where it takes co-occurrence: its cost grows with the customers of each product."""
CHUNK = 256


def per_list(lists: Rows, targets: Sequence[Rows], train: Interactions, *, seed: int = 0) -> dict[str, Values]:
    """Return what is defined of each list.

    Parameters
    ----------
    lists : ndarray of shape (q, k), int32
        Rows of the recommended products, best first, -1 where there is nothing more.
    targets : sequence of q ndarrays, int32
        Rows of the relevant products, as for `metrics.measure`.
    train : Interactions
        What was known: popularity, co-occurrence and embeddings come from here.
    seed : int
        Draws the lists whose diversity is computed where there are no embeddings.

    Returns
    -------
    dict of str to ndarray of shape (q,), float64
        By the names of `PER_LIST`; NaN where a list has no value, which the mean leaves out.
    """
    popularity = Popularity.of(train)
    return {
        "diversity": _diversity(lists, train, seed),
        "novelty": novelty(lists, popularity),
        "serendipity": serendipity(lists, targets, popularity),
        "popularity_bias": popularity_bias(lists, popularity),
    }


def overall(lists: Rows, train: Interactions) -> dict[str, float]:
    """Return what is defined of all lists together, by the names of `OVERALL`."""
    popularity = Popularity.of(train)
    return {"coverage": coverage(lists, popularity.known), "gini": gini(lists, popularity.known)}


def coverage(lists: Rows, catalogue: Mask) -> float:
    """Return the share of the catalogue (a mask of shape (n_products,)) that is in some list, 0 to 1.

    Source: Ge, Delgado-Battenfeld & Jannach, "Beyond accuracy: evaluating recommender systems by coverage and
    serendipity", RecSys 2010, doi:10.1145/1864708.1864761
    """
    shown = exposure(lists, len(catalogue))[catalogue]
    return float(np.mean(shown > 0)) if len(shown) else float("nan")


def gini(lists: Rows, catalogue: Mask) -> float:
    """Return how unequally the lists show the catalogue: 0 all products equally often, near 1 always the same few.

    G = Σⱼ (2j − n − 1) xⱼ / (n Σ x) of the n products' exposures x, ascending. NaN without any exposure.

    Source: Fleder & Hosanagar, "Blockbuster culture's next rise or fall: the impact of recommender systems on sales
    diversity", Management Science 2009, doi:10.1287/mnsc.1080.0974
    """
    shown = np.sort(exposure(lists, len(catalogue))[catalogue])
    n, total = len(shown), int(shown.sum())
    return float((2 * np.arange(1, n + 1) - n - 1) @ shown) / (n * total) if total else float("nan")


def exposure(lists: Rows, n_products: int) -> Longs:
    """Return in how many lists each product is, shape (n_products,)."""
    return np.bincount(lists[lists >= 0], minlength=n_products)


def diversity(lists: Rows, vectors: FloatArray | Csr) -> Values:
    """Return the mean distance (1 − cosine) of the pairs of products of each list, shape (q,).

    Products without a vector are left out; NaN where fewer than two have one.

    Source: Ziegler et al., "Improving recommendation lists through topic diversification", WWW 2005,
    doi:10.1145/1060745.1060754

    Parameters
    ----------
    lists : ndarray of shape (q, k), int32
    vectors : ndarray or csr_array of shape (n_products, d), float32
        Rows of length 1, or of zeros where a product has no vector.
    """
    parts = [_distances(lists[start : start + CHUNK], vectors) for start in range(0, len(lists), CHUNK)]
    return np.concatenate([np.empty(0), *parts])


def novelty(lists: Rows, popularity: Popularity) -> Values:
    """Return the mean self-information −log2 p of the products of each list, in bits; p = share of train's customers.

    Source: Vargas & Castells, "Rank and relevance in novelty and diversity metrics for recommender systems", RecSys
    2011, doi:10.1145/2043932.2043955; Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender
    systems", PNAS 2010, doi:10.1073/pnas.1000488107
    """
    return _mean_listed(lists, popularity.information)


def serendipity(lists: Rows, targets: Sequence[Rows], popularity: Popularity) -> Values:
    """Return relevance · (1 − popularity), the mean over the k places of each list, 0 to 1.

    Relevance is 1 for a hit, else 0; popularity is the product's customers over those of the most popular product. A
    hit that everybody buys anyway is worth nothing, a hit in the long tail as much as in precision@k.

    Source of the idea, relevant and not expected from the obvious ranking: Ge, Delgado-Battenfeld & Jannach, RecSys
    2010, doi:10.1145/1864708.1864761
    """
    worth = np.where(hits(lists, targets), 1.0 - popularity.relative[lists], 0.0)
    mean: Values = worth.sum(axis=1) / max(lists.shape[1], 1)
    return mean


def popularity_bias(lists: Rows, popularity: Popularity) -> Values:
    """Return how much more popular each list is than what customers met in train, −1 to 1.

    The mean popularity percentile of the listed products minus that of the (customer, product) pairs of train: 0 is as
    popular as what people choose themselves, above 0 leans to best-sellers.

    Source: average popularity of recommendations, Yin et al., "Challenging the long tail recommendation", VLDB 2012,
    doi:10.14778/2311906.2311916, against that of the profiles, Abdollahpouri et al., "The connection between popularity
    bias, calibration, and fairness in recommendation", RecSys 2020, doi:10.1145/3383313.3418487; percentiles here, so
    that one best-seller does not decide the mean.
    """
    return _mean_listed(lists, popularity.percentile) - popularity.typical


def cooccurrence(train: Interactions) -> Csr:
    """Return the customers of each product as vectors of length 1: csr_array of shape (n_products, n_customers).

    The cosine of two products is co-occurrences / √(customers of one · customers of the other).
    """
    met = Pairs.of(train)
    customers = met.keys // max(train.n_products, 1)
    shape = (train.n_products, train.n_customers)
    vectors = as_csr(sp.coo_array((np.ones(len(met.keys)), (met.products, customers)), shape=shape))
    lengths = np.sqrt(np.maximum(np.diff(vectors.indptr), 1))
    return scaled(vectors, rows=(1.0 / lengths).astype(np.float32))


def _diversity(lists: Rows, train: Interactions, seed: int) -> Values:
    if train.embeddings.any():
        return diversity(lists, unit_rows(train.embeddings))
    values = np.full(len(lists), np.nan)
    drawn = np.random.default_rng(seed).permutation(len(lists))[:MOST_LISTS]
    values[drawn] = diversity(lists[drawn], cooccurrence(train))
    return values


def _distances(lists: Rows, vectors: Any) -> Values:
    """Return the mean distances of some lists: |Σ v|² is the sum of all cosines, of each with itself too."""
    at, place = np.nonzero(lists >= 0)
    shape = (len(lists), vectors.shape[0])
    members = sp.csr_array((np.ones(len(at), np.float64), (at, lists[at, place])), shape=shape)
    count: Values = np.asarray(members @ _squared_lengths(vectors))
    cosines = _squared_lengths(members @ vectors) - count
    pairs = np.round(count) * (np.round(count) - 1)
    similar: Values = np.divide(cosines, pairs, out=np.full(len(lists), np.nan), where=pairs > 0)
    return 1.0 - similar


def _squared_lengths(vectors: Any) -> Values:
    """Return the squared length of each row of an array, dense or sparse."""
    squares: Any = vectors.multiply(vectors) if hasattr(vectors, "multiply") else vectors * vectors
    return np.asarray(squares.sum(axis=1), dtype=np.float64).ravel()


def _mean_listed(lists: Rows, values: Values) -> Values:
    """Return the mean of the values of each list's products; NaN for an empty list."""
    listed = lists >= 0
    summed, places = np.where(listed, values[lists], 0.0).sum(axis=1), listed.sum(axis=1)
    means: Values = np.divide(summed, places, out=np.full(len(lists), np.nan), where=places > 0)
    return means
