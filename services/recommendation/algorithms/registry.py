"""All algorithms by name. To add an algorithm, add a file to this folder and its class to `CLASSES`."""

from services.recommendation.algorithms.base import Algorithm
from services.recommendation.algorithms.category_affinity import CategoryAffinity
from services.recommendation.algorithms.content import Content
from services.recommendation.algorithms.customer_knn import CustomerKnn
from services.recommendation.algorithms.ease import Ease
from services.recommendation.algorithms.graph_filter import GraphFilter
from services.recommendation.algorithms.item_knn import ItemKnn
from services.recommendation.algorithms.matrix_factorization import MatrixFactorization
from services.recommendation.algorithms.new_arrivals import NewArrivals
from services.recommendation.algorithms.popular import Popular
from services.recommendation.algorithms.related import Complementary, Similar
from services.recommendation.algorithms.repurchase import Repurchase
from services.recommendation.algorithms.session_knn import SessionKnn
from services.recommendation.algorithms.transitions import Transitions
from services.recommendation.algorithms.trending import Trending

CLASSES: tuple[type[Algorithm], ...] = (
    Popular,
    Trending,
    NewArrivals,
    CategoryAffinity,
    Content,
    Similar,
    Complementary,
    Repurchase,
    SessionKnn,
    Transitions,
    ItemKnn,
    CustomerKnn,
    GraphFilter,
    Ease,
    MatrixFactorization,
)

BY_NAME: dict[str, type[Algorithm]] = {algorithm.name: algorithm for algorithm in CLASSES}


def default_algorithms() -> list[Algorithm]:
    """Return one unfitted algorithm of each class with its default configuration; those quick to train come first."""
    return [algorithm() for algorithm in CLASSES]
