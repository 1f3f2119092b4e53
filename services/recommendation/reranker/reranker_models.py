"""The rerankers of one model: one for each context that had enough training data."""

from dataclasses import dataclass, field

from services.recommendation.algorithms.interactions import Kind
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.model import Reranker

NEWCOMER_WEIGHT = 4.0
"""`newcomer_weight` where a shop has too little data to learn it (docs/decisions/0020)."""


@dataclass(frozen=True, eq=False)
class RerankerModels:
    """Rerankers, and the features of the products that they need.

    Parameters
    ----------
    rerankers : dict of RerankContext to Reranker
        A context with too little data has none.
    item_features : dict of Kind to ItemFeatures
        For the target of each reranker, of all products of the model.
    rebuy_rate : float
        Share of the pairs of customer and bought product that were bought in more than one basket, 0 to 1.
    newcomer_weight : float
        Weight of the DISCOVERY reranker beside best-sellers, which weigh 1, for shoppers of whom few events are known;
        above 0.
    """

    rerankers: dict[RerankContext, Reranker] = field(default_factory=dict)
    item_features: dict[Kind, ItemFeatures] = field(default_factory=dict)
    rebuy_rate: float = 0.0
    newcomer_weight: float = NEWCOMER_WEIGHT

    def __post_init__(self) -> None:
        missing = {reranker.target for reranker in self.rerankers.values()} - self.item_features.keys()
        if missing:
            raise ValueError(f"item features: missing for {', '.join(sorted(kind.name for kind in missing))}")
