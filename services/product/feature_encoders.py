"""Blocks of product features: each learns its vocabulary or scale from the population and only transforms rows.

A block turns n products into n rows; a block that found nothing to learn has no columns or zeros. What a row holds
depends on that product and on what was learned, never on the other rows of the call.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import CountVectorizer

FloatArray = NDArray[np.float32]
Csr = sp.csr_matrix

MAX_Z = 3.0
_WORD = re.compile(r"\b\w\w+\b")


def _idf(document_frequency: NDArray[np.int64], n: int) -> FloatArray:
    """Smoothed inverse document frequency: 1 for what every product has, more for what is rarer."""
    return np.asarray(np.log((1.0 + n) / (1.0 + document_frequency)) + 1.0, dtype=np.float32)


def _counter(**options: Any) -> "CountVectorizer":
    from sklearn.feature_extraction.text import CountVectorizer  # a second of CPU, which only a refresh needs

    return CountVectorizer(ngram_range=(1, 2), dtype=np.float32, **options)


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """TF-IDF of words and pairs of words with sublinear term frequency; rows have length 1, or 0 without a known term.

    Source: Salton & Buckley, "Term-weighting approaches in automatic text retrieval", 1988,
    doi:10.1016/0306-4573(88)90021-0
    """

    terms: tuple[str, ...]
    idf: FloatArray

    @classmethod
    def fit(cls, texts: Sequence[str], max_terms: int) -> "TextEncoder":
        """Keep the `max_terms` most frequent terms of `texts`."""
        if not any(terms_of(text) for text in texts):
            return cls((), np.empty(0, dtype=np.float32))
        counter = _counter(max_features=max_terms)
        counts = counter.fit_transform(texts)
        document_frequency = np.bincount(counts.indices, minlength=counts.shape[1])
        return cls(tuple(counter.get_feature_names_out().tolist()), _idf(document_frequency, len(texts)))

    def transform(self, texts: Sequence[str]) -> Csr:
        """Return the rows, shape (n, terms), float32."""
        if not self.terms:
            return sp.csr_matrix(np.zeros((len(texts), 0), dtype=np.float32))
        rows = self._counts(texts)
        rows.data = (1.0 + np.log(rows.data)) * self.idf[rows.indices]
        squares = np.bincount(_row_of_entry(rows), weights=rows.data.astype(np.float64) ** 2, minlength=len(texts))
        rows.data /= np.sqrt(squares)[_row_of_entry(rows)].astype(np.float32)
        return rows

    def _counts(self, texts: Sequence[str]) -> Csr:
        """Return how often each known term is in each text, shape (n, terms), float32, columns ascending."""
        found = [[self._column[term] for term in terms_of(text) if term in self._column] for text in texts]
        ends = np.cumsum([0, *map(len, found)])
        columns = np.array([column for each in found for column in each], dtype=np.int32)
        counts = sp.csr_matrix((np.ones(len(columns), np.float32), columns, ends), shape=(len(texts), len(self.terms)))
        counts.sum_duplicates()
        return counts

    @cached_property
    def _column(self) -> dict[str, int]:
        return {term: column for column, term in enumerate(self.terms)}


def terms_of(text: str) -> list[str]:
    """Return the words of two and more characters in lower case, then the pairs of neighbouring ones.

    As scikit-learn's CountVectorizer, which learns the vocabulary, without loading scikit-learn.
    """
    words = _WORD.findall(text.lower())
    return [*words, *(f"{one} {next_one}" for one, next_one in pairwise(words))]


def _row_of_entry(matrix: Csr) -> NDArray[np.int64]:
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


@dataclass(frozen=True, eq=False)
class CategoricalEncoder:
    """One-hot of one categorical feature; rarer values weigh more, the rarest 1. Empty and unknown values give zeros.

    A value that most products share says little about likeness, hence the inverse document frequency.
    """

    values: tuple[str, ...]
    weights: FloatArray

    @classmethod
    def fit(cls, labels: Sequence[str]) -> "CategoricalEncoder":
        """Learn the values and how common each is."""
        counts = Counter(label for label in labels if label)
        values = tuple(sorted(counts))
        weights = _idf(np.array([counts[value] for value in values], dtype=np.int64), len(labels))
        return cls(values, weights / weights.max(initial=1.0))

    def transform(self, labels: Sequence[str]) -> Csr:
        """Return the rows, shape (n, values), float32, at most one entry each."""
        columns = np.array([self._column.get(label, -1) for label in labels], dtype=np.int64)
        known = np.flatnonzero(columns >= 0)
        entries = (self.weights[columns[known]], (known, columns[known]))
        return sp.csr_matrix(entries, shape=(len(labels), len(self.values)), dtype=np.float32)

    @cached_property
    def _column(self) -> dict[str, int]:
        return {value: column for column, value in enumerate(self.values)}


@dataclass(frozen=True)
class NumericEncoder:
    """One number, standardised with the population's mean and deviation, cut at ±3 deviations, then divided by 3.

    A missing number (NaN) is the population's mean, so 0. Where the population does not vary, every row is 0: such a
    number tells no two products apart, and a new value has no scale to be measured on.
    """

    mean: float
    deviation: float

    @classmethod
    def fit(cls, values: NDArray[np.float64]) -> "NumericEncoder":
        """Learn mean and deviation of the finite `values`."""
        finite = values[np.isfinite(values)]
        return cls(float(finite.mean()), float(finite.std())) if finite.size else cls(0.0, 0.0)

    def transform(self, values: NDArray[np.float64]) -> Csr:
        """Return the rows, shape (n, 1), float32, each in [-1, 1]."""
        filled = np.where(np.isfinite(values), values, self.mean)
        if self.deviation <= 1e-9 * max(1.0, abs(self.mean)):
            return sp.csr_matrix(np.zeros((len(values), 1), dtype=np.float32))
        z = np.clip((filled - self.mean) / self.deviation, -MAX_Z, MAX_Z) / MAX_Z
        return sp.csr_matrix(z[:, None], dtype=np.float32)
