"""The generated shop and the plans of calls."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from google.protobuf.json_format import ParseDict
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.event_pb2 import PageType

from benchmarks.serving.generated import Size, write_files
from benchmarks.serving.plan import EVENTS, EVENTS_AHEAD, PAGES, Call, Material, Planner, search_text, write_plan
from shared.events.check import check_event

SIZE = Size(products=200, customers=300, events=4_000, seed=5)
REQUESTS = {
    "GetRecommendations": pb.GetRecommendationsRequest,
    "RecordEvent": pb.RecordEventRequest,
    "BatchRecordEvents": pb.BatchRecordEventsRequest,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    write_files(SIZE, folder)
    return folder


@pytest.fixture
def planner(folder: Path) -> Planner:
    return Planner(Material.read(folder, 1), 1)


def parsed(call: Call) -> object:
    """Return the request as the load generator reads it; an unknown field would raise."""
    return ParseDict(call["request"], REQUESTS[call["method"]]())


def test_a_generated_shop_has_the_size_that_was_asked_for(folder: Path):
    rows = {name: pq.read_metadata(folder / f"{name}.parquet").num_rows for name in ("products", "customers", "events")}
    assert rows == {"products": SIZE.products, "customers": SIZE.customers, "events": SIZE.events}


def test_the_same_size_gives_the_same_shop(folder: Path, tmp_path: Path):
    write_files(SIZE, tmp_path)
    for name in ("products", "customers", "events"):
        assert pq.read_table(tmp_path / f"{name}.parquet").equals(pq.read_table(folder / f"{name}.parquet"))


def test_the_lines_of_an_order_follow_each_other_at_one_moment(folder: Path):
    events = pq.read_table(folder / "events.parquet").to_pylist()
    orders = [row["order_id"] for row in events]
    runs = [order for order, before in zip(orders, [None, *orders], strict=False) if order and order != before]
    assert len(runs) == len(set(runs)) > 100
    moments: dict[str, set[object]] = {}
    for row in events:
        assert (row["order_id"] is not None) == (row["event_type"] == "purchase")
        moments.setdefault(row["order_id"] or "", set()).add(row["timestamp"])
    assert all(len(times) == 1 for order, times in moments.items() if order)


def test_customers_are_not_equally_active(folder: Path):
    counts = Counter(pq.read_table(folder / "events.parquet")["customer_id"].to_pylist())
    tenth = sorted(counts.values(), reverse=True)[: SIZE.customers // 10]
    assert sum(tenth) > 0.25 * SIZE.events


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_asked_with_what_it_needs(planner: Planner, page: str):
    for call in planner.page(page, 20):
        request = parsed(call)
        assert isinstance(request, pb.GetRecommendationsRequest)
        context = request.context
        assert PageType.Name(context.page_type) == f"PAGE_TYPE_{page}"
        assert bool(context.product_id) == (page == "PRODUCT")
        assert bool(context.category) == (page == "CATEGORY")
        assert bool(context.search_query) == (page == "SEARCH")
        assert bool(context.cart_product_ids) == (page == "CART")
        assert bool(context.purchased_product_ids) == (page == "POST_PURCHASE")
        assert request.customer_id


def test_a_cold_visitor_is_never_asked_for_twice(planner: Planner):
    calls = planner.cold("HOME", 50) + planner.cold("HOME", 50)
    visitors = {call["request"]["visitorId"] for call in calls}
    assert len(visitors) == 100
    assert not any("customerId" in call["request"] for call in calls)


def test_mixed_calls_have_all_pages_and_some_strangers(planner: Planner):
    calls = planner.mixed(700)
    assert set(PAGES) == {call["group"] for call in calls}
    strangers = [call for call in calls if "visitorId" in call["request"]]
    assert 70 < len(strangers) < 210
    assert all(call["group"] != "BUY_AGAIN" for call in strangers)


def test_events_pass_the_checks_of_the_coordinator(planner: Planner):
    calls = planner.events(300)
    kinds = set()
    for call in calls:
        request = parsed(call)
        assert isinstance(request, pb.RecordEventRequest)
        check_event(request.event)
        kinds.add(request.event.WhichOneof("detail"))
    assert kinds == set(EVENTS)


def test_one_answer_to_three_events(planner: Planner):
    methods = Counter(call["method"] for call in planner.with_events(25))
    assert methods == {"GetRecommendations": 25, "RecordEvent": 75}


def test_batches_have_their_size(planner: Planner):
    [batch] = planner.batches(1, 7)
    request = parsed(batch)
    assert isinstance(request, pb.BatchRecordEventsRequest)
    assert len(request.events) == 7


def test_the_same_seed_gives_the_same_plan(folder: Path, tmp_path: Path):
    material = Material.read(folder, 1)
    first, second, other = (Planner(material, seed).with_events(30) for seed in (2, 2, 3))
    assert first == second != other
    path = write_plan(first, tmp_path / "new" / "plan.jsonl")
    assert [json.loads(line) for line in path.read_text().splitlines()] == first


def test_popular_products_are_met_often(folder: Path):
    events = Counter(pq.read_table(folder / "events.parquet")["product_id"].to_pylist())
    material = Counter(Material.read(folder, 1).products)
    best = [product for product, _ in events.most_common(20)]
    assert np.mean([material[product] for product in best]) > np.mean(list(material.values()))


def test_a_search_is_the_first_words_of_a_name():
    assert search_text("Bananas, Organic 40 lb") == "bananas organic"


def test_each_answer_comes_some_calls_after_an_event_of_the_same_shopper(planner: Planner):
    calls = planner.after_events("HOME", 200)
    answered = [call["request"]["customerId"] for call in calls if call["group"] == "HOME"]
    viewed = [call["request"]["event"]["customerId"] for call in calls if call["group"] == "event"]
    assert viewed == [*answered, *answered[:EVENTS_AHEAD]]
    places = {name: [place for place, call in enumerate(calls) if call["group"] == name] for name in ("HOME", "event")}
    ahead = [answer - view for answer, view in zip(places["HOME"], places["event"], strict=False)]
    assert min(ahead) >= EVENTS_AHEAD
