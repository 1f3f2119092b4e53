"""Retrieval: what each algorithm proposes to a shopper, over the live catalogue.

A trained algorithm knows the products of its training; products that came later get no score from it. What needs no
training (content, new arrivals, search words) looks at the live catalogue, so a product added a moment ago is proposed.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Mask, Rows
from services.recommendation.algorithms.base import Algorithm, Reason, ReasonKind, Shopper
from services.recommendation.algorithms.content import Content
from services.recommendation.algorithms.interactions import DAY
from services.recommendation.algorithms.new_arrivals import NewArrivals, recent_rows
from services.recommendation.algorithms.repurchase import Repurchase
from services.recommendation.algorithms.shopper_scores import FewScores, OrderedScores, ProductVectors, ShopperScores
from services.recommendation.models.model import Model
from services.recommendation.reranker.popularity_prior import popularity_prior
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.page_policy import SEARCH

UNKNOWN_INTERVAL_DAYS = 30.0
UNKNOWN_REPEAT_RATE = 0.3


@dataclass(frozen=True, eq=False)
class ShopperViews:
    """One shopper in the form that each kind of algorithm takes.

    Parameters
    ----------
    whole : Shopper
        With all products of the catalogue; `now` is the moment from which preferences decay.
    trained : int
        Number of products that the model knows.
    clock : int
        The moment of asking in Unix seconds.
    search : str
        What is searched for; empty for nothing.
    """

    whole: Shopper
    trained: int
    clock: int
    search: str = ""

    @cached_property
    def known(self) -> Shopper:
        """The shopper without products that the model does not know."""
        return self.whole.within(self.trained)

    @cached_property
    def ungrouped(self) -> Shopper:
        """A shopper without history and groups."""
        return Shopper(self.whole.now)

    @cached_property
    def punctual(self) -> Shopper:
        """The shopper with the moment of asking as `now`."""
        return replace(self.whole, now=self.clock)

    @cached_property
    def known_punctual(self) -> Shopper:
        """The shopper without products that the model does not know, with the moment of asking as `now`."""
        return self.known if self.known.now == self.clock else replace(self.known, now=self.clock)


class Scorer(Protocol):
    """An algorithm over the live catalogue."""

    def scores_of(self, views: ShopperViews) -> ShopperScores:
        """Return the scores of one shopper over all products of the catalogue."""
        ...

    def explain(self, views: ShopperViews, row: int) -> Reason | None:
        """Return why a product got its score; None where the algorithm has none."""
        ...


@dataclass(frozen=True, eq=False)
class TrainedScores:
    """Scores of the products that a model knows, over a catalogue that may have more.

    Parameters
    ----------
    scores : ShopperScores
        Over the first `n_products` rows.
    n_products : int
    """

    scores: ShopperScores
    n_products: int

    def top(self, k: int, allowed: Mask) -> tuple[Rows, FloatArray]:
        return self.scores.top(k, allowed)

    def at(self, rows: Rows) -> FloatArray:
        known = rows < self.n_products
        if known.all():
            return self.scores.at(rows)
        found = np.zeros(len(rows), np.float32)
        found[known] = self.scores.at(rows[known])
        return found


@dataclass(frozen=True, eq=False)
class TrainedScorer:
    """An algorithm as it was trained."""

    algorithm: Algorithm

    def scores_of(self, views: ShopperViews) -> ShopperScores:
        return TrainedScores(self.algorithm.scores_of(self._view(views)), self.algorithm.n_products)

    def explain(self, views: ShopperViews, row: int) -> Reason | None:
        return self.algorithm.explain(self._view(views), row) if row < self.algorithm.n_products else None

    def _view(self, views: ShopperViews) -> Shopper:
        return views.known


class UngroupedScorer(TrainedScorer):
    """Popularity with everybody."""

    def _view(self, views: ShopperViews) -> Shopper:
        return views.ungrouped


class GroupedScorer(TrainedScorer):
    """Popularity in the shopper's groups; no score for a shopper of no known group."""

    def scores_of(self, views: ShopperViews) -> ShopperScores:
        return super().scores_of(views) if views.whole.groups else no_scores(self.algorithm.n_products)

    def explain(self, views: ShopperViews, row: int) -> Reason | None:
        return super().explain(views, row) if views.whole.groups else None


class RepurchaseScorer(TrainedScorer):
    """What is bought again and due now, products bought since the training included."""

    def _view(self, views: ShopperViews) -> Shopper:
        return views.punctual


@dataclass(frozen=True, eq=False)
class ContentScorer:
    """Similarity to the shopper's profile in the embeddings of now, times the popularity prior of the product."""

    algorithm: Content
    vectors: ProductVectors

    def scores_of(self, views: ShopperViews) -> ShopperScores:
        return self.algorithm.scores_with(self.vectors, views.whole)

    def explain(self, views: ShopperViews, row: int) -> Reason | None:
        return self.algorithm.explain_with(self.vectors.vectors, views.whole, row)


