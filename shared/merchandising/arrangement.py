"""The arrangement of a list: products at their pinned places, and at most so many of one brand or category."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from shared.merchandising.rule import Limit


@dataclass(frozen=True)
class GroupLimit:
    """A limit, its rule and the group of each product that has one, by row."""

    rule_id: str
    limit: Limit
    group_of: Mapping[int, int]


@dataclass(frozen=True)
class PinnedRow:
    """A product that a rule pins: its row, its place from 0, and the rule."""

    rule_id: str
    row: int
    place: int


@dataclass(frozen=True)
class Arranged:
    """Rows in their order, and the rules that put each where it is, by row."""

    rows: list[int]
    touched: dict[int, tuple[str, ...]] = field(default_factory=dict)


def arranged(
    candidates: Iterable[int],
    pins: Sequence[PinnedRow],
    limits: Sequence[GroupLimit],
    count: int,
    shown: Sequence[int] = (),
) -> Arranged:
    """Return up to `count` rows.

    Parameters
    ----------
    candidates : iterable of int
        Rows that may be shown, distinct, best first.
    pins : sequence of PinnedRow
        Of the rows that may be shown, the rules that win first; places count from the first row that is returned.
    limits : sequence of GroupLimit
        Pinned rows count, but are never left out.
    count : int
        Rows to return at most.
    shown : sequence of int
        Rows of the same list that came before, in their order.
    """
    places = _free_places(pins, count)
    pinned = {pin.row for pin in places.values()}
    rest = _Candidates([row for row in candidates if row not in pinned])
    slots = _Slots(list(shown), {len(shown) + place: pin.row for place, pin in places.items()})
    touched: dict[int, tuple[str, ...]] = {pin.row: (pin.rule_id,) for pin in places.values()}
    for place in range(count):
        if place in places:
            slots.put(places[place].row)
            continue
        taken, passed = rest.take(lambda row: [each.rule_id for each in limits if slots.breaks(each, row)])
        if taken is None:
            break
        if passed:
            touched[taken] = passed
        slots.put(taken)
    rows = slots.rows[len(shown) :]
    late = [pin.row for place, pin in sorted(places.items()) if pin.row not in rows]
    return Arranged(rows + late, {row: rules for row, rules in touched.items() if row in {*rows, *late}})


class _Slots:
    """The rows that have a place already, in order, and those that are pinned further on, by place."""

    def __init__(self, rows: list[int], ahead: Mapping[int, int]) -> None:
        self.rows = rows
        self._ahead = ahead

    def put(self, row: int) -> None:
        self.rows.append(row)

    def breaks(self, each: GroupLimit, row: int) -> bool:
        """Say whether a row at the next place would break a limit."""
        group = each.group_of.get(row)
        if group is None:
            return False
        here, window = len(self.rows), each.limit.window
        nearby = self.rows if not window else self.rows[max(0, here - window + 1) :]
        first = here - len(nearby)
        taken = [first + place for place, other in enumerate(nearby) if each.group_of.get(other) == group]
        taken += [place for place, other in self._near(here, window) if each.group_of.get(other) == group]
        if not window:
            return len(taken) >= each.limit.most
        return any(
            sum(start <= place < start + window for place in taken) >= each.limit.most
            for start in range(here - window + 1, here + 1)
        )

    def _near(self, here: int, window: int) -> Iterator[tuple[int, int]]:
        """Yield the pinned rows further on that a window with the next place reaches, with their places."""
        return (
            (place, row) for place, row in self._ahead.items() if place > here and (not window or place < here + window)
        )


class _Candidates:
    """Rows in their order, of which some wait until no limit keeps them back."""

    def __init__(self, rows: list[int]) -> None:
        self._rows = rows

    def take(self, broken_by: Callable[[int], list[str]]) -> tuple[int | None, tuple[str, ...]]:
        """Take the first row that breaks no limit; return it with the rules by which it passed others."""
        passed: dict[str, None] = {}
        for index, row in enumerate(self._rows):
            broken = broken_by(row)
            if not broken:
                del self._rows[index]
                return row, tuple(passed)
            passed |= dict.fromkeys(broken)
        return None, ()


def _free_places(pins: Sequence[PinnedRow], count: int) -> dict[int, PinnedRow]:
    """Return the pins by the place that each gets: its own, or the next one that is free; a row has one."""
    places: dict[int, PinnedRow] = {}
    rows: set[int] = set()
    for pin in pins:
        free = next((place for place in range(max(pin.place, 0), count) if place not in places), None)
        if pin.place >= 0 and free is not None and pin.row not in rows:
            places[free] = pin
            rows.add(pin.row)
    return places
