"""What is compared: ways to fill the pages, from best-sellers to the full loop."""

from collections.abc import Mapping
from typing import Any, Protocol

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1 import event_pb2
from quintet.type.v1.placement_pb2 import Bandit, Exploration, Placement, PlacementBoosts, Reward, Variant
from quintet.type.v1.recommendation_pb2 import AlgorithmWeight

from tests.e2e.small_shop import finish

Stub = Any
CALL_SECONDS = 60.0
PLACEMENTS = {
    "home": event_pb2.PAGE_TYPE_HOME,
    "product": event_pb2.PAGE_TYPE_PRODUCT,
    "cart": event_pb2.PAGE_TYPE_CART,
}
COLLABORATIVE = ("item_knn", "customer_knn", "graph_filter", "ease", "matrix_factorization")
CONTENT = ("content", "similar")
SEQUENTIAL = ("session_knn", "transitions")


EXPLORED_PLACES = 0.02
RELEVANCE_GIVEN_UP = 0.02
MOST_EXPLORED = 0.5
VARIANTS = (
    Variant(variant_id="as_it_is"),
    Variant(variant_id="hybrid_1", boosts=PlacementBoosts(revenue=1.0)),
    *(
        Variant(
            variant_id=f"categories_{power}",
            strategy="category_affinity",
            boosts=PlacementBoosts(revenue=power),
        )
        for power in (1, 2, 3)
    ),
    Variant(variant_id="popular", strategy="popular", boosts=PlacementBoosts(revenue=1.0)),
)


def place_all(stub: Stub, **fields: Any) -> None:
    """Fill all placements in a way."""
    for placement, page in PLACEMENTS.items():
        wanted = Placement(placement_id=placement, page_type=page, **fields)
        stub.UpdatePlacement(pb.UpdatePlacementRequest(placement=wanted), timeout=CALL_SECONDS)


class Policy(Protocol):
    """A way to fill the pages. `settings` are those of the agents beside the common ones."""

    name: str
    title: str
    settings: Mapping[str, Any]

    def begin(self, stub: Stub) -> None:
        """Set the shop up before the first day."""
        ...

    def after_day(self, stub: Stub, day: int) -> None:
        """Do what is done in the night after a day of the run; days count from 0."""
        ...


class Popular:
    """Best-sellers on every page."""

    name = "popular"
    title = "best-sellers only"
    settings: Mapping[str, Any] = {}

    def begin(self, stub: Stub) -> None:
        """Have all placements ordered by what sells most."""
        place_all(stub, strategy="popular")

    def after_day(self, stub: Stub, day: int) -> None:
        """Learn nothing."""


class StaticHybrid:
    """Algorithms fused with fixed weights: collaborative 0.4, content 0.4, sequential 0.2."""

    name = "static_hybrid"
    title = "static hybrid .4/.4/.2"
    settings: Mapping[str, Any] = {}

    def begin(self, stub: Stub) -> None:
        """Have all placements ordered by the weights alone, shared evenly by the algorithms of each kind."""
        shares = ((COLLABORATIVE, 0.4), (CONTENT, 0.4), (SEQUENTIAL, 0.2))
        weights = [
            AlgorithmWeight(algorithm=name, weight=share / len(names)) for names, share in shares for name in names
        ]
        place_all(stub, weights=weights)

    def after_day(self, stub: Stub, day: int) -> None:
        """Learn nothing."""


class Offline:
    """The learned hybrid, trained once on the history and left as it is."""

    name = "offline"
    title = "hybrid learned offline"
    settings: Mapping[str, Any] = {}

    def begin(self, stub: Stub) -> None:
        """Take the shop as it was trained."""

    def after_day(self, stub: Stub, day: int) -> None:
        """Learn nothing."""


class FullLoop:
    """All that learns: bandits that choose among variants, exploration, weights every night, models every few nights.

    The variants are what a shop would try that wants revenue: the hybrid as it is and ordered by what it earns, the
    categories that a shopper buys of with the price to several powers, best-sellers by what they earn. The reward is
    revenue. None was chosen by what it earned in the runs that are compared.
    """

    name = "full_loop"
    title = "full loop"
    settings: Mapping[str, Any] = {"exploration_seed": 1}
    train_every_days = 5

    def begin(self, stub: Stub) -> None:
        """Switch bandits and exploration on."""
        exploration = Exploration(share_of_places=EXPLORED_PLACES, relevance_given_up=RELEVANCE_GIVEN_UP)
        bandit = Bandit(variants=VARIANTS, reward=Reward(revenue=1.0), most_explored=MOST_EXPLORED)
        place_all(stub, bandit=bandit, exploration=exploration)

    def after_day(self, stub: Stub, day: int) -> None:
        """Set the weights by what was measured, and train anew when it is due."""
        optimise = pb.OptimizeAlgorithmsRequest(tune_minutes=0.0)
        finish(stub, stub.OptimizeAlgorithms(optimise, timeout=CALL_SECONDS).job)
        if (day + 1) % self.train_every_days == 0:
            finish(stub, stub.TrainModels(pb.TrainModelsRequest(quick=True), timeout=CALL_SECONDS).job)


POLICIES: dict[str, type[Policy]] = {policy.name: policy for policy in (Popular, StaticHybrid, Offline, FullLoop)}
"""All policies by name, from the simplest to the one that is to be proven."""
