"""What the fuzzer sends: every method, the same requests for a seed, all fields over time; and what it counts."""

from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quintet.coordinator.v1 import coordinator_service_pb2 as pb

from benchmarks.fuzz.__main__ import MOST_GROWTH_MB, is_bad
from benchmarks.fuzz.findings import MOST_SAMPLES, Findings
from benchmarks.fuzz.generator import TEXTS, Generator
from benchmarks.fuzz.searcher import search
from benchmarks.fuzz.sender import JOBS, MOST_JOBS, plan, targets
from benchmarks.fuzz.strategies import messages
from shared.rpc.rights import REFLECTION, RIGHTS

EVENT = pb.RecordEventRequest.DESCRIPTOR


def test_every_method_is_called() -> None:
    called = {target.path for target in plan(5_000, seed=1)}
    reflection = {f"/{service}/ServerReflectionInfo" for service in REFLECTION}
    assert called == set(RIGHTS) - reflection == {target.path for target in targets()}


def test_jobs_are_few() -> None:
    for name in JOBS:
        of_one = [target for target in plan(50_000, seed=1) if target.descriptor.name == name]
        assert 0 < len(of_one) <= 2 * MOST_JOBS


def test_the_same_seed_makes_the_same_requests() -> None:
    assert [Generator(3).request(EVENT) for _ in range(20)] == [Generator(3).request(EVENT) for _ in range(20)]
    assert plan(100, 3) == plan(100, 3)


@pytest.mark.parametrize("target", targets(), ids=lambda target: target.path)
def test_a_message_of_every_method_can_be_made_and_read(target: object) -> None:
    descriptor = target.descriptor.input_type  # type: ignore[attr-defined]
    for seed in range(50):
        message = Generator(seed).message(descriptor)
        assert type(message).FromString(message.SerializeToString()).DESCRIPTOR is descriptor


def test_every_text_and_every_kind_of_event_comes_up() -> None:
    texts, details = set(), set()
    for seed in range(3_000):
        message = Generator(seed).message(EVENT)
        assert isinstance(message, pb.RecordEventRequest)
        texts |= {message.event.event_id, message.event.session_id, message.event.visitor_id}
        details.add(message.event.WhichOneof("detail"))
    assert set(TEXTS) <= texts
    assert {field.name for field in message.event.DESCRIPTOR.oneofs_by_name["detail"].fields} <= details


def test_what_must_not_happen_is_counted_and_kept() -> None:
    findings = Findings()
    for code in ("OK", "OK", "INTERNAL", "UNKNOWN", "INVALID_ARGUMENT"):
        findings.add("/a/B", code, b"\x01", "said")
    findings.hung("/a/C", b"\x02")
    assert (findings.inputs, findings.internal_errors, findings.hangs) == (6, 2, 1)
    assert findings.by_code() == {"INTERNAL": 1, "INVALID_ARGUMENT": 1, "OK": 2, "UNKNOWN": 1}
    assert [sample["code"] for sample in findings.samples] == ["INTERNAL", "UNKNOWN", "HANG"]
    assert findings.rows() == [{"method": "/a/B", "INTERNAL": 1, "INVALID_ARGUMENT": 1, "OK": 2, "UNKNOWN": 1}]
    for _ in range(2 * MOST_SAMPLES):
        findings.add("/a/B", "INTERNAL", b"x" * 1_000, "")
    assert len(findings.samples) == MOST_SAMPLES


def test_what_must_not_happen_fails_the_command() -> None:
    flat = {"customer": 3.0, "product": float(MOST_GROWTH_MB)}
    assert not is_bad(Findings(), flat, crashes=0)
    assert is_bad(Findings(), {**flat, "product": MOST_GROWTH_MB + 0.1}, crashes=0)
    assert is_bad(Findings(), flat, crashes=1)
    for code in ("INTERNAL", "UNKNOWN"):
        found = Findings()
        found.add("m", code, b"", "")
        assert is_bad(found, flat, crashes=0)
    hung = Findings()
    hung.hung("m", b"")
    assert is_bad(hung, flat, crashes=0)


@settings(max_examples=5, deadline=None)
@pytest.mark.parametrize("target", targets(), ids=lambda target: target.path)
@given(data=st.data())
def test_hypothesis_makes_messages_of_every_method(target: object, data: st.DataObject) -> None:
    descriptor = target.descriptor.input_type  # type: ignore[attr-defined]
    message = data.draw(messages(descriptor))
    assert type(message).FromString(message.SerializeToString()).DESCRIPTOR is descriptor


class _Refusing:
    """A channel whose one method ends INTERNAL when a request names a certain product."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def unary_unary(self, path: str) -> Any:
        def call(request: bytes, timeout: float) -> bytes:
            if b"product-3" in request:
                raise _InternalError
            return b""

        return call


class _InternalError(grpc.RpcError):
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.INTERNAL

    def details(self) -> str:
        return "a bug"


def test_hypothesis_keeps_the_smallest_request_that_ends_badly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc, "insecure_channel", lambda *_: _Refusing())
    [target] = [each for each in targets() if each.path.endswith("CoordinatorService/GetProduct")]
    findings = Findings()
    search({target.agent: "nowhere"}, [target], 500, findings)
    smallest = pb.GetProductRequest(product_id="product-3").SerializeToString()
    assert findings.internal_errors > 0
    assert findings.samples[-1]["request"] == smallest.hex()
