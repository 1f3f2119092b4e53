"""Scorers: the algorithms as they answer now, over the live catalogue.

A trained algorithm knows the products of its training; products that came later get no score from it. What needs no
training (content, new arrivals, search words) looks at the live catalogue, so a product added a moment ago is scored.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray
from services.recommendation.algorithms.base import Algorithm, Reason, ReasonKind, Shopper
from services.recommendation.algorithms.content import Content
from services.recommendation.algorithms.new_arrivals import NewArrivals
from services.recommendation.algorithms.repurchase import Repurchase
from services.recommendation.models.model import Model
from services.recommendation.reranker.model import LAST, OF_LAST, last_only
from services.recommendation.reranker.popularity_prior import popularity_prior
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.page_policy import SEARCH

UNKNOWN_INTERVAL_DAYS = 30.0
UNKNOWN_REPEAT_RATE = 0.3


@dataclass(frozen=True, eq=False)
class ShopperViews:
    """One shopper as different algorithms must see them.

    Parameters
    ----------
    whole : Shopper
        With all products of the catalogue; `now` is the moment from which taste fades.
    trained : int
        Products known to the model.
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
        """Without products that the model does not know."""
        return self.whole.within(self.trained)

    @cached_property
    def last(self) -> Shopper:
        """As if nothing were known but the last product met."""
        return last_only(self.known)

    @cached_property
    def ungrouped(self) -> Shopper:
        """Anybody: no history, no groups."""
        return Shopper(self.whole.now)

    @cached_property
    def punctual(self) -> Shopper:
        """With `now` the moment of asking."""
        return replace(self.whole, now=self.clock)


class Scorer(Protocol):
    """An algorithm over the live catalogue."""

    def score(self, views: ShopperViews) -> FloatArray:
        """Return scores of shape (n_products,), as `Algorithm.score` gives them."""
        ...

    def explain(self, views: ShopperViews, row: int) -> Reason | None:
        """Return why a product got its score; None without an opinion."""
        ...


@dataclass(frozen=True, eq=False)
class Trained:
    """An algorithm as it was trained."""

    algorithm: Algorithm
    n: int

    def score(self, views: ShopperViews) -> FloatArray:
        view = self._view(views)
        return padded(view.memo(_scores_key(self.algorithm), lambda: self.algorithm.score(view)), self.n)

    def explain(self, views: ShopperViews, row: int) -> Reason | None:
        return self.algorithm.explain(self._view(views), row) if row < self.algorithm.n_products else None

    def _view(self, views: ShopperViews) -> Shopper:
        return views.known


class Ungrouped(Trained):
    """Popularity with everybody."""

    def _view(self, views: ShopperViews) -> Shopper:
        return views.ungrouped


class Grouped(Trained):
    """Popularity in the shopper's groups; no opinion on somebody of no known group."""

    def score(self, views: ShopperViews) -> FloatArray:
        return super().score(views) if views.whole.groups else np.zeros(self.n, np.float32)

    def explain(self, views: ShopperViews, row: int) -> Reason | None:
        return super().explain(views, row) if views.whole.groups else None


class OfLast(Trained):
    """An algorithm's opinion of what follows the last product met.

    It asks for that of everything met as well, which costs little more than one of them, and leaves it for `Trained`.
    """

    def score(self, views: ShopperViews) -> FloatArray:
        whole, last = self.algorithm.score_many([views.known, views.last])
        views.known.memo(_scores_key(self.algorithm), lambda: whole)
        return padded(last, self.n)

    def _view(self, views: ShopperViews) -> Shopper:
        return views.last


@dataclass(frozen=True, eq=False)
class LiveContent:
    """Likeness to what the shopper likes, in the embeddings of now, times how much the product is asked for at all."""

    catalogue: Catalogue
    algorithm: Content
    salience: FloatArray

    def score(self, views: ShopperViews) -> FloatArray:
        return self.algorithm.score_with(self.catalogue.embeddings, views.whole) * self.salience

    def explain(self, views: ShopperViews, row: int) -> Reason | None:
        return self.algorithm.explain_with(self.catalogue.embeddings, views.whole, row)


