"""The rankers of an evaluation, by name."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from services.recommendation.algorithms.interactions import Interactions, Kind
from services.recommendation.algorithms.registry import BY_NAME
from services.recommendation.evaluation.baselines import BuysPerView, MostPopular, PersonalFrequency
from services.recommendation.evaluation.basket_baselines import TifuKnn, UpCf
from services.recommendation.evaluation.implicit_baselines import ImplicitFactors, ImplicitItems, ImplicitRanking
from services.recommendation.evaluation.offline_ranker import OfflineRanker
from services.recommendation.evaluation.served_ranker import ServedRanker
from services.recommendation.evaluation.session_baselines import LastProduct, RepeatFirst, Vstan
from services.recommendation.evaluation.tuned_ranker import TunedRanker
from services.recommendation.holdout.tasks import Protocol, Ranker
from services.recommendation.holdout.topk import AlgorithmRanker
from services.recommendation.training.parameters import tuned_algorithms
from shared.errors import InvalidArgument

BASELINES = (
    "most_popular",
    "personal_frequency",
    "buys_per_view",
    "repeat_first_session_knn",
    "repeat_first_item_knn",
    "implicit_als",
    "implicit_bpr",
    "implicit_bm25",
    "implicit_item_knn",
)
"""Baselines that are fitted quickly; they take part where nobody is named."""
TUNED_BASELINES = ("vstan", "tifu_knn", "up_cf", "tuned_als", "tuned_item_knn")
"""Baselines whose parameters are chosen on a validation split inside train; they are fitted up to ten times."""
SESSIONS_ONLY = ("repeat_first_session_knn", "repeat_first_item_knn", "vstan")
HISTORIES_ONLY = ("buys_per_view", "tifu_knn", "up_cf")
EXTRA = "not installed: pip install 'quintet[baselines]'"

LAST_PRODUCT: Mapping[str, tuple[LastProduct, ...]] = {"last": ("after", "first", "out")}
NEIGHBOURS = 100
FACTORS = 128
Params = Mapping[str, Mapping[str, Any]]


def default_names() -> list[str]:
    """Return the names of those that take part where nobody is named."""
    return [OfflineRanker.name, *BASELINES]


def names() -> list[str]:
    """Return every name there is."""
    return list(dict.fromkeys([*default_names(), *TUNED_BASELINES, *BY_NAME]))


def missing(wanted: Iterable[str]) -> dict[str, str]:
    """Return those of the names that cannot take part on this machine, and why."""
    if find_spec("implicit") is not None:
        return {}
    return {name: EXTRA for name in wanted if name in _IMPLICIT or name in _TUNED_IMPLICIT}


def unsuited(wanted: Iterable[str], protocol: Protocol, train: Interactions, target: Kind) -> dict[str, str]:
    """Return those of the names that mean nothing under a protocol or on this data, and why."""
    reasons = {name: _unsuited(name, protocol, train, target) for name in wanted}
    return {name: why for name, why in reasons.items() if why}


def _unsuited(name: str, protocol: Protocol, train: Interactions, target: Kind) -> str:
    if name in SESSIONS_ONLY and protocol is not Protocol.SESSION:
        return "it is for sessions"
    if name in HISTORIES_ONLY and protocol is Protocol.SESSION:
        return "it needs a history, not a session"
    if name == BuysPerView.name and len(np.unique(train.kinds == target)) < 2:
        return "train has no other events than those asked for, or none of them"
    return ""


def rankers(wanted: Iterable[str], *, seed: int = 0, threads: int = 1, params: Params | None = None) -> list[Ranker]:
    """Return unfitted rankers, each name once.

    Parameters
    ----------
    wanted : iterable of str
        Names, as of `names`; none of `missing`.
    seed : int
        Seed of ties and of what is learned by chance.
    threads : int
        Threads of libraries that take them as an argument.
    params : mapping of str to mapping, optional
        By algorithm of the product the parameters that are not the defaults.

    Raises
    ------
    InvalidArgument
        If a name is not known.
    """
    return [_ranker(name, seed, threads, params or {}) for name in dict.fromkeys(wanted)]


def with_served(chosen: Iterable[Ranker]) -> list[Ranker]:
    """Return the rankers with the page that serves what `quintet` learned, right after `quintet` itself."""
    found: list[Ranker] = []
    for ranker in chosen:
        found += [ranker, ServedRanker(ranker)] if isinstance(ranker, OfflineRanker) else [ranker]
    return found


def _ranker(name: str, seed: int, threads: int, params: Params) -> Ranker:
    require_known([name])
    if name == OfflineRanker.name:
        return OfflineRanker(partial(tuned_algorithms, params), threads=threads)
    if name in _IMPLICIT:
        kind, make = _IMPLICIT[name]
        return kind(name, partial(make, seed, threads), seed)
    if name in _TUNED_IMPLICIT:
        of, make_tuned, grid = _TUNED_IMPLICIT[name]
        return TunedRanker(
            name, lambda **chosen: of(name, partial(make_tuned, seed, threads, **chosen), seed), grid, seed
        )
    if name in _TUNED:
        of_name, space = _TUNED[name]
        return TunedRanker(name, partial(of_name, seed=seed), space, seed)
    if name in _REPEAT_FIRST:
        return TunedRanker(name, partial(_repeat_first, _REPEAT_FIRST[name], params, seed), LAST_PRODUCT, seed)
    if name in _SIMPLE:
        return _SIMPLE[name](seed)
    return AlgorithmRanker(tuned_algorithms(params, (BY_NAME[name],))[0], seed)


def require_known(wanted: Iterable[str]) -> None:
    """Raise InvalidArgument for the first name that nobody has."""
    for name in wanted:
        if name not in names():
            raise InvalidArgument.of("algorithm", name, f"must be one of {', '.join(names())}")


def _als(seed: int, threads: int, factors: int = FACTORS, alpha: float = 1.0, regularization: float = 0.01) -> Any:
    from implicit.cpu.als import AlternatingLeastSquares

    return AlternatingLeastSquares(
        factors=factors, alpha=alpha, regularization=regularization, random_state=seed, num_threads=threads
    )


def _bpr(seed: int, threads: int) -> Any:
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    return BayesianPersonalizedRanking(factors=FACTORS, random_state=seed, num_threads=threads)


def _bm25(seed: int, threads: int) -> Any:
    from implicit.nearest_neighbours import BM25Recommender

    return BM25Recommender(K=NEIGHBOURS, num_threads=threads)


def _cosine(seed: int, threads: int) -> Any:
    from implicit.nearest_neighbours import CosineRecommender

    return CosineRecommender(K=NEIGHBOURS, num_threads=threads)


def _item_knn(seed: int, threads: int, neighbours: int = NEIGHBOURS, similarity: str = "cosine") -> Any:
    from implicit import nearest_neighbours

    kinds = {
        "cosine": nearest_neighbours.CosineRecommender,
        "tf-idf": nearest_neighbours.TFIDFRecommender,
        "bm25": nearest_neighbours.BM25Recommender,
    }
    return kinds[similarity](K=neighbours, num_threads=threads)


def _repeat_first(algorithm: str, params: Params, seed: int, last: LastProduct) -> Ranker:
    return RepeatFirst(tuned_algorithms(params, (BY_NAME[algorithm],))[0], last, seed)


_SIMPLE = {each.name: each for each in (MostPopular, PersonalFrequency, BuysPerView)}
_REPEAT_FIRST = {f"repeat_first_{name}": name for name in ("session_knn", "item_knn")}
_IMPLICIT: dict[str, tuple[Callable[..., Ranker], Callable[[int, int], Any]]] = {
    "implicit_als": (ImplicitFactors, _als),
    "implicit_bpr": (ImplicitRanking, _bpr),
    "implicit_bm25": (ImplicitItems, _bm25),
    "implicit_item_knn": (ImplicitItems, _cosine),
}
_TUNED: dict[str, tuple[Callable[..., Ranker], Mapping[str, tuple[Any, ...]]]] = {
    Vstan.name: (
        Vstan,
        {
            "list_last": (True, False),
            "position_decay": (1.81, 0.4525, 0.905, 3.62),
            "neighbour_decay": (1.81, 0.4525, 7.24),
            "idf_weight": (1.0, 0.0, 5.0),
        },
    ),
    TifuKnn.name: (
        TifuKnn,
        {"own_share": (0.7, 0.5, 0.9), "group_decay": (0.7, 0.9), "basket_decay": (0.9, 1.0), "neighbours": (300, 100)},
    ),
    UpCf.name: (UpCf, {"recent": (0, 5, 25), "locality": (5.0, 1.0, 25.0), "asymmetry": (0.25, 0.5, 0.75)}),
}
"""The tuned baselines of this package: how they are made, and the values that are tried."""
_TUNED_IMPLICIT: dict[str, tuple[Callable[..., Ranker], Callable[..., Any], Mapping[str, tuple[Any, ...]]]] = {
    # Values after Rendle et al., "Revisiting the performance of iALS", RecSys 2022, doi:10.1145/3523227.3548486.
    "tuned_als": (
        ImplicitFactors,
        _als,
        {"alpha": (1.0, 10.0, 40.0), "regularization": (0.01, 1.0), "factors": (128, 64)},
    ),
    # Sarwar et al., "Item-based collaborative filtering recommendation algorithms", WWW 2001,
    # doi:10.1145/371920.372071; the library keeps the nearest products of each.
    "tuned_item_knn": (
        ImplicitItems,
        _item_knn,
        {"similarity": ("cosine", "tf-idf", "bm25"), "neighbours": (100, 20, 500)},
    ),
}
"""The tuned baselines of the library `implicit`."""