@dataclass(frozen=True, eq=False)
class ArrivalsScorer:
    """What is new now."""

    catalogue: Catalogue
    algorithm: NewArrivals = field(default_factory=NewArrivals)
    _found: dict[str, tuple[int, Rows]] = field(default_factory=dict)

    def scores_of(self, views: ShopperViews) -> ShopperScores:
        added, category = self.catalogue.added, self.catalogue.category
        return self.algorithm.scores_with(added, category, views.punctual, self._recent(views.clock))

    def _recent(self, clock: int) -> Rows:
        """Return the rows of new products, found once for the catalogue and then at most once a day."""
        found = self._found.get("recent")
        if found is None or not 0 <= clock - found[0] < DAY:
            found = (clock, recent_rows(self.catalogue.added, clock, self.algorithm.window_days))
            self._found["recent"] = found
        return found[1]

    def explain(self, views: ShopperViews, row: int) -> Reason | None:
        return Reason(ReasonKind.NEW_ARRIVAL)


@dataclass(frozen=True, eq=False)
class SearchScorer:
    """Products with the words that were searched for."""

    catalogue: Catalogue

    def scores_of(self, views: ShopperViews) -> ShopperScores:
        return FewScores(*self.catalogue.index.matches(views.search), len(self.catalogue))

    def explain(self, views: ShopperViews, row: int) -> Reason | None:
        return Reason(ReasonKind.MATCHES_SEARCH)


@dataclass(frozen=True, eq=False)
class BestSellerScorer:
    """Popularity counted in the live data, for the time before the first training."""

    shares: OrderedScores

    def scores_of(self, views: ShopperViews) -> ShopperScores:
        return self.shares

    def explain(self, views: ShopperViews, row: int) -> Reason | None:
        return Reason(ReasonKind.POPULAR) if self.shares.values[row] > 0 else None


def build_scorers(catalogue: Catalogue, model: Model | None, best_sellers: FloatArray) -> dict[str, Scorer]:
    """Return the scorers that are there: with a model all of its algorithms, else what works on live data."""
    n = len(catalogue)
    trained = dict(model.algorithms) if model else {}
    scorers: dict[str, Scorer] = {name: TrainedScorer(algorithm) for name, algorithm in trained.items()}
    content, arrivals, popular = (trained.get(name) for name in ("content", "new_arrivals", "popular"))
    vectors = _VECTORS.of(catalogue.embeddings, popular, n)
    scorers["content"] = ContentScorer(content if isinstance(content, Content) else Content(), vectors)
    scorers["new_arrivals"] = ArrivalsScorer(
        catalogue, arrivals if isinstance(arrivals, NewArrivals) else NewArrivals()
    )
    scorers["repurchase"] = RepurchaseScorer(_extended(trained.get("repurchase"), n))
    scorers[SEARCH] = SearchScorer(catalogue)
    if popular is None:
        scorers["popular"] = BestSellerScorer(OrderedScores.of(best_sellers))
    else:
        scorers["popular"] = UngroupedScorer(popular)
        scorers["popular_in_group"] = GroupedScorer(popular)
    return scorers


def in_groups(name: str, views: ShopperViews) -> str:
    """Return the scorer that answers as the algorithm `name` itself does: popularity looks at the groups, if any."""
    return "popular_in_group" if name == "popular" and views.whole.groups else name


def no_scores(n_products: int) -> FewScores:
    """Return scores of nothing."""
    return FewScores(np.empty(0, np.int32), np.empty(0, np.float32), n_products)


class _LatestVectors:
    """The vectors of the content algorithm, made anew only when embeddings or the model change, not with each price."""

    def __init__(self) -> None:
        self._latest: tuple[FloatArray, Algorithm | None, ProductVectors] | None = None

    def of(self, embeddings: FloatArray, popular: Algorithm | None, n: int) -> ProductVectors:
        latest = self._latest
        if latest is not None and latest[0] is embeddings and latest[1] is popular:
            return latest[2]
        vectors = ProductVectors.of_all(embeddings, popularity_prior(popular, n))
        self._latest = (embeddings, popular, vectors)
        return vectors


_VECTORS = _LatestVectors()


def _extended(repurchase: Algorithm | None, n: int) -> Repurchase:
    """Return repurchase over `n` products: those that came after training repeat like the median product."""
    learned = repurchase if isinstance(repurchase, Repurchase) else None
    state = {"n_products": np.asarray(n)}
    for name, unknown in (("interval_days", UNKNOWN_INTERVAL_DAYS), ("repeat_rate", UNKNOWN_REPEAT_RATE)):
        values: FloatArray = getattr(learned, name) if learned else np.empty(0, np.float32)
        usual = float(np.median(values)) if len(values) else unknown
        state[name] = np.concatenate([values, np.full(n - len(values), usual, np.float32)])
    return Repurchase.load(state, learned.params if learned else None)
