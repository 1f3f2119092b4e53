"""Finds the binding that a request calls."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from services.coordinator.http.bindings import Binding


class Route(NamedTuple):
    """A binding and the values of its path's variables."""

    binding: Binding
    variables: dict[str, str]


class Router:
    """The bindings by what their paths begin with; of two that match, the one with fewer variables is called.

    A verb at the end of a path, such as `:export`, belongs to the path where a binding has it, and not to an id: ids
    that end so are sent percent-encoded.
    """

    def __init__(self, bindings: Iterable[Binding]) -> None:
        self._by_start: dict[tuple[str, int], list[Binding]] = defaultdict(list)
        for binding in sorted(bindings, key=lambda each: (not each.path.verb, len(each.path.variables))):
            segments = binding.path.segments
            self._by_start[_without_custom_verb(segments[1]), len(segments)].append(binding)

    def find(self, verb: str, path: str) -> Route | None:
        """Return the route of a request; None when no binding has its path and verb."""
        return next((route for route in self._routes(path) if route.binding.verb == verb), None)

    def verbs(self, path: str) -> list[str]:
        """Return the verbs that a path takes, sorted; none when there is no such path."""
        return sorted({route.binding.verb for route in self._routes(path)})

    def _routes(self, path: str) -> list[Route]:
        segments = path.removeprefix("/").split("/")
        if len(segments) < 2:  # every path of the contract begins with its version and a collection
            return []
        candidates = self._by_start.get((_without_custom_verb(segments[1]), len(segments)), ())
        matched = ((binding, binding.path.match(path)) for binding in candidates)
        routes = [Route(binding, variables) for binding, variables in matched if variables is not None]
        with_verb = [route for route in routes if route.binding.path.verb]
        return with_verb or routes


def _without_custom_verb(segment: str) -> str:
    return segment.partition(":")[0]
