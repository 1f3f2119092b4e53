"""The share of kept pages is read from the metrics of the recommendation agent."""

from collections import Counter
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client import Counter as Metric

from benchmarks.serving.page_counts import METRIC, PageCounts
from shared.telemetry import PAGES


@pytest.fixture
def pages() -> Iterator[tuple[Metric, PageCounts]]:
    registry = CollectorRegistry()
    metric = Metric(f"{METRIC}_total", "Pages.", ["how"], registry=registry)
    server, thread = start_http_server(0, "127.0.0.1", registry)
    yield metric, PageCounts([server.server_port])
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_metric_is_the_one_of_the_agent():
    assert next(iter(PAGES.collect())).name == METRIC


def test_the_share_is_that_of_the_pages_since(pages: tuple[Metric, PageCounts]):
    metric, counts = pages
    assert counts.kept_since(Counter()) is None
    metric.labels("made").inc(5)
    before = counts.read()
    assert before == Counter(made=5)
    metric.labels("made").inc(1)
    metric.labels("kept").inc(3)
    assert counts.kept_since(before) == 0.75


def test_agents_are_counted_together(pages: tuple[Metric, PageCounts]):
    metric, counts = pages
    metric.labels("made").inc(2)
    assert PageCounts(counts._ports * 2).read() == Counter(made=4)
