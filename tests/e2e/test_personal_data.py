"""Marked personal values go through every RPC and the import; none turns up in logs, errors, metrics or files."""

import hashlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.consent_pb2 import Consent, ConsentState
from quintet.type.v1.customer_pb2 import Customer, Demographics, ModelsState, TableRows
from quintet.type.v1.event_pb2 import Event, HomeView, Search

from shared.config import AGENTS
from shared.db.engine import Database
from shared.db.migrate import migrate
from tests.support.cluster import Cluster, coordinator_stub, free_ports, running_cluster

CANARY = "canary"
"""A part of each marked value."""
SECONDS = 20.0
SERVICE = pb.DESCRIPTOR.services_by_name["CoordinatorService"]
EMAIL = "canary@mail.example"
PRIVATE = (EMAIL, "canary name", "canary query", "canary region", "canary gender", "canary value")
"""What not even the caller is told back: names, addresses, words searched for, demographics."""
DEEPEST = 4
LONGEST = 400
"""Characters of a value that is too long for every id."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('shop') / 'quintet.db'}")
    migrate(database)
    database.close()
    metrics = dict(zip((f"{agent}_metrics_port" for agent in AGENTS), free_ports(len(AGENTS)), strict=True))
    with running_cluster(database.url, log_level="debug", **metrics) as running:
        yield running


def customer(customer_id: str) -> Customer:
    return Customer(
        customer_id=customer_id,
        name="Canary Name",
        email="canary@mail.example",
        demographics=Demographics(region="canary region", attributes={"canary key": "canary value"}),
    )


def test_the_usual_calls_tell_nobody(cluster: Cluster) -> None:
    with coordinator_stub(cluster.address) as stub:
        stub.RegisterCustomer(pb.RegisterCustomerRequest(customer=customer("canary-1")), timeout=SECONDS)
        stub.RegisterCustomer(pb.RegisterCustomerRequest(customer=customer("canary-2")), timeout=SECONDS)
        denied = Consent(personalise=ConsentState.CONSENT_STATE_DENIED)
        stub.SetVisitorConsent(pb.SetVisitorConsentRequest(visitor_id="canary-v", consent=denied), timeout=SECONDS)
        events = [
            Event(customer_id="canary-1", visitor_id="canary-w", search=Search(query="canary words")),
            Event(visitor_id="canary-v", session_id="canary-s", home_view=HomeView(), attributes={"canary": "canary"}),
        ]
        for event in events:
            request = pb.RecordEventRequest(event=event, recommend=pb.RecommendationOptions(limit=3))
            stub.RecordEvent(request, timeout=SECONDS)
        stub.GetCustomerProfile(pb.GetCustomerProfileRequest(customer_id="canary-1"), timeout=SECONDS)
        list(stub.ExportCustomer(pb.ExportCustomerRequest(customer_id="canary-1"), timeout=SECONDS))
        stub.DeleteCustomer(pb.DeleteCustomerRequest(customer_id="canary-1"), timeout=SECONDS)
        stub.DeleteVisitor(pb.DeleteVisitorRequest(visitor_id="canary-v"), timeout=SECONDS)
    assert_nobody_told(cluster)


def test_an_erasure_answers_the_stored_receipt_and_models_follow(cluster: Cluster) -> None:
    with coordinator_stub(cluster.address) as stub:
        stub.UpsertCustomer(pb.UpsertCustomerRequest(customer=customer("canary-3")), timeout=SECONDS)
        given = stub.DeleteCustomer(pb.DeleteCustomerRequest(customer_id="canary-3"), timeout=SECONDS).receipt
        wanted = pb.GetErasureReceiptRequest(receipt_id=given.receipt_id)
        until = time.monotonic() + SECONDS
        stored = stub.GetErasureReceipt(wanted, timeout=SECONDS).receipt
        while stored.models != ModelsState.MODELS_STATE_REMOVED:  # a job of the coordinator sees to it
            assert time.monotonic() < until
            stored = stub.GetErasureReceipt(wanted, timeout=SECONDS).receipt
    assert (stored.erase_time, stored.checksum) == (given.erase_time, given.checksum)
    assert list(stored.erased) == list(given.erased) == [TableRows(table="customers", rows=1)]
    content = [given.receipt_id, given.erase_time.ToMicroseconds(), {"customers": 1}]
    text = json.dumps(content, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == given.checksum


def test_nobody_learns_that_an_email_is_known(cluster: Cluster) -> None:
    with coordinator_stub(cluster.address) as stub:
        answers = [
            stub.RegisterCustomer(pb.RegisterCustomerRequest(customer=customer(name)), timeout=SECONDS).customer
            for name in ("first", "second")
        ]
    for answer in answers:
        for field in ("customer_id", "registration_time"):
            answer.ClearField(field)
    assert answers[0] == answers[1]


@pytest.mark.parametrize("method", list(SERVICE.methods), ids=lambda method: str(method.name))
def test_refused_calls_tell_nobody(cluster: Cluster, method: MethodDescriptor) -> None:
    """Every text of a request is marked, first short, then too long; no error but of an id quotes them."""
    with coordinator_stub(cluster.address) as stub:
        for length in (0, LONGEST):
            request = GetMessageClass(method.input_type)()
            fill(request, length)
            given = iter([request]) if method.client_streaming else request
            error = refusal(stub, method, given).lower()
            assert not [text for text in PRIVATE if text in error]
    assert_nobody_told(cluster)


def refusal(stub: Any, method: MethodDescriptor, given: Any) -> str:
    """Return what a call is refused with, its details included; empty when it is not."""
    try:
        answer = getattr(stub, method.name)(given, timeout=SECONDS)
        if method.server_streaming:
            list(answer)
    except grpc.RpcError as error:
        return str(error)
    return ""


def fill(message: Message, length: int, depth: int = 0) -> None:
    """Give every text field below a value with the canary and its own name in it; of events, make them searches."""
    for field in message.DESCRIPTOR.fields:
        if field.containing_oneof is not None and field.name != "search":
            continue
        if field.type == FieldDescriptor.TYPE_STRING:
            fill_text(message, field, length)
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            fill_map(message, field, length)
        elif field.message_type is not None and depth < DEEPEST and "google." not in field.message_type.full_name:
            part = getattr(message, field.name)
            fill(part.add() if field.is_repeated else part, length, depth + 1)


def fill_text(message: Message, field: FieldDescriptor, length: int) -> None:
    value = (EMAIL if field.name == "email" else f"{CANARY} {field.name}").ljust(length, "x")
    if field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


def fill_map(message: Message, field: FieldDescriptor, length: int) -> None:
    assert field.message_type is not None
    if field.message_type.fields_by_name["value"].type == FieldDescriptor.TYPE_STRING:
        getattr(message, field.name)[f"{CANARY} key"] = f"{CANARY} value".ljust(length, "x")


def assert_nobody_told(cluster: Cluster) -> None:
    told = [line for line in cluster.log if CANARY in line.lower()]
    assert not told, told[:3]
    for agent in AGENTS:
        address = f"http://127.0.0.1:{cluster.settings.metrics_port(agent)}/metrics"
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:
            assert CANARY not in answer.read().decode().lower()
    folder = Path(cluster.settings.database_url.removeprefix("sqlite:///")).parent
    others = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("quintet.db")]
    assert not [path.name for path in others if CANARY.encode() in path.read_bytes().lower()]


def test_an_import_tells_nobody(tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text("customer_id,name,email,age\nc-1,Canary Name,canary@mail.example,canary years\n")
    url = f"sqlite:///{tmp_path / 'quintet.db'}"
    for arguments in (("migrate",), ("import", "customers", str(file))):
        command = [sys.executable, "-m", "cli.main", *arguments]
        done = subprocess.run(command, env={"QUINTET_DATABASE_URL": url}, capture_output=True, text=True, timeout=120)
        assert CANARY not in (done.stdout + done.stderr).lower(), done
    rejects = file.with_name("customers.csv.rejects.jsonl")
    assert CANARY not in rejects.read_text().lower()
    assert rejects.stat().st_mode & 0o777 == 0o600
