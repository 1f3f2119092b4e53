"""What was learned over the algorithms of one model: a hybrid for each context with enough to learn from."""

from dataclasses import dataclass, field

from services.recommendation.algorithms.interactions import Kind
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.model import Reranker


@dataclass(frozen=True, eq=False)
class RerankerModels:
    """Hybrids and what they need to know of the products.

    Parameters
    ----------
    hybrids : dict of RerankContext to Reranker
        A context with too little data has none.
    facts : dict of Kind to ItemFeatures
        For the target of each hybrid, of all products of the model.
    rebuy_rate : float
        Share of the pairs of customer and bought product that were bought in more than one basket, 0 to 1.
    """

    hybrids: dict[RerankContext, Reranker] = field(default_factory=dict)
    facts: dict[Kind, ItemFeatures] = field(default_factory=dict)
    rebuy_rate: float = 0.0

    def __post_init__(self) -> None:
        missing = {hybrid.target for hybrid in self.hybrids.values()} - self.facts.keys()
        if missing:
            raise ValueError(f"facts: missing for {', '.join(sorted(kind.name for kind in missing))}")
