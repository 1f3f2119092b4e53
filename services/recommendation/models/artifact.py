"""The model as arrays and JSON: what of it is in a container, under which names.

Arrays: `<algorithm>/<array>` as `services.recommendation.models.storage` stores them, the trees of each reranker as
`hybrid.<context>/<array of Trees.state>`, the features of products as `facts.<kind>/values`. Facts: see `facts_of`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from services.recommendation.algorithms.arrays import AnyArray
from services.recommendation.algorithms.base import Algorithm, Kind
from services.recommendation.algorithms.registry import BY_NAME
from services.recommendation.models import storage
from services.recommendation.models.container import ArtifactError
from services.recommendation.models.model import Model
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.model import Reranker
from services.recommendation.reranker.reranker_models import NEWCOMER_WEIGHT, RerankerModels
from services.recommendation.reranker.trees import Trees


def facts_of(model: Model) -> dict[str, Any]:
    """Return what of `model` is no array: configurations, facts of the training and heads of the rerankers."""
    return {"algorithms": model.params, "learned": _learned_head(model.learned), **model.metadata}


def arrays_of(model: Model) -> Iterator[tuple[str, AnyArray]]:
    """Yield each array of `model` with its name, as it is stored; one at a time is made."""
    for name, algorithm in model.algorithms.items():
        yield from storage.stored({f"{name}/{key}": array for key, array in algorithm.state().items()})
    for context, reranker in model.learned.rerankers.items():
        yield from ((_trees_prefix(context) + key, array) for key, array in reranker.trees.state().items())
    for kind, features in model.learned.item_features.items():
        yield _item_features_key(kind), features.values


def model_of(facts: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> Model:
    """Return the model that facts and arrays describe.

    Raises
    ------
    ArtifactError
        If the contents do not fit together, or name an algorithm that is not known here.
    """
    try:
        algorithms = {name: _algorithm(name, params, arrays) for name, params in facts["algorithms"].items()}
        learned = _learned(facts["learned"], arrays, facts["n_products"])
        return Model(algorithms, facts["n_products"], facts["trained_at"], facts["metrics"], learned)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"model artefact: the contents do not fit together: {error!r}") from error


def _algorithm(name: str, params: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> Algorithm:
    return BY_NAME[name].load(_below(f"{name}/", arrays), params)


def _below(prefix: str, arrays: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    """Return the arrays whose names begin with `prefix`, by the rest of their names."""
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}


def _learned_head(learned: RerankerModels) -> dict[str, Any]:
    rerankers = {
        context.value: {
            "algorithms": reranker.algorithms,
            "target": reranker.target.name,
            "depth": reranker.depth,
            "rate_slope": reranker.rate_slope,
        }
        for context, reranker in learned.rerankers.items()
    }
    return {
        "rebuy_rate": learned.rebuy_rate,
        "newcomer_weight": learned.newcomer_weight,
        "hybrids": rerankers,
        "facts": [kind.name for kind in learned.item_features],
    }


def _learned(head: Mapping[str, Any], arrays: Mapping[str, AnyArray], n_products: int) -> RerankerModels:
    """Return the rerankers with their trees parsed, so that damage shows now and not in a request."""
    contexts = {RerankContext(name): each for name, each in head["hybrids"].items()}
    rerankers = {context: _reranker(each, _below(_trees_prefix(context), arrays)) for context, each in contexts.items()}
    item_features = {Kind[name]: ItemFeatures(arrays[_item_features_key(Kind[name])]) for name in head["facts"]}
    for features in item_features.values():
        features.require(n_products)
    newcomer_weight = float(head.get("newcomer_weight", NEWCOMER_WEIGHT))  # older artefacts have none
    return RerankerModels(rerankers, item_features, float(head["rebuy_rate"]), newcomer_weight)


def _reranker(head: Mapping[str, Any], trees: Mapping[str, AnyArray]) -> Reranker:
    slope = float(head.get("rate_slope", 0.0))  # older artefacts have none
    target, depth = Kind[head["target"]], int(head["depth"])
    reranker = Reranker(tuple(head["algorithms"]), target, Trees.load(trees), depth, slope)
    reranker.require_loadable()
    return reranker


def _trees_prefix(context: RerankContext) -> str:
    return f"hybrid.{context.value}/"


def _item_features_key(kind: Kind) -> str:
    return f"facts.{kind.name}/values"
