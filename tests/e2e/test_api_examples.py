"""The examples of `docs/api.md`, called on real agents with an empty database: each ends as the page says it may."""

import re
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.json_format import ParseDict

from scripts.api_reference.pages import PAGE, SERVICE
from services.coordinator.http.openapi.document import examples_of
from shared.db.engine import Database
from shared.db.migrate import migrate
from shared.rpc.status import from_rpc_error
from tests.support.cluster import coordinator_stub, running_cluster

EXAMPLES = examples_of(PAGE)
STARTS_A_JOB = {"RefreshCatalog", "OptimizeAlgorithms", "TrainModels", "RunSchedule"}
OF_EVERY_CALL = re.compile(r"^\| every call may end \|.*?\n\n", re.MULTILINE | re.DOTALL)
REASON = re.compile(r"`([A-Z]+(?:_[A-Z]+)+)`")
TEXT = PAGE.read_text()
CALLED = [method for method in SERVICE.methods if method.name not in STARTS_A_JOB]


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of five running agents that know nobody and nothing."""
    url = f"sqlite:///{tmp_path_factory.mktemp('empty') / 'quintet.db'}"
    database = Database(url)
    migrate(database)
    database.close()
    with (
        running_cluster(url, refresh_catalog_hours=0, train_hours=0) as cluster,
        coordinator_stub(cluster.address) as stub,
    ):
        yield stub


def documented(name: str) -> set[str]:
    """Return the reasons that the page says a call may end with."""
    general = OF_EVERY_CALL.search(TEXT)
    own = re.search(rf"^### {name}$.*?^Errors: (.+?)$", TEXT, re.MULTILINE | re.DOTALL)
    assert general
    assert own
    return {*REASON.findall(general[0]), *REASON.findall(own[1])}


@pytest.mark.parametrize("method", CALLED, ids=lambda each: each.name)
def test_the_example_ends_well_or_with_a_reason_that_the_page_names(stub: Any, method: Any) -> None:
    request = ParseDict(EXAMPLES[method.name], message_factory.GetMessageClass(method.input_type)())
    sent = iter([request]) if method.client_streaming else request
    try:
        answer = getattr(stub, method.name)(sent, timeout=30)
        _ = list(answer) if method.server_streaming else answer
    except grpc.RpcError as error:
        found = from_rpc_error(error).reason_name
        if found not in documented(method.name):
            pytest.fail(f"{error.code().name} {found}: {error.details()}")
