"""Computes metrics from sums: a value and its interval for each combination of dimensions there is anything of."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from services.feedback.metrics.definitions import DEFINITIONS, SEGMENT, Definition
from services.feedback.metrics.projection import Behind
from services.feedback.metrics.ratio import Moments, mean_interval, ratio_interval
from services.feedback.statistics.proportion import wilson_interval
from shared.db import lifetime_values
from shared.db import metric_sums as sums
from shared.db.engine import Connection
from shared.db.metric_sums import Group, MoneySums, ProductSums, Selection, SessionSums
from shared.metric_numbers import MILLION

SERVING_AGENT = "recommendation"
"""Whose samples the metrics of the system are of."""


@dataclass(frozen=True)
class Figure:
    """A value; `interval` has the ends of its 95 % interval, `of` says how many things it is a share or mean of.

    `value` is None where it is a share or mean of nothing.
    """

    value: float | None
    interval: tuple[float, float] | None = None
    of: float | None = None


@dataclass(frozen=True)
class MetricValue:
    """A metric for one combination of dimensions; `currency` is empty for what is no money."""

    definition: Definition
    group: Group
    currency: str
    figure: Figure


@dataclass(frozen=True)
class Metrics:
    """Metrics, what they are of, and what is not in them yet."""

    values: list[MetricValue]
    selection: Selection
    behind: Behind


T = TypeVar("T")
Found = Iterator[tuple[Group, str, Figure]]


def report(connection: Connection, names: Sequence[str], selection: Selection) -> list[MetricValue]:
    """Return metrics in the order of `DEFINITIONS`; of each, the groups ascending and then the currencies.

    `names` are of `DEFINITIONS`, and `selection` has no dimension that any of them is not kept by.
    """
    computed = _Report(connection, selection, frozenset(names))
    return [
        MetricValue(definition, group, currency, figure)
        for name, definition in DEFINITIONS.items()
        if name in names
        for group, currency, figure in getattr(computed, name)()
    ]


class _Report:
    """The metrics, a method each; sums are read when the first metric needs them."""

    def __init__(self, connection: Connection, selection: Selection, names: frozenset[str]) -> None:
        self._connection = connection
        self._selection = selection
        self._names = names

    @cached_property
    def _sessions(self) -> dict[Group, SessionSums]:
        return sums.session_sums(self._connection, self._selection)

    @cached_property
    def _money(self) -> dict[Group, dict[str, MoneySums]]:
        return sums.money_sums(self._connection, self._selection)

    @cached_property
    def _cells(self) -> dict[Group, dict[str, int]]:
        return sums.cell_sums(self._connection, self._selection)

    @cached_property
    def _amounts(self) -> dict[Group, dict[str, tuple[int, int]]]:
        return sums.cell_amounts(self._connection, self._selection)

    @cached_property
    def _products(self) -> dict[Group, ProductSums]:
        return sums.product_sums(self._connection, self._selection, weighed="serendipity" in self._names)

    @cached_property
    def _system(self) -> dict[Group, sums.SystemSums]:
        return sums.system_sums(self._connection, self._selection, SERVING_AGENT)

    def sessions(self) -> Found:
        return _each(self._sessions, lambda of: Figure(of.sessions))

    def orders(self) -> Found:
        return _each(self._sessions, lambda of: Figure(of.orders))

    def conversion_rate(self) -> Found:
        return _each(self._sessions, lambda of: _share(of.buying_sessions, of.sessions))

    def orders_per_session(self) -> Found:
        return _each(
            self._sessions,
            lambda of: _ratio(
                Moments(
                    of.customers, of.sessions, of.orders, of.sessions_squared, of.sessions_orders, of.orders_squared
                )
            ),
        )

    def revenue(self) -> Found:
        return _each_currency(self._money, lambda of: Figure(of.net))

    def average_order_value(self) -> Found:
        return _each_currency(
            self._money,
            lambda of: _ratio(
                Moments(of.customers, of.orders, of.net, of.orders_squared, of.net_orders, of.net_squared)
            ),
        )

    def revenue_per_session(self) -> Found:
        for group, currencies in self._money.items():
            of = self._sessions[group]
            for currency, money in currencies.items():
                yield (
                    group,
                    currency,
                    _ratio(
                        # Who spent nothing in the currency adds nothing to sums of products with what was spent.
                        Moments(
                            of.customers,
                            of.sessions,
                            money.net,
                            of.sessions_squared,
                            money.net_sessions,
                            money.net_squared,
                        )
                    ),
                )

    def margin(self) -> Found:
        return _each_currency(self._money, lambda of: Figure(of.margin, of=of.costed))

    def margin_rate(self) -> Found:
        return _each_currency(self._money, lambda of: Figure(_quotient(of.margin, of.costed), of=of.costed))

    def refund_rate(self) -> Found:
        return _each_currency(
            self._money,
            lambda of: _ratio(
                Moments(of.customers, of.gross, of.refunded, of.gross_squared, of.gross_refunded, of.refunded_squared)
            ),
        )

    def customer_lifetime_value(self) -> Found:
        days = self._selection.end - self._selection.start
        for currency, of in sums.lifetime_sums(self._connection, self._selection).items():
            average, frequency, lifespan = of.net / of.orders, of.orders / of.buyers / days, of.days / of.buyers
            yield (), currency, Figure(average * frequency * lifespan, of=of.buyers)

    def predicted_lifetime_value(self) -> Found:
        only = self._selection.only.get(SEGMENT)
        by_segment = bool(self._selection.by) or only is not None
        found = lifetime_values.mean_predictions(self._connection, by_segment=by_segment)
        for segment, currencies in found.items():
            if only is None or segment in only:
                for currency, of in currencies.items():
                    yield (segment,) * len(self._selection.by), currency, Figure(of.value, of=of.customers)

    def recommendations_shown(self) -> Found:
        return _each(self._cells, lambda of: Figure(of["shown"]))

    def click_through_rate(self) -> Found:
        return self._of_shown("clicked")

    def add_to_cart_rate(self) -> Found:
        return self._of_shown("added_to_cart")

    def recommendation_conversion_rate(self) -> Found:
        return self._of_shown("purchased")

    def view_through_rate(self) -> Found:
        return self._of_shown("purchased_after_view")

    def dismissal_rate(self) -> Found:
        return self._of_shown("dismissed")

    def attributed_revenue(self) -> Found:
        return _each_currency(self._amounts, lambda of: Figure(of[0]))

    def attributed_margin(self) -> Found:
        return _each_currency(self._amounts, lambda of: Figure(of[1]))

    def catalogue_coverage(self) -> Found:
        size = sums.catalogue_size(self._connection, self._selection)
        return _each(self._products, lambda of: Figure(_quotient(of.products, size), of=size))

    def diversity(self) -> Found:
        return _each(
            self._cells,
            lambda of: _mean(of["diverse_lists"], of["diversity"] / MILLION, of["diversity_squares"] / MILLION),
        )

    def serendipity(self) -> Found:
        for group, of in self._products.items():
            surprises = of.responded - of.responded_popularity
            squares = of.responded - 2 * of.responded_popularity + of.responded_popularity_squared
            yield group, "", _mean(self._cells[group]["shown"], surprises, squares)

    def response_time_p50(self) -> Found:
        return _each(self._system, lambda of: Figure(of.p50_ms))

    def response_time_p99(self) -> Found:
        return _each(self._system, lambda of: Figure(of.p99_ms))

    def peak_memory(self) -> Found:
        return _each(self._system, lambda of: Figure(of.memory_mb))

    def mean_cpu(self) -> Found:
        return _each(self._system, lambda of: Figure(of.cpu_cores))

    def throughput(self) -> Found:
        return _each(self._system, lambda of: Figure(_quotient(of.answers, of.seconds), of=of.answers))

    def _of_shown(self, name: str) -> Found:
        return _each(self._cells, lambda of: _share(of[name], of["shown"]))


def _each(found: Mapping[Group, T], figure: Callable[[T], Figure]) -> Found:
    return ((group, "", figure(of)) for group, of in found.items())


def _each_currency(found: Mapping[Group, Mapping[str, T]], figure: Callable[[T], Figure]) -> Found:
    return ((group, currency, figure(of)) for group, each in found.items() for currency, of in each.items())


def _share(part: int, whole: int) -> Figure:
    return Figure(_quotient(part, whole), wilson_interval(part, whole) if whole else None, whole)


def _ratio(moments: Moments) -> Figure:
    return Figure(_quotient(moments.y, moments.x), ratio_interval(moments), moments.x)


def _mean(count: int, total: float, squares: float) -> Figure:
    return Figure(_quotient(total, count), mean_interval(count, total, squares), count)


def _quotient(part: float, whole: float) -> float | None:
    return part / whole if whole else None
