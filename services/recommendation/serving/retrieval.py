"""Retrieval: what each algorithm proposes to a shopper, over the live catalogue.

A trained algorithm knows the products of its training; products that came later get no score from it. What needs no
training (content, new arrivals, search words) looks at the live catalogue, so a product added a moment ago is proposed.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, Self

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask, Rows
from services.recommendation.algorithms.base import Algorithm, Reason, ReasonKind, Shopper
from services.recommendation.algorithms.content import Content
from services.recommendation.algorithms.interactions import DAY
from services.recommendation.algorithms.new_arrivals import Arrivals, NewArrivals
from services.recommendation.algorithms.popular import Popular
from services.recommendation.algorithms.repurchase import Repurchase
from services.recommendation.algorithms.shopper_scores import FewScores, OrderedScores, ProductVectors, ShopperScores
from services.recommendation.models.model import Model
from services.recommendation.reranker.popularity_prior import popularity_prior
from services.recommendation.reranker.scorers import algorithm_of, last_only, scorers_of_last
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.page_policy import SEARCH

COLD_CONTENT = "content_of_cold"
"""Name of the content scorer over cold products; its scores count as those of `content`."""
MOST_COLD = 10_000
"""Cold products that are searched, the latest in the catalogue: it bounds the time."""
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
    def last(self) -> Shopper:
        """The shopper as if nothing were known but the last product met."""
        return last_only(self.known)

    @cached_property
    def ungrouped(self) -> Shopper:
        """A shopper without history and groups."""
        return Shopper(self.whole.now)

    @cached_property
    def punctual(self) -> Shopper:
        """The shopper with the moment of asking as `now`."""
        return self.whole if self.whole.now == self.clock else replace(self.whole, now=self.clock)

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


class LastProductScorer(TrainedScorer):
    """What an algorithm says of the last product met alone."""

    def _view(self, views: ShopperViews) -> Shopper:
        return views.last


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
class ColdScores:
    """Scores of which only those of some products are proposed."""

    whole: ShopperScores
    cold: ShopperScores

    def top(self, k: int, allowed: Mask) -> tuple[Rows, FloatArray]:
        return self.cold.top(k, allowed)

    def at(self, rows: Rows) -> FloatArray:
        return self.whole.at(rows)


@dataclass(frozen=True, eq=False)
class ColdContentScorer(ContentScorer):
    """The same, proposing cold products alone: those that nobody met before the training or that came after it.

    Only the vectors of these are searched, so that the search does not grow with the catalogue. All of them have the
    popularity prior of a product that came after the training.
    """

    cold: ProductVectors

    def scores_of(self, views: ShopperViews) -> ShopperScores:
        whole = self.algorithm.scores_with(self.vectors, views.whole)
        return ColdScores(whole, whole.over(self.cold))


@dataclass(frozen=True, eq=False)
class ArrivalsScorer:
    """What is new now."""

    catalogue: Catalogue
    algorithm: NewArrivals

    def scores_of(self, views: ShopperViews) -> ShopperScores:
        added, category = self.catalogue.added, self.catalogue.category
        arrivals = _ARRIVALS.of(added, views.clock, self.algorithm.window_days)
        return self.algorithm.scores_with(added, category, views.punctual, arrivals)

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
    scorers |= {name: LastProductScorer(trained[algorithm_of(name)]) for name in scorers_of_last(trained)}
    content, arrivals, popular = (trained.get(name) for name in ("content", "new_arrivals", "popular"))
    vectors = _VECTORS.of(catalogue, popular)
    similar = content if isinstance(content, Content) else Content()
    scorers["content"] = ContentScorer(similar, vectors.all)
    scorers[COLD_CONTENT] = ColdContentScorer(similar, vectors.for_cold, vectors.cold)
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


def cold_rows(catalogue: Catalogue, popular: Algorithm | None) -> Rows:
    """Return the rows of the products that nobody met before the training or that came after it, at most `MOST_COLD`.

    Of more, those that were added last.
    """
    met = popular.overall if isinstance(popular, Popular) else np.empty(0, np.float32)
    cold = np.concatenate([np.flatnonzero(met == 0), np.arange(len(met), len(catalogue))]).astype(np.int32)
    latest = np.argsort(-catalogue.added[cold], kind="stable")[:MOST_COLD]
    return np.sort(cold[latest])


@dataclass(frozen=True, eq=False)
class ContentVectors:
    """The vectors of the products, scaled by the popularity prior.

    Parameters
    ----------
    all : ProductVectors
        Of all products.
    for_cold : ProductVectors
        The same, with the prior of a product that came after the training for all cold products.
    cold : ProductVectors
        Of these the cold products alone.
    """

    all: ProductVectors
    for_cold: ProductVectors
    cold: ProductVectors

    @classmethod
    def of(cls, catalogue: Catalogue, popular: Algorithm | None) -> Self:
        """Return the vectors of a catalogue."""
        n, rows = len(catalogue), cold_rows(catalogue, popular)
        prior = popularity_prior(popular, n + 1)  # the last is that of a product that came after the training
        scale = prior[:n].copy()
        scale[rows] = prior[n]
        for_cold = ProductVectors.of_all(catalogue.embeddings, scale)
        return cls(ProductVectors.of_all(catalogue.embeddings, prior[:n]), for_cold, for_cold.of(rows))


class _LatestVectors:
    """The vectors of the content algorithm, made anew only when embeddings or the model change, not with each price."""

    def __init__(self) -> None:
        self._latest: tuple[FloatArray, Algorithm | None, ContentVectors] | None = None

    def of(self, catalogue: Catalogue, popular: Algorithm | None) -> ContentVectors:
        latest = self._latest
        if latest is not None and latest[0] is catalogue.embeddings and latest[1] is popular:
            return latest[2]
        vectors = ContentVectors.of(catalogue, popular)
        self._latest = (catalogue.embeddings, popular, vectors)
        return vectors


_VECTORS = _LatestVectors()


class _LatestArrivals:
    """The new products of the catalogue, found anew only when products come or a day passes, not with each price."""

    def __init__(self) -> None:
        self._latest: tuple[Longs, int, float, Arrivals] | None = None

    def of(self, added: Longs, clock: int, window_days: float) -> Arrivals:
        latest = self._latest
        if latest is not None and latest[0] is added and latest[2] == window_days and 0 <= clock - latest[1] < DAY:
            return latest[3]
        arrivals = Arrivals.of(added, clock, window_days)
        self._latest = (added, clock, window_days, arrivals)
        return arrivals


_ARRIVALS = _LatestArrivals()


def _extended(repurchase: Algorithm | None, n: int) -> Repurchase:
    """Return repurchase over `n` products: those that came after training repeat like the median product."""
    learned = repurchase if isinstance(repurchase, Repurchase) else None
    state = {"n_products": np.asarray(n)}
    for name, unknown in (("interval_days", UNKNOWN_INTERVAL_DAYS), ("repeat_rate", UNKNOWN_REPEAT_RATE)):
        values: FloatArray = getattr(learned, name) if learned else np.empty(0, np.float32)
        usual = float(np.median(values)) if len(values) else unknown
        state[name] = np.concatenate([values, np.full(n - len(values), usual, np.float32)])
    return Repurchase.load(state, learned.params if learned else None)
