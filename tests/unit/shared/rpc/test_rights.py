"""The table of rights is whole, and says what the documentation says."""

from pathlib import Path

import pytest
from google.protobuf.descriptor import MethodDescriptor
from quintet.coordinator.v1 import coordinator_service_pb2
from quintet.customer.v1 import customer_service_pb2
from quintet.feedback.v1 import feedback_service_pb2
from quintet.product.v1 import product_service_pb2
from quintet.recommendation.v1 import recommendation_service_pb2

from shared.api_keys import Role
from shared.rpc.guard import CLOSED_TO_BROWSERS
from shared.rpc.rights import CHANGES, COORDINATOR, REFLECTION, RIGHTS, UNKNOWN, Work, right_of

FILES = (
    coordinator_service_pb2,
    customer_service_pb2,
    product_service_pb2,
    recommendation_service_pb2,
    feedback_service_pb2,
)
METHODS: dict[str, MethodDescriptor] = {
    f"/{service.full_name}/{method.name}": method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
PUBLIC = [method for method in METHODS if COORDINATOR in method]
DOCS = Path(__file__).parents[4] / "docs" / "security.md"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_row(method: str) -> None:
    assert method in RIGHTS, f"{method} needs a row in shared/rpc/rights.py"


def test_every_row_has_a_method() -> None:
    reflection = {f"/{service}/ServerReflectionInfo" for service in REFLECTION}
    assert set(RIGHTS) == set(METHODS) | reflection


@pytest.mark.parametrize("method", METHODS)
def test_admins_call_all_that_is_public_and_no_key_calls_an_agent(method: str) -> None:
    right = RIGHTS[method]
    assert (Role.ADMIN in right.roles) == (method in PUBLIC)
    assert method in PUBLIC or not right.roles


def test_a_method_without_a_row_is_for_admins() -> None:
    assert right_of("/quintet.coordinator.v1.CoordinatorService/New") is UNKNOWN
    assert UNKNOWN.roles == {Role.ADMIN}


@pytest.mark.parametrize("method", [name for name in PUBLIC if RIGHTS[name].browser is not None])
def test_what_browsers_call_names_the_shopper_where_the_table_says(method: str) -> None:
    request, path = METHODS[method].input_type, RIGHTS[method].browser
    subject = request.fields_by_name[path].message_type if path else request
    named = {name for name in subject.fields_by_name if "customer_id" in name}
    assert named <= {"customer_id"}
    for oneof in (each for each in subject.oneofs if not each.name.startswith("_")):  # others are optional fields
        assert oneof.name == "detail"
        assert set(CLOSED_TO_BROWSERS) <= {field.name for field in oneof.fields}
    assert Role.STOREFRONT in RIGHTS[method].roles


def test_the_dear_is_refused_before_the_urgent() -> None:
    shares = [kind.limits.share for kind in Work]
    assert shares == sorted(shares, reverse=True)
    assert Work.SERVE.limits.share == 1.0


@pytest.mark.parametrize("method", PUBLIC)
def test_the_documentation_has_the_same_row(method: str) -> None:
    right = RIGHTS[method]
    marks = " | ".join("yes" if role in right.roles else "–" for role in Role)
    browser = "yes" if right.browser is not None else "–"
    assert f"| `{method.rsplit('/', 1)[1]}` | {marks} | {browser} | {right.work.name} |" in DOCS.read_text()


@pytest.mark.parametrize("kind", Work)
def test_the_documentation_has_the_same_limits(kind: Work) -> None:
    rate, at_once, size, share = vars(kind.limits).values()
    assert f"| {kind.name} | {rate:,} | {at_once} | {size // 1024:,} KiB | {share:.0%} |" in DOCS.read_text()


def test_the_log_says_who_called_what_merchandisers_and_admins_change() -> None:
    assert {method.rsplit("/", 1)[1] for method in CHANGES} == {
        "ActivateModel",
        "CancelJob",
        "ConcludeExperiment",
        "CreateExperiment",
        "CreatePlacement",
        "CreateRule",
        "DeleteExperiment",
        "DeletePlacement",
        "DeleteRule",
        "DeleteShadowModel",
        "OptimizeAlgorithms",
        "PauseImprovement",
        "PurgeEvents",
        "RebuildProjection",
        "ReplayFailedEvents",
        "ResumeImprovement",
        "RollBackModel",
        "RunSchedule",
        "SetShadowModel",
        "SetWeights",
        "StopExperiment",
        "TrainModels",
        "UpdatePlacement",
        "UpdateRule",
        "UpdateSchedule",
    }