@dataclass(frozen=True, eq=False)
class LiveArrivals:
    """What is new now."""

    catalogue: Catalogue
    algorithm: NewArrivals = field(default_factory=NewArrivals)

    def score(self, views: ShopperViews) -> FloatArray:
        return self.algorithm.score_with(self.catalogue.added, self.catalogue.category, views.punctual)

    def explain(self, views: ShopperViews, row: int) -> Reason | None:
        return Reason(ReasonKind.NEW_ARRIVAL)


class LiveRepurchase(Trained):
    """What is bought again and due now, products bought since the training included."""

    def _view(self, views: ShopperViews) -> Shopper:
        return views.punctual


@dataclass(frozen=True, eq=False)
class SearchMatches:
    """Products with the words that were searched for."""

    catalogue: Catalogue

    def score(self, views: ShopperViews) -> FloatArray:
        return self.catalogue.index.scores(views.search)

    def explain(self, views: ShopperViews, row: int) -> Reason | None:
        return Reason(ReasonKind.MATCHES_SEARCH)


@dataclass(frozen=True, eq=False)
class BestSellers:
    """Popularity counted in the live data, for the time before the first training; `Ungrouped` in its place then."""

    shares: FloatArray

    def score(self, views: ShopperViews) -> FloatArray:
        return self.shares

    def explain(self, views: ShopperViews, row: int) -> Reason | None:
        return Reason(ReasonKind.POPULAR) if self.shares[row] > 0 else None


def build_scorers(catalogue: Catalogue, model: Model | None, best_sellers: FloatArray) -> dict[str, Scorer]:
    """Return the scorers that are there: with a model all of its algorithms, else what works on live data."""
    n = len(catalogue)
    trained = dict(model.algorithms) if model else {}
    scorers: dict[str, Scorer] = {name: Trained(algorithm, n) for name, algorithm in trained.items()}
    content, arrivals, popular = (trained.get(name) for name in ("content", "new_arrivals", "popular"))
    salience = popularity_prior(popular, n)
    scorers["content"] = LiveContent(catalogue, content if isinstance(content, Content) else Content(), salience)
    scorers["new_arrivals"] = LiveArrivals(catalogue, arrivals if isinstance(arrivals, NewArrivals) else NewArrivals())
    scorers["repurchase"] = LiveRepurchase(_extended(trained.get("repurchase"), n), n)
    scorers[SEARCH] = SearchMatches(catalogue)
    scorers["popular"] = BestSellers(best_sellers)
    if popular is not None:
        scorers["popular"] = Ungrouped(popular, n)
        scorers["popular_in_group"] = Grouped(popular, n)
    return scorers | {name + LAST: OfLast(trained[name], n) for name in OF_LAST if name in trained}


def in_groups(name: str, views: ShopperViews) -> str:
    """Return the scorer that answers as the algorithm `name` itself does: popularity looks at the groups, if any."""
    return "popular_in_group" if name == "popular" and views.whole.groups else name


def _extended(repurchase: Algorithm | None, n: int) -> Repurchase:
    """Return repurchase over `n` products: those that came after training repeat like the median product."""
    learned = repurchase if isinstance(repurchase, Repurchase) else None
    state = {"n_products": np.asarray(n)}
    for name, unknown in (("interval_days", UNKNOWN_INTERVAL_DAYS), ("repeat_rate", UNKNOWN_REPEAT_RATE)):
        values: FloatArray = getattr(learned, name) if learned else np.empty(0, np.float32)
        usual = float(np.median(values)) if len(values) else unknown
        state[name] = np.concatenate([values, np.full(n - len(values), usual, np.float32)])
    return Repurchase.load(state, learned.params if learned else None)


def _scores_key(algorithm: Algorithm) -> tuple[str, str]:
    return ("scores", algorithm.name)


def padded(scores: FloatArray, n: int) -> FloatArray:
    """Return `scores` with zeros for the products that came after training, shape (n,)."""
    return scores if len(scores) == n else np.concatenate([scores, np.zeros(n - len(scores), np.float32)])
