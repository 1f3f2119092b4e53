"""Which customers and recommendations belong together: what came of the ones depends on the others, and on no more.

A response joins the shopper who responds and the shopper for whom the recommendation was made, unless it is ignored
because these are certainly two persons. A recommendation made for nobody known joins those who respond to it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass
class ResponseGroup:
    """Keys of customers, numbers of recommendations made for nobody known, and numbers of events that name any."""

    customers: set[int] = field(default_factory=set)
    recommendations: set[int] = field(default_factory=set)
    events: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, groups: Iterable["ResponseGroup"]) -> "ResponseGroup":
        """Return several groups as one."""
        one = cls()
        for each in groups:
            one.customers |= each.customers
            one.recommendations |= each.recommendations
            one.events |= each.events
        return one

    @property
    def nodes(self) -> set[int]:
        """The nodes of `ResponseGroups` that are in the group."""
        return self.customers | {-number for number in self.recommendations}


class ResponseGroups:
    """Joins customers and recommendations into groups (a union-find structure; Tarjan, JACM 1975).

    Nodes are keys of customers, above 0, and numbers of recommendations made for nobody known, as negative numbers.
    """

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}
        self._events: list[tuple[int, int]] = []

    def join(self, nodes: Iterable[int], event: int = 0) -> None:
        """Say that nodes belong together, because of the event with a number; 0 is none."""
        first = 0
        for node in nodes:
            root = self._root(node)
            if first and root != first:
                self._parents[root] = first
            first = first or root
        if first and event:
            self._events.append((event, first))

    def join_owner(self, number: int, made_for: int | None, owner: int | None) -> None:
        """Say whose a recommendation is, and for whom it was made; None is nobody known."""
        self.join([node_of(number, made_for), *([] if owner is None else [owner])])

    def __iter__(self) -> Iterator[ResponseGroup]:
        groups: defaultdict[int, ResponseGroup] = defaultdict(ResponseGroup)
        for node in tuple(self._parents):
            group = groups[self._root(node)]
            if node > 0:
                group.customers.add(node)
            else:
                group.recommendations.add(-node)
        for event, node in self._events:
            groups[self._root(node)].events.add(event)
        return iter(groups.values())

    def _root(self, node: int) -> int:
        self._parents.setdefault(node, node)
        while (parent := self._parents[node]) != node:
            self._parents[node] = node = self._parents[parent]
        return node


def node_of(number: int, made_for: int | None) -> int:
    """Return the node of a recommendation: for whom it was made, or itself where that is nobody known."""
    return -number if made_for is None else made_for
