"""A stream of products: options of the first message, and what a whole catalogue leaves out."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.product.v1 import product_service_pb2 as product_pb
from quintet.type.v1.product_pb2 import Product

from services.coordinator import product_import
from services.coordinator.byte_budget import ByteBudget
from services.coordinator.product_import import Imported, ProductImport
from shared.errors import FailedPrecondition, InvalidArgument, Unavailable
from shared.ids import digests

FULL = pb.IMPORT_MODE_FULL
BUDGET = ByteBudget(1_000_000)
SHARES: list[tuple[dict[str, Any], float]] = [
    ({}, 0.5),
    ({"max_retired_share": 0.0}, 0.0),
    ({"validate_only": True}, 0.5),
]


class FakeAgents:
    """Stands for the clients: takes all products but those named `bad`, and keeps what it was asked."""

    product: Any = type("Stub", (), {"UpsertProducts": "upsert", "RetireProducts": "retire"})

    def __init__(self, fault: Exception | None = None) -> None:
        self.upserts: list[product_pb.UpsertProductsRequest] = []
        self.retirement: list[product_pb.RetireProductsRequest] | None = None
        self._fault = fault

    async def call(self, method: str, request: Any, timeout_seconds: float | None = None) -> Any:
        if method == "retire":
            self.retirement = list(request)
            if self._fault:
                raise self._fault
            return product_pb.RetireProductsResponse(retired=7)
        for index, each in enumerate(request.products):
            if each.product_id == "bad":
                raise InvalidArgument.of(f"products[{index}].name", "", "is required for a new product")
        self.upserts.append(request)
        return product_pb.UpsertProductsResponse(created=len(request.products), stale=1)


async def stream(*requests: pb.ImportProductsRequest) -> AsyncIterator[pb.ImportProductsRequest]:
    for each in requests:
        yield each


def named(*ids: str, **options: Any) -> list[pb.ImportProductsRequest]:
    """Return the messages of products, the first with options."""
    first, *rest = ids
    return [
        pb.ImportProductsRequest(product=Product(product_id=first), **options),
        *(pb.ImportProductsRequest(product=Product(product_id=each)) for each in rest),
    ]


async def run(agents: FakeAgents, requests: Iterable[pb.ImportProductsRequest]) -> Imported:
    return await ProductImport(agents, BUDGET).run(stream(*requests))  # type: ignore[arg-type]


async def test_the_options_of_the_first_message_hold_for_all_portions() -> None:
    agents = FakeAgents()
    options: dict[str, Any] = {"update_mask": FieldMask(paths=["brand"]), "effective_time": Timestamp(seconds=5)}
    imported = await run(agents, named(*map(str, range(600)), **options, validate_only=True))
    assert [len(each.products) for each in agents.upserts] == [500, 100]
    for each in agents.upserts:
        assert (each.update_mask, each.effective_time) == (options["update_mask"], options["effective_time"])
        assert each.validate_only
    assert (imported.tally.created, imported.stale, imported.retired) == (600, 2, 0)
    assert agents.retirement is None


async def test_a_whole_catalogue_names_also_what_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product_import, "IDS_AT_ONCE", 2)
    monkeypatch.setattr(product_import, "MAX_DIGESTS", 3)
    agents = FakeAgents()
    options = pb.ImportProductsRequest(mode=FULL, max_retired_share=0.25)
    imported = await run(agents, [options, *named("a", "b", "bad", "c", "d")])
    assert (imported.retired, imported.tally.created, imported.tally.rejected) == (7, 4, 1)
    assert agents.retirement is not None
    first, *rest = agents.retirement
    assert (first.max_retired_share, first.validate_only, first.HasField("start_time")) == (0.25, False, True)
    assert [len(each.listed) for each in rest] == [3, 2]
    assert [digest for each in rest for digest in each.listed] == digests(["a", "b", "bad", "c", "d"]).tolist()


@pytest.mark.parametrize(
    ("given", "share"), [({}, 0.5), ({"max_retired_share": 0.0}, 0.0), ({"validate_only": True}, 0.5)]
)
async def test_half_may_be_deleted_unless_told(given: dict[str, Any], share: float) -> None:
    agents = FakeAgents()
    await run(agents, named("a", mode=FULL, **given))
    assert agents.retirement is not None
    assert agents.retirement[0].max_retired_share == share
    assert agents.retirement[0].validate_only == given.get("validate_only", False)


async def test_a_stream_that_breaks_deletes_nothing() -> None:
    async def breaking() -> AsyncIterator[pb.ImportProductsRequest]:
        for each in named("a", "b", mode=FULL):
            yield each
        raise Unavailable("the caller is gone")

    agents = FakeAgents()
    with pytest.raises(Unavailable):
        await ProductImport(agents, BUDGET).run(breaking())  # type: ignore[arg-type]
    assert agents.retirement is None


async def test_a_share_that_is_exceeded_is_told() -> None:
    with pytest.raises(FailedPrecondition):
        await run(FakeAgents(FailedPrecondition("too much")), named("a", mode=FULL))


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"mode": 9}, "mode"),
        ({"max_retired_share": 1.1}, "max_retired_share"),
        ({"max_retired_share": -1}, "max_retired_share"),
    ],
)
async def test_bad_options_are_refused_before_anything_is_stored(options: dict[str, Any], field: str) -> None:
    agents = FakeAgents()
    with pytest.raises(InvalidArgument) as caught:
        await run(agents, named("a", **options))
    assert caught.value.violations[0].field == field
    assert agents.upserts == []


async def test_an_empty_stream_is_no_product() -> None:
    assert (await run(FakeAgents(), [])).tally.created == 0
