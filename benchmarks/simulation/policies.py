"""What is compared: ways to fill the pages, from best-sellers to the full loop."""

from collections.abc import Mapping
from typing import Any, Protocol

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import operations_pb2
from quintet.type.v1 import event_pb2
from quintet.type.v1.placement_pb2 import Placement
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
        for placement, page in PLACEMENTS.items():
            wanted = Placement(placement_id=placement, page_type=page, strategy="popular")
            stub.UpdatePlacement(pb.UpdatePlacementRequest(placement=wanted), timeout=CALL_SECONDS)

    def after_day(self, stub: Stub, day: int) -> None:
        """Learn nothing."""


class StaticHybrid:
    """Algorithms fused with fixed weights: collaborative 0.4, content 0.4, sequential 0.2."""

    name = "static_hybrid"
    title = "static hybrid .4/.4/.2"
    settings: Mapping[str, Any] = {}

    def begin(self, stub: Stub) -> None:
        """Set the weights, shared evenly by the algorithms of each kind.

        To change once a placement's variant has weights of its own: it is to leave out the learned rerankers, which
        still order the fused list here.
        """
        shares = ((COLLABORATIVE, 0.4), (CONTENT, 0.4), (SEQUENTIAL, 0.2))
        weights = [
            AlgorithmWeight(algorithm=name, weight=share / len(names)) for names, share in shares for name in names
        ]
        stub.SetWeights(operations_pb2.SetWeightsRequest(weights=weights, reason="static hybrid"), timeout=CALL_SECONDS)

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
    """All that learns: weights from responses every night, models anew every few nights.

    `begin` is the place for bandits and exploration: what switches them on for the placements goes there.
    """

    name = "full_loop"
    title = "full loop"
    settings: Mapping[str, Any] = {}
    train_every_days = 5

    def begin(self, stub: Stub) -> None:
        """Take the shop as it was trained; to come: bandits and exploration on the three placements."""

    def after_day(self, stub: Stub, day: int) -> None:
        """Set the weights by what was measured, and train anew when it is due."""
        optimise = pb.OptimizeAlgorithmsRequest(tune_minutes=0.0)
        finish(stub, stub.OptimizeAlgorithms(optimise, timeout=CALL_SECONDS).job)
        if (day + 1) % self.train_every_days == 0:
            finish(stub, stub.TrainModels(pb.TrainModelsRequest(quick=True), timeout=CALL_SECONDS).job)


POLICIES: dict[str, type[Policy]] = {policy.name: policy for policy in (Popular, StaticHybrid, Offline, FullLoop)}
"""All policies by name, from the simplest to the one that is to be proven."""
