"""How many pages the recommendation agent made, and how many it had kept from a moment ago, by its metrics."""

from collections import Counter
from collections.abc import Sequence
from http.client import HTTPConnection

from prometheus_client.parser import text_string_to_metric_families

METRIC = "quintet_recommendation_pages"
PATIENCE_SECONDS = 10


class PageCounts:
    """Reads the counts of pages of the recommendation agents from their ports for metrics."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = tuple(ports)

    def read(self) -> Counter[str]:
        """Return the number of pages since the start of the agents, by `how`: `kept` or `made`."""
        return sum((counted(_metrics(port)) for port in self._ports), Counter())

    def kept_since(self, before: Counter[str]) -> float | None:
        """Return the share of pages that were kept since `before` was read; None where no page was asked for."""
        since = self.read()
        since.subtract(before)
        return round(since["kept"] / since.total(), 3) if since.total() > 0 else None


def _metrics(port: int) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def counted(text: str) -> Counter[str]:
    """Return the counts in a text of metrics."""
    counts: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        if family.name == METRIC:
            counts.update(
                {each.labels["how"]: int(each.value) for each in family.samples if each.name.endswith("_total")}
            )
    return counts
