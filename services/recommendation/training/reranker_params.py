"""How a reranker is trained."""

from dataclasses import dataclass, field

from services.recommendation.reranker.candidates import DEPTH


@dataclass(frozen=True)
class BoostingParams:
    """How the trees are grown."""

    learning_rate: float = 0.1
    """Share of each tree's correction that is taken."""
    leaves: int = 15
    """Leaves of a tree."""
    rounds: int = 250
    """Most trees."""
    min_leaf: int = 200
    """Fewest candidates in a leaf."""
    features: float = 0.4
    """Share of the features that each tree sees: few, so that no tree learns single products by their features."""
    l2: float = 5.0
    """Ridge weight of leaf values."""
    seed: int = 1
    """Seed of the samples of features and candidates."""
    threads: int = 1
    """Threads of learning: trees this small are grown by one, several would wait for each other on a busy machine."""


@dataclass(frozen=True)
class RerankerParams:
    """How a reranker is trained."""

    depth: int = DEPTH
    """Products that each algorithm may propose."""
    negatives: int = 80
    """Candidates that were not chosen, for each training example."""
    k: int = 20
    """Places of the list that it is trained to fill best."""
    boosting: BoostingParams = field(default_factory=BoostingParams)
    seed: int = 0
    most_questions: int = 15_000
    """Questions of a context that it learns from, at most: they bound time and memory."""
    most_splits: int = 3
    """Splits of time that it learns from where questions are fewer than the most and a training is short."""
    few_events: int = 500_000
    """Events up to which a training is short."""


FIRST_TRAINING = RerankerParams(most_questions=1_000, most_splits=1)
"""For the first training of a shop, which is to answer soon; a whole training follows."""
