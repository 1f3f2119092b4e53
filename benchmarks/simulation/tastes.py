"""Which products of a category a household likes: latent factors of what all buy, and loyalty to its own."""

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import gammaln

from benchmarks.simulation.source import Floats, Ints

ROUNDS = 120
FLOOR = 1e-3
"""Least share of a category that a product has, so that every product has some chance with everybody."""
CONCENTRATIONS = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0])


def taste_shares(counts: sparse.csr_matrix, categories: Ints, factors: int, seed: int) -> Floats:
    """Return the share that each product has in its category by a household's taste, shape (households, products).

    The rates are W H with factors that are not negative, fitted by multiplicative updates to the least Kullback-Leibler
    divergence, that is as a Poisson model: Lee & Seung 2000, "Algorithms for non-negative matrix factorization".
    """
    from sklearn.decomposition import NMF

    model = NMF(
        factors,
        init="nndsvda",
        solver="mu",
        beta_loss="kullback-leibler",
        max_iter=ROUNDS,
        tol=0.0,
        random_state=seed,
        l1_ratio=1.0,
        alpha_W=0.0005,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it did not converge to a tolerance of 0
        rates = model.fit_transform(counts) @ model.components_
    return _shares(np.asarray(rates, np.float64) + 1e-9, categories)


def loyal_shares(counts: sparse.csr_matrix, shares: Floats, categories: Ints) -> Floats:
    """Return the shares with what each household bought itself: posterior means of a Dirichlet around its taste.

    The concentration of a category is the one of `CONCENTRATIONS` under which the counts are likeliest.
    """
    found = np.empty_like(shares)
    dense = counts.toarray()
    for category in range(int(categories.max()) + 1):
        columns = categories == category
        own, prior = dense[:, columns], shares[:, columns]
        best = max(CONCENTRATIONS, key=lambda each: _log_likelihood(own, each * prior))
        found[:, columns] = (own + best * prior) / (own.sum(axis=1, keepdims=True) + best)
    return found


def _shares(rates: Floats, categories: Ints) -> Floats:
    totals = sums_by_category(rates, categories)[:, categories]
    shares = rates / totals + FLOOR
    return np.asarray(shares / sums_by_category(shares, categories)[:, categories])


def sums_by_category(values: Floats, categories: Ints) -> Floats:
    """Return the sums over the products of each category, shape (households, categories)."""
    member = sparse.csr_matrix((np.ones(len(categories)), (np.arange(len(categories)), categories)))
    return np.asarray(values @ member)


def _log_likelihood(own: NDArray[np.float64], prior: NDArray[np.float64]) -> float:
    """Return the logarithm of the likelihood of Dirichlet-multinomial counts, without what the prior has no part in."""
    total, weight = own.sum(axis=1), prior.sum(axis=1)
    each = (gammaln(own + prior) - gammaln(prior)).sum(axis=1)
    return float((gammaln(weight) - gammaln(weight + total) + each).sum())
