"""The parts of the benchmark. Each can be measured alone; the results of the others stay."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict

import grpc
import numpy as np
from google.protobuf.json_format import ParseDict
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.job_pb2 import JobState
from quintet.type.v1.recommendation_pb2 import RecommendationList

from benchmarks.machine import ROOT
from benchmarks.serving.bench import PLANNED, Agents, Bench, own, peaks
from benchmarks.serving.ceiling import empty_service, typical_answer
from benchmarks.serving.freshness import Freshness, probe
from benchmarks.serving.load import Loop, Measured
from benchmarks.serving.plan import PAGES, write_plan
from benchmarks.serving.shops import Shop
from benchmarks.serving.stages import GRPC
from tests.support.cluster import coordinator_stub

CALLERS = (1, 8, 32)
EVENT_CALLERS = (1, 8, 32, 64)
RATES = (50, 100, 200)
HEADLINE_RATE = 100
TRAINING_RATE = 50
HEADLINE_CALLERS = 8
BATCH = 500
BATCHES = 40
RESTARTS = 3
RESTART_PATIENCE_SECONDS = 120.0
STARTS = 3
LONGEST_TRAINING_SECONDS = 120.0
CONNECTIONS = 4
KEPT_UP = 0.99
"""Share of full answers below which a rate was too much, so that times under it mean nothing."""


def ceiling(bench: Bench) -> None:
    """Measure an empty service: what the stack can do when nothing is to be done."""
    bench.start("ceiling")
    planner = bench.planner(bench.ready(bench.demo))
    with empty_service(typical_answer(), bench.scratch) as address:
        for callers in CALLERS:
            home = planner.page("HOME", PLANNED)
            found = bench.phase("ceiling", "empty", "HOME", address, home, bench.loop(callers=callers))
            if callers == HEADLINE_CALLERS:
                bench.results.add("ceiling", "ceiling.recommendations_per_second", found.per_second, "1/s")
        bench.phase("ceiling", "empty", "all pages", address, planner.mixed(PLANNED), bench.loop(rate=HEADLINE_RATE))
        for callers in EVENT_CALLERS:
            loop = bench.loop(callers=callers, connections=min(callers, CONNECTIONS))
            found = bench.phase("ceiling", "empty", "events", address, planner.events(PLANNED), loop)
        bench.results.add("ceiling", "ceiling.events_per_second", found.per_second, "1/s")


def demo(bench: Bench) -> None:
    """Measure answers on the demo catalogue, the ceiling right beside."""
    shop = bench.ready(bench.demo)
    bench.start("demo", data=_sizes(shop))
    planner = bench.planner(shop)
    with bench.agents(shop) as agents:
        _warm(bench, agents)
        _first_time(bench, agents, "demo")
        ratio = _beside_the_ceiling(bench, agents, "demo")
        bench.results.add("demo", "recommend.throughput_ratio", ratio, "of the empty service's answers a second")
        _closed(bench, agents, "demo", CALLERS)
        for page in PAGES[1:]:
            bench.phase("demo", "demo", page, agents.address, planner.page(page, PLANNED), bench.loop())
        cold = bench.phase("demo", "demo", "cold HOME", agents.address, planner.cold("HOME", PLANNED), bench.loop())
        bench.results.add("demo", "recommend.cold_p50_ms", cold.percentile(50), "ms, 1 caller")
        found = _open(bench, agents, "demo")[HEADLINE_RATE]
        bench.results.add("demo", "recommend.p50_ms", found.percentile(50), "ms, 100 a second, all pages")
        bench.results.add("demo", "recommend.p99_ms", found.percentile(99), "ms, 100 a second, all pages")
        _after_events(bench, agents)
        for loop in (bench.loop(callers=HEADLINE_CALLERS), bench.loop(rate=HEADLINE_RATE)):
            bench.phase("demo", "demo", "answers and events 1:3", agents.address, planner.with_events(PLANNED), loop)
        for agent, peak in peaks(agents.cluster).items():
            bench.results.add("demo", f"peak_mb.{agent}", peak, "MiB, loading and serving the demo shop")
        for agent, alone in own(agents.cluster).items():
            bench.results.add("demo", f"own_mb.{agent}", alone, "MiB that no other process shares, at the end")


def anew(bench: Bench) -> None:
    """Measure answers of agents that make each page anew, on the demo catalogue, the ceiling right beside."""
    shop = bench.ready(bench.demo)
    bench.start("anew", data=_sizes(shop))
    with bench.agents(shop, keep_pages_seconds=0) as agents:
        _warm(bench, agents)
        _first_time(bench, agents, "anew")
        ratio = _beside_the_ceiling(bench, agents, "anew")
        bench.results.add("anew", "anew.throughput_ratio", ratio, "of the empty service's answers a second")
        found = _open(bench, agents, "anew", (HEADLINE_RATE,))[HEADLINE_RATE]
        bench.results.add("anew", "anew.p50_ms", found.percentile(50), "ms, 100 a second, all pages")
        bench.results.add("anew", "anew.p99_ms", found.percentile(99), "ms, 100 a second, all pages")


def single(bench: Bench) -> None:
    """Measure answers of one recommendation agent on the demo catalogue, and its memory."""
    shop = bench.ready(bench.demo)
    bench.start("single", data=_sizes(shop))
    with bench.agents(shop, replicas=1) as agents:
        _warm(bench, agents)
        _closed(bench, agents, "single", CALLERS)
        _open(bench, agents, "single")
        own_mb = own(agents.cluster)["recommendation"]
    bench.results.add("single", "single.own_mb", own_mb, "MiB that no other process shares, one recommendation agent")


def events(bench: Bench) -> None:
    """Measure how fast events are recorded, on the demo catalogue."""
    shop = bench.ready(bench.demo)
    bench.start("events", data=_sizes(shop))
    planner = bench.planner(shop)
    with bench.agents(shop) as agents:
        for callers in EVENT_CALLERS:
            loop = bench.loop(callers=callers, connections=min(callers, CONNECTIONS))
            found = bench.phase("events", "demo", "events", agents.address, planner.events(PLANNED), loop)
            if callers == 1:
                bench.results.add("events", "event.p50_ms", found.percentile(50), "ms, 1 caller")
        bench.results.add("events", "event.acknowledged_per_second", found.per_second, "1/s, 64 callers")
        streamed = bench.phase(
            "events",
            "demo",
            "ImportEvents",
            agents.address,
            planner.events(bench.options.streamed),
            bench.loop(stream=True),
        )
        by_stream = streamed.items_per_second
        bench.results.add("events", "ingest.stream_events_per_second", by_stream, "1/s, ImportEvents, one stream")
        batches = bench.phase(
            "events",
            "demo",
            f"batches of {BATCH}",
            agents.address,
            planner.batches(BATCHES, BATCH),
            bench.loop(callers=2, connections=2),
        )
        by_batch = batches.items_per_second
        bench.results.add("events", "ingest.batch_events_per_second", by_batch, "1/s, BatchRecordEvents, 2 callers")
        unit = "1/s, the faster of stream and batches"
        bench.results.add("events", "ingest.events_per_second", max(by_stream, by_batch), unit)


def freshness(bench: Bench) -> None:
    """Measure how soon answers know of an event while 100 events a second come in."""
    shop = bench.ready(bench.demo)
    bench.start("freshness", data=_sizes(shop))
    planner = bench.planner(shop)
    customers = sorted({call["request"]["customerId"] for call in planner.page("HOME", PLANNED)})
    with bench.agents(shop) as agents:
        _warm(bench, agents)
        seconds = 3 * bench.options.seconds
        loop = bench.loop(rate=HEADLINE_RATE)
        found = _while(
            lambda: probe(agents.address, customers, seconds),
            lambda: bench.phase(
                "freshness",
                "demo",
                "events",
                agents.address,
                planner.events(PLANNED),
                type(loop)(seconds + 1, rate=HEADLINE_RATE),
            ),
        )
        _add_freshness(bench, found)


def start(bench: Bench) -> None:
    """Measure the start of all agents, and the return of a killed recommendation agent to full answers."""
    shop = bench.ready(bench.demo)
    bench.start("start", data=_sizes(shop))
    starts, gaps, restarts = [], [], []
    for _ in range(1 if bench.options.quick else STARTS):
        with bench.agents(shop) as agents:
            starts.append(agents.start_seconds)
            gaps.append(_restart_seconds(bench, agents))
        with bench.agents(shop, replicas=1) as alone:
            restarts.append(_restart_seconds(bench, alone))
        bench.say(
            f"  started in {starts[-1]:.2f} s; full answers again {gaps[-1]:.2f} s after a recommendation agent was "
            f"killed, {restarts[-1]:.2f} s where there is but one"
        )
    bench.results.add("start", "start.seconds", float(np.median(starts)), "s until all serve", each=starts)
    bench.results.add("start", "gap.seconds", float(np.median(gaps)), "s to a full answer, by any agent", each=gaps)
    bench.results.add(
        "start", "restart.seconds", float(np.median(restarts)), "s to a full answer of the only one", each=restarts
    )


def inside(bench: Bench) -> None:
    """Measure the loading of a model and where the time of an answer goes, in process."""
    shop = bench.ready(bench.demo)
    bench.start("inside", data=_sizes(shop))
    planner = bench.planner(shop)
    url = shop.copy(bench.scratch / "quintet.db")
    plan = write_plan(planner.page("HOME", PLANNED), bench.scratch / "inside.jsonl")
    out = bench.scratch / "inside.json"
    command = [sys.executable, "-m", "benchmarks.serving.inside", url, str(plan), f"{2 * bench.options.seconds:g}"]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "QUINTET_LOG_LEVEL": "warning"}
    subprocess.run([*command, str(out)], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    found = json.loads(out.read_text())
    bench.results.add("inside", "load.seconds", found["load_seconds"], "s, in process", first_ms=found["first_ms"])
    bench.results.add("inside", "inside.p50_ms", found["p50_ms"], "ms, HOME, in process without gRPC")
    with bench.agents(shop) as agents:
        _warm(bench, agents)
        calls = planner.page("HOME", PLANNED)
        whole = bench.phase("inside", "demo", "HOME", agents.address, calls, bench.loop()).percentile(50)
    stages = {stage: share * found["p50_ms"] for stage, share in found["shares"].items()}
    stages[GRPC] = max(0.0, whole - found["p50_ms"])
    for stage, ms in sorted(stages.items(), key=lambda each: -each[1]):
        bench.results.profile.append(
            {"part": "inside", "stage": stage, "ms": round(ms, 3), "share": round(ms / sum(stages.values()), 4)}
        )
        bench.say(f"  {stage:12} {ms:7.2f} ms")


def training(bench: Bench) -> None:
    """Measure answers while training runs beside serving, against answers before."""
    shop = bench.ready(bench.demo)
    bench.start("training", data=_sizes(shop))
    planner = bench.planner(shop)
    with bench.agents(shop) as agents:
        _warm(bench, agents)
        loop = bench.loop(rate=TRAINING_RATE)
        _first_time(bench, agents, "training")
        # Calls of which hardly one comes twice: a kept page says nothing of a busy machine.
        quiet = bench.phase("training", "demo", "all pages, quiet", agents.address, planner.mixed(PLANNED), loop)
        with coordinator_stub(agents.address) as stub:
            job = stub.TrainModels(pb.TrainModelsRequest(), timeout=10).job
            longer = type(loop)(
                LONGEST_TRAINING_SECONDS if not bench.options.quick else 4 * loop.seconds, rate=TRAINING_RATE
            )
            calls = planner.mixed(int(TRAINING_RATE * longer.seconds) + PLANNED)
            busy = bench.phase("training", "demo", "all pages, while training", agents.address, calls, longer)
            now = stub.GetJob(pb.GetJobRequest(job_id=job.job_id), timeout=10).job
        still = now.state == JobState.JOB_STATE_RUNNING
        if quiet.full_share < KEPT_UP or busy.full_share < KEPT_UP:
            bench.say("  no ratio: the agents do not keep up with this rate")
            return
        bench.results.add(
            "training",
            "training.p99_ratio",
            busy.percentile(99) / quiet.percentile(99),
            "p99 while training / quiet, 50 a second",
            trained_all_the_time=still,
            stage=now.stage,
        )


def generated(bench: Bench) -> None:
    """Measure answers and events on the generated shop."""
    _generated(bench, bench.generated)


def million(bench: Bench) -> None:
    """Measure answers on the generated shop with a large catalogue, and compare with the other."""
    _generated(bench, bench.million)
    sizes = (bench.options.generated.products, bench.options.million.products)
    small, large = (bench.results.value(f"recommend.p50_ms.{name}") for name in ("generated", "million"))
    if small and large:
        ratio = "recommend.p50_ratio_1m_to_100k" if sizes == (100_000, 1_000_000) else "recommend.p50_ratio"
        bench.results.add("million", ratio, large / small, f"p50 at {sizes[1]:,} / {sizes[0]:,} products, 1 caller")


PARTS: dict[str, Callable[[Bench], None]] = {
    "ceiling": ceiling,
    "demo": demo,
    "anew": anew,
    "single": single,
    "events": events,
    "freshness": freshness,
    "start": start,
    "inside": inside,
    "training": training,
    "generated": generated,
    "million": million,
}
"""By name, in their order."""


def _generated(bench: Bench, shop: Shop) -> None:
    bench.ready(shop)
    bench.start(shop.name, data=_sizes(shop), prepared=_prepared(shop))
    planner = bench.planner(shop)
    with bench.agents(shop) as agents:
        _warm(bench, agents)
        mixed = bench.phase(shop.name, shop.name, "all pages", agents.address, planner.mixed(PLANNED), bench.loop())
        bench.results.add(shop.name, f"recommend.p50_ms.{shop.name}", mixed.percentile(50), "ms, all pages, 1 caller")
        _closed(bench, agents, shop.name, CALLERS)
        _open(bench, agents, shop.name)
        loop = bench.loop(callers=EVENT_CALLERS[-1], connections=CONNECTIONS)
        bench.phase(shop.name, shop.name, "events", agents.address, planner.events(PLANNED), loop)
        loop = bench.loop(rate=HEADLINE_RATE)
        bench.phase(shop.name, shop.name, "answers and events 1:3", agents.address, planner.with_events(PLANNED), loop)
        peak = peaks(agents.cluster)["recommendation"]
        bench.results.add(shop.name, f"peak_mb.recommendation.{shop.name}", peak, "MiB, loading and serving")
    bench.results.add(shop.name, f"start.seconds.{shop.name}", agents.start_seconds, "s until all five serve")


def _warm(bench: Bench, agents: Agents) -> None:
    """Ask each page once or more, so that what is made at the first call is there."""
    with coordinator_stub(agents.address) as stub:
        for call in bench.planner(agents.shop).mixed(3 * len(PAGES)):
            try:
                stub.GetRecommendations(ParseDict(call["request"], pb.GetRecommendationsRequest()), timeout=30)
            except grpc.RpcError as error:
                bench.say(f"  while warming up: {error.code()}")


def _first_time(bench: Bench, agents: Agents, part: str) -> None:
    """Ask for the shoppers once, in a phase of its own: their histories are read then, and are in memory later."""
    calls = bench.planner(agents.shop).everybody("HOME")
    loop = Loop(bench.options.first_seconds, callers=HEADLINE_CALLERS, once=True, warm_seconds=0.0)
    bench.phase(part, "demo", "each shopper for the first time", agents.address, calls, loop)


def _after_events(bench: Bench, agents: Agents) -> None:
    """Measure HOME when each answer follows an event of the same shopper, so that no page is kept from before."""
    calls = bench.planner(agents.shop).after_events("HOME", PLANNED)
    loop = bench.loop(callers=HEADLINE_CALLERS)
    found = bench.phase("demo", "demo", "HOME, each after an event of the shopper", agents.address, calls, loop)
    bench.results.add("demo", "recommend.after_event_per_second", found.per_second_of("HOME"), "1/s, 8 callers")
    p50 = found.histogram_of("HOME").percentile(50)
    bench.results.add("demo", "recommend.after_event_p50_ms", p50, "ms, 8 callers, events beside")


def _beside_the_ceiling(bench: Bench, agents: Agents, part: str) -> float:
    """Return answers a second as a share of the empty service's, measured before and after."""
    home = bench.planner(agents.shop).page("HOME", PLANNED)
    loop = bench.loop(callers=HEADLINE_CALLERS)
    empty = []
    with empty_service(_real_answer(agents, home[0]["request"]["customerId"]), bench.scratch) as address:
        empty.append(bench.phase(part, "empty", "HOME, before", address, home, loop).per_second)
        found = bench.phase(part, "demo", "HOME, beside the empty service", agents.address, home, loop).per_second
        empty.append(bench.phase(part, "empty", "HOME, after", address, home, loop).per_second)
    return found / float(np.mean(empty))


