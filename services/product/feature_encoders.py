"""Encoders of product features: each learns a vocabulary or a scale from a population and transforms products to rows.

An encoder transforms n products to a block of n rows. If the population has no values to learn from, the block has no
columns or only zeros. A row depends on its product and on what was learned, not on the other rows of the call.
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
    """Return the smoothed inverse document frequency: 1 for a term that all products have, more for rarer terms."""
    return np.asarray(np.log((1.0 + n) / (1.0 + document_frequency)) + 1.0, dtype=np.float32)


def _counter(**options: Any) -> "CountVectorizer":
    from sklearn.feature_extraction.text import CountVectorizer  # takes a second of CPU time; only a refresh needs it

    return CountVectorizer(ngram_range=(1, 2), dtype=np.float32, **options)


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """TF-IDF of words and pairs of words, with sublinear term frequency.

    Rows have length 1, or 0 if the text has no known term.

    Source: Salton & Buckley, "Term-weighting approaches in automatic text retrieval", 1988,
    doi:10.1016/0306-4573(88)90021-0
    """

    terms: tuple[str, ...]
    idf: FloatArray

    @classmethod
    def fit(cls, texts: Sequence[str], max_terms: int) -> "TextEncoder":
        """Learn the `max_terms` most frequent terms of `texts` and their inverse document frequencies."""
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
        """Return the counts of the known terms in each text, shape (n, terms), float32, columns ascending."""
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
    """Return the words of at least two characters, in lower case, then the pairs of adjacent words.

    The result is that of scikit-learn's CountVectorizer, which learns the vocabulary, without loading scikit-learn.
    """
    words = _WORD.findall(text.lower())
    return [*words, *(f"{one} {next_one}" for one, next_one in pairwise(words))]


def _row_of_entry(matrix: Csr) -> NDArray[np.int64]:
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


@dataclass(frozen=True, eq=False)
class CategoricalEncoder:
    """Weighted one-hot encoding of one categorical feature. Empty and unknown values give a row of zeros.

    Values are weighted by inverse document frequency, because a value that most products share says little about their
    similarity. The rarest value has weight 1.
    """

    values: tuple[str, ...]
    weights: FloatArray

    @classmethod
    def fit(cls, labels: Sequence[str]) -> "CategoricalEncoder":
        """Learn the values and their weights."""
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
    """One number, standardised by the population's mean and standard deviation, clipped to ±3, then divided by 3.

    A missing number (NaN) counts as the population's mean, so its row is 0. If all numbers of the population are equal,
    every row is 0, because there is no scale for other values.
    """

    mean: float
    deviation: float

    @classmethod
    def fit(cls, values: NDArray[np.float64]) -> "NumericEncoder":
        """Learn the mean and the standard deviation of the finite `values`; both are 0 if there are none."""
        finite = values[np.isfinite(values)]
        return cls(float(finite.mean()), float(finite.std())) if finite.size else cls(0.0, 0.0)

    def transform(self, values: NDArray[np.float64]) -> Csr:
        """Return the rows, shape (n, 1), float32, each in [-1, 1]."""
        filled = np.where(np.isfinite(values), values, self.mean)
        if self.deviation <= 1e-9 * max(1.0, abs(self.mean)):
            return sp.csr_matrix(np.zeros((len(values), 1), dtype=np.float32))
        z = np.clip((filled - self.mean) / self.deviation, -MAX_Z, MAX_Z) / MAX_Z
        return sp.csr_matrix(z[:, None], dtype=np.float32)
