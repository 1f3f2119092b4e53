"""Who takes part in an evaluation, by name."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

from services.recommendation.algorithms.registry import BY_NAME
from services.recommendation.evaluation.baselines import (
    ImplicitFactors,
    ImplicitItems,
    ImplicitRanking,
    MostPopular,
    PersonalFrequency,
)
from services.recommendation.evaluation.offline_ranker import OfflineRanker
from services.recommendation.holdout.tasks import Ranker
from services.recommendation.holdout.topk import AlgorithmRanker
from services.recommendation.training.parameters import tuned_algorithms
from shared.errors import InvalidArgument

BASELINES = (
    "most_popular",
    "personal_frequency",
    "implicit_als",
    "implicit_bpr",
    "implicit_bm25",
    "implicit_item_knn",
)
EXTRA = "not installed: pip install 'quintet[baselines]'"

NEIGHBOURS = 100
FACTORS = 128
Params = Mapping[str, Mapping[str, Any]]


def default_names() -> list[str]:
    """Return the names of those that take part where nobody is named."""
    return [OfflineRanker.name, *BASELINES]


def names() -> list[str]:
    """Return every name there is."""
    return [*default_names(), *(name for name in BY_NAME if name not in default_names())]


def missing(wanted: Iterable[str]) -> dict[str, str]:
    """Return those of the names that cannot take part on this machine, and why."""
    if find_spec("implicit") is not None:
        return {}
    return {name: EXTRA for name in wanted if name in _IMPLICIT}


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


def _ranker(name: str, seed: int, threads: int, params: Params) -> Ranker:
    require_known([name])
    if name == OfflineRanker.name:
        return OfflineRanker(partial(tuned_algorithms, params), threads=threads)
    if name in _IMPLICIT:
        kind, make = _IMPLICIT[name]
        return kind(name, partial(make, seed, threads), seed)
    if name in _SIMPLE:
        return _SIMPLE[name](seed)
    return AlgorithmRanker(tuned_algorithms(params, (BY_NAME[name],))[0], seed)


def require_known(wanted: Iterable[str]) -> None:
    """Raise InvalidArgument for the first name that nobody has."""
    for name in wanted:
        if name not in names():
            raise InvalidArgument.of("algorithm", name, f"must be one of {', '.join(names())}")


def _als(seed: int, threads: int) -> Any:
    from implicit.cpu.als import AlternatingLeastSquares

    return AlternatingLeastSquares(factors=FACTORS, random_state=seed, num_threads=threads)


def _bpr(seed: int, threads: int) -> Any:
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    return BayesianPersonalizedRanking(factors=FACTORS, random_state=seed, num_threads=threads)


def _bm25(seed: int, threads: int) -> Any:
    from implicit.nearest_neighbours import BM25Recommender

    return BM25Recommender(K=NEIGHBOURS, num_threads=threads)


def _cosine(seed: int, threads: int) -> Any:
    from implicit.nearest_neighbours import CosineRecommender

    return CosineRecommender(K=NEIGHBOURS, num_threads=threads)


_SIMPLE = {each.name: each for each in (MostPopular, PersonalFrequency)}
_IMPLICIT: dict[str, tuple[Callable[..., Ranker], Callable[[int, int], Any]]] = {
    "implicit_als": (ImplicitFactors, _als),
    "implicit_bpr": (ImplicitRanking, _bpr),
    "implicit_bm25": (ImplicitItems, _bm25),
    "implicit_item_knn": (ImplicitItems, _cosine),
}
