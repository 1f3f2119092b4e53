"""gRPC repeats only what may be done twice."""

from quintet.coordinator.v1 import coordinator_service_pb2
from quintet.customer.v1 import customer_service_pb2
from quintet.feedback.v1 import feedback_service_pb2
from quintet.product.v1 import product_service_pb2
from quintet.recommendation.v1 import recommendation_service_pb2

from shared.rpc.retries import repeated_methods

MODULES = (
    coordinator_service_pb2,
    customer_service_pb2,
    feedback_service_pb2,
    product_service_pb2,
    recommendation_service_pb2,
)
UNSAFE = {
    "RecordEvent",  # without an id of its own an event would be stored twice
    "BatchRecordEvents",
    "RecordFeedback",
    "RegisterCustomer",
    "DeleteCustomer",
    "DeleteVisitor",
    "DeleteProduct",  # without `allow_missing` the second call is NOT_FOUND
    "DeletePlacement",
    "DeleteRule",
    "PurgeEvents",
    "RebuildProjection",
    "EraseCustomer",
    "UpsertCustomers",  # with `create_only` the second call is refused
    "TrainModels",
    "RefreshCatalog",
    "RefreshCustomers",
    "OptimizeAlgorithms",
    "TuneAlgorithms",
    "UpdateWeights",
    "SetWeights",  # without a `request_id` it would undo what another set in between
    "RollBackModel",
    "RollBackModelVersion",
}


def test_what_is_repeated_exists() -> None:
    known = {
        (service.full_name, method.name)
        for module in MODULES
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    ours = {(service, name) for service, name in repeated_methods() if service.startswith("quintet.")}
    assert ours <= known
    assert len(repeated_methods()) == len(set(repeated_methods()))


def test_what_only_reads_is_repeated() -> None:
    methods = coordinator_service_pb2.DESCRIPTOR.services_by_name["CoordinatorService"].methods
    reads = {each.name for each in methods if each.name.startswith(("Get", "List", "Watch", "Export", "Preview"))}
    assert reads <= {name for service, name in repeated_methods() if service.startswith("quintet.coordinator")}


def test_new_placements_and_rules_are_repeated() -> None:
    repeated = {name for _, name in repeated_methods()}
    assert {"CreatePlacement", "CreateRule"} <= repeated


def test_what_must_not_be_done_twice_is_not_repeated() -> None:
    assert not UNSAFE & {name for _, name in repeated_methods()}
