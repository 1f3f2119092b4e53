"""A sample is the difference of two readings; the reading of this process has all figures."""

from shared.monitoring.latency import CallCounts
from shared.monitoring.reading import Reading, read_process, sample_between
from shared.telemetry import ANSWERS, EMPTY_ANSWERS, FALLBACKS, RPC_SECONDS

SERVED = "/quintet.coordinator.v1.CoordinatorService/GetRecommendations"
REPORTED = "/quintet.coordinator.v1.CoordinatorService/ListJobs"


def test_a_sample_is_the_difference() -> None:
    before = Reading(CallCounts({0.1: 5.0}, 5, 1), 10, 1, 2, cpu_seconds=1.0, memory_mb=50.0, at=100.0)
    after = Reading(CallCounts({0.1: 15.0}, 15, 3), 30, 2, 5, cpu_seconds=31.0, memory_mb=70.0, at=200.0)
    sample = sample_between(before, after)
    assert (sample.seconds, sample.calls, sample.failed) == (100.0, 10, 2)
    assert (sample.cpu_cores, sample.memory_mb) == (0.3, 70.0)
    assert (sample.answers, sample.empty, sample.fallbacks) == (20, 1, 3)
    assert 0 < sample.p50_ms < sample.p99_ms <= 100


def test_this_process_is_read() -> None:
    before = read_process()
    RPC_SECONDS.labels("coordinator", SERVED, "OK").observe(0.02)
    RPC_SECONDS.labels("coordinator", REPORTED, "OK").observe(5)
    ANSWERS.labels("coordinator", "passed_on").inc(3)
    EMPTY_ANSWERS.labels("coordinator").inc()
    FALLBACKS.labels("coordinator", "test").inc(2)
    sample = sample_between(before, read_process())
    assert (sample.calls, sample.answers, sample.empty, sample.fallbacks) == (1, 3, 1, 2)
    assert sample.p99_ms <= 25
    assert sample.memory_mb > 10
