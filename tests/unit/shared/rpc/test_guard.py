"""What is decided before a call begins, by role, by key, by load; and what browser keys may ask for."""

from collections.abc import Iterator

import pytest
from google.protobuf.message import Message
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.event_pb2 import Event, HomeView, Purchase, Refund
from quintet.type.v1.placement_pb2 import PlacementBoosts, PlacementRequest
from quintet.type.v1.recommendation_pb2 import Feedback

from shared.api_keys import ANYBODY, Caller, Role
from shared.errors import Overloaded, PermissionDenied, RateLimited, Unauthenticated
from shared.rpc.admission import Admission
from shared.rpc.authentication import Metadata
from shared.rpc.guard import Guard, caller, check_request
from shared.rpc.rights import COORDINATOR, RIGHTS, Work
from shared.rpc.threads import work

BROWSER = Caller("pages", Role.STOREFRONT, browser=True)


def method(name: str) -> str:
    return f"/{COORDINATOR}/{name}"


class Known:
    """Takes everybody for the same caller."""

    def __init__(self, who: Caller | None) -> None:
        self.who = who

    async def authenticate(self, metadata: Metadata) -> Caller:
        if self.who is None:
            raise Unauthenticated("no key")
        return self.who


@pytest.fixture(autouse=True)
def context() -> Iterator[None]:
    was, worked = caller.set(ANYBODY), work.set(None)
    yield
    caller.reset(was)
    work.reset(worked)


async def allowed(who: Caller, name: str) -> bool:
    try:
        await Guard(Known(who)).admit(name, [])
    except PermissionDenied:
        return False
    return True


@pytest.mark.parametrize("role", Role)
async def test_a_role_calls_what_its_rows_say(role: Role) -> None:
    for name, right in RIGHTS.items():
        assert await allowed(Caller("k", role), name) == (role in right.roles), name


async def test_browser_keys_call_what_is_open_to_them() -> None:
    for name, right in RIGHTS.items():
        assert await allowed(BROWSER, name) == (right.browser is not None), name


async def test_nobody_unknown_is_admitted() -> None:
    with pytest.raises(Unauthenticated):
        await Guard(Known(None)).admit(method("GetStatus"), [])


async def test_who_calls_and_the_kind_of_work_are_known_to_what_follows() -> None:
    who = Caller("k", Role.ADMIN)
    leave = await Guard(Known(who)).admit(method("ListProducts"), [])
    assert caller.get() is who
    assert work.get() is Work.REPORT
    leave()


async def test_a_call_takes_a_place_and_gives_it_back() -> None:
    guard = Guard(Known(Caller("k", Role.ADMIN)))
    leave = await guard.admit(method("GetStatus"), [])
    assert guard.admission.taken == 1
    leave()
    assert guard.admission.taken == 0


async def test_refused_calls_hold_no_place() -> None:
    guard = Guard(Known(Caller("k", Role.STOREFRONT)))
    with pytest.raises(PermissionDenied):
        await guard.admit(method("GetStatus"), [])
    assert guard.admission.taken == 0


async def test_reports_are_refused_while_pages_are_still_answered() -> None:
    guard = Guard(Known(Caller("k", Role.ADMIN)), Admission("test", most=10))
    for _ in range(4):
        await guard.admit(method("GetRecommendations"), [])
    with pytest.raises(Overloaded):
        await guard.admit(method("ListProducts"), [])
    await guard.admit(method("GetRecommendations"), [])


@pytest.mark.parametrize(("server", "key", "calls"), [(1.0, 1.0, 100), (1.0, 2.0, 200), (0.5, 1.0, 50)])
async def test_a_key_calls_as_often_as_it_may(server: float, key: float, calls: int) -> None:
    guard = Guard(Known(Caller("k", Role.ADMIN, rate_factor=key)), rate_factor=server)
    admitted, waits = 0, []
    for _ in range(calls * 2):
        try:
            (await guard.admit(method("GetStatus"), []))()
            admitted += 1
        except RateLimited as refused:
            waits.append(refused.retry_after_seconds)
    assert calls <= admitted < calls * 1.5  # some more are admitted while the loop runs
    assert all(waits)


async def test_no_rate_is_asked_of_callers_without_keys_nor_where_it_is_off() -> None:
    for guard in (Guard(), Guard(Known(Caller("k", Role.ADMIN)), rate_factor=0)):
        for _ in range(300):
            (await guard.admit(method("GetStatus"), []))()


VISITORS = Event(visitor_id="v", home_view=HomeView())
CUSTOMERS = Event(customer_id="c", visitor_id="v", home_view=HomeView())
BOUGHT = Event(visitor_id="v", purchase=Purchase())
BY_PRICE, BY_MARGIN = PlacementBoosts(price=1), PlacementBoosts(price=1, margin=0.1)


def lists_of(*requests: PlacementRequest) -> pb.BatchGetRecommendationsRequest:
    return pb.BatchGetRecommendationsRequest(visitor_id="v", requests=requests)


GIVEN_BACK = Event(visitor_id="v", refund=Refund())


@pytest.mark.parametrize(
    ("name", "request_", "allowed"),
    [
        ("RecordEvent", pb.RecordEventRequest(event=VISITORS), True),
        ("RecordEvent", pb.RecordEventRequest(event=CUSTOMERS), False),
        ("RecordEvent", pb.RecordEventRequest(event=BOUGHT), False),
        ("RecordEvent", pb.RecordEventRequest(event=GIVEN_BACK), False),
        ("GetRecommendations", pb.GetRecommendationsRequest(visitor_id="v"), True),
        ("GetRecommendations", pb.GetRecommendationsRequest(visitor_id="v", customer_id="c"), False),
        ("GetRecommendations", pb.GetRecommendationsRequest(visitor_id="v", boosts=BY_PRICE), True),
        ("GetRecommendations", pb.GetRecommendationsRequest(visitor_id="v", boosts=BY_MARGIN), False),
        ("BatchGetRecommendations", lists_of(PlacementRequest(), PlacementRequest(boosts=BY_PRICE)), True),
        ("BatchGetRecommendations", lists_of(PlacementRequest(), PlacementRequest(boosts=BY_MARGIN)), False),
        ("RecordFeedback", pb.RecordFeedbackRequest(feedback=Feedback(visitor_id="v")), True),
        ("RecordFeedback", pb.RecordFeedbackRequest(feedback=Feedback(customer_id="c")), False),
        ("GetProduct", pb.GetProductRequest(product_id="p"), True),
    ],
)
def test_a_browser_names_its_visitor_only(name: str, request_: Message, allowed: bool) -> None:
    check_request(method(name), request_)  # everybody else may
    caller.set(BROWSER)
    if allowed:
        check_request(method(name), request_)
    else:
        with pytest.raises(PermissionDenied):
            check_request(method(name), request_)


async def test_the_rate_may_change_while_calls_are_admitted() -> None:
    guard = Guard(Known(Caller("k", Role.ADMIN)), rate_factor=0.0)
    for _ in range(200):
        (await guard.admit(method("ListJobs"), []))()
    guard.rate_factor = 0.01
    (await guard.admit(method("ListJobs"), []))()
    with pytest.raises(RateLimited):
        await guard.admit(method("ListJobs"), [])