def _real_answer(agents: Agents, customer: str) -> RecommendationList:
    with coordinator_stub(agents.address) as stub:
        request = pb.GetRecommendationsRequest(customer_id=customer, limit=10)
        return stub.GetRecommendations(request, timeout=30).list


def _closed(bench: Bench, agents: Agents, part: str, callers: tuple[int, ...]) -> None:
    for count in callers:
        home = bench.planner(agents.shop, draw=count).page("HOME", PLANNED)
        bench.phase(part, agents.name, "HOME", agents.address, home, bench.loop(callers=count))


def _open(bench: Bench, agents: Agents, part: str, rates: tuple[int, ...] = RATES) -> dict[int, Measured]:
    """Ask for all pages at each rate and return what was found by rate."""
    found = {}
    for rate in rates:
        calls = bench.planner(agents.shop, draw=rate).mixed(PLANNED)
        found[rate] = bench.phase(part, agents.name, "all pages", agents.address, calls, bench.loop(rate=rate))
    return found


def _while(work: Callable[[], Freshness], beside: Callable[[], object]) -> Freshness:
    """Do something while something else runs in a thread, and return what came of it."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            beside()
        except BaseException as error:  # whatever it is, the command must end with it
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        return work()
    finally:
        thread.join()
        if failures:
            raise failures[0]


def _add_freshness(bench: Bench, found: Freshness) -> None:
    probes = len(found.ms)
    bench.say(f"  {probes} probes, {found.stale} stale at first, {found.failed} failed")
    if probes:
        more = {"probes": probes, "stale": found.stale, "failed": found.failed}
        bench.results.add("freshness", "freshness.ms", float(np.percentile(found.ms, 99)), "ms, p99", **more)
        bench.results.add("freshness", "freshness.p50_ms", float(np.median(found.ms)), "ms")


def _restart_seconds(bench: Bench, agents: Agents) -> float:
    """Kill the recommendation agent and return the seconds until the coordinator gives a full answer again."""
    customer = bench.planner(agents.shop).page("HOME", 1)[0]["request"]["customerId"]
    with coordinator_stub(agents.address) as stub:
        killed = time.perf_counter()
        agents.cluster.kill("recommendation")
        while time.perf_counter() - killed < RESTART_PATIENCE_SECONDS:
            request = pb.GetRecommendationsRequest(customer_id=customer, limit=10)
            try:
                answer = stub.GetRecommendations(request, timeout=10).list
            except grpc.RpcError:
                continue
            if answer.recommendations and answer.model_version and not answer.fallbacks:
                return time.perf_counter() - killed
            time.sleep(0.01)
    raise SystemExit("the recommendation agent did not come back")


def _sizes(shop: Shop) -> dict[str, object]:
    """Return how large a shop is, as the import counted it."""
    imported = shop.facts.get("import", {})
    counted = {kind: summary["imported"] for kind, summary in imported.items()}
    return {"shop": shop.name, **counted, **({"size": asdict(shop.size)} if shop.size else {})}


def _prepared(shop: Shop) -> dict[str, float]:
    """Return the seconds that importing and training the shop took."""
    facts = shop.facts
    seconds = {f"import {kind}": summary["seconds"] for kind, summary in facts.get("import", {}).items()}
    return {**seconds, "training": round(facts.get("seconds", 0.0), 1)}
