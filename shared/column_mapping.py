"""Which column of a file is which of ours."""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

from shared.columns import ALIASES, COLUMNS, Kind
from shared.errors import InvalidArgument


class ColumnMapping:
    """Resolves a file's column names: by `--map theirs=ours` first, then by name, then by common other names.

    Parameters
    ----------
    kind : Kind
        What the file holds.
    options : iterable of str
        `theirs=ours`, ours dotted such as `demographics.region`. One of theirs may stand for several of ours.
    also : collection of str
        Columns of ours that interchange files do not have.

    Raises
    ------
    InvalidArgument
        If an option is not of that form or names no column of ours.
    """

    def __init__(self, kind: Kind, options: Iterable[str] = (), also: Collection[str] = ()) -> None:
        self.kind = kind
        self._wanted: dict[str, str] = {}
        for option in options:
            theirs, separator, ours = option.rpartition("=")
            if not separator or not theirs:
                raise InvalidArgument(f"--map {option}: write theirs=ours, such as StockCode=product_id")
            ours = ALIASES[kind].get(ours, ours)
            if ours not in also and not _is_ours(kind, ours):
                raise InvalidArgument(f"--map {option}: there is no column {ours!r} of {kind}{_suggestion(kind, ours)}")
            if self._wanted.get(ours, theirs) != theirs:
                raise InvalidArgument(f"--map {option}: {ours} is mapped from {self._wanted[ours]!r} already")
            self._wanted[ours] = theirs

    def resolve(self, names: Iterable[str]) -> dict[str, str]:
        """Return our column names with the file's for the columns that are there."""
        present = dict.fromkeys(names)
        found = {ours: theirs for ours, theirs in self._wanted.items() if theirs in present}
        taken = set(self._wanted.values())
        for theirs in present:
            ours = theirs if _is_ours(self.kind, theirs) else ALIASES[self.kind].get(theirs, "")
            if ours and theirs not in taken and ours not in self._wanted:
                found.setdefault(ours, theirs)
        return found

    def impersonal(self, names: Iterable[str]) -> set[str]:
        """Return the file's columns that hold nothing personal: those of ours that are not, and no others."""
        found = self.resolve(names)
        private = {theirs for ours, theirs in found.items() if is_personal(self.kind, ours)}
        return set(found.values()) - private

    def ignored(self, names: Iterable[str]) -> list[str]:
        """Return the file's columns that are used for nothing."""
        names = list(names)
        used = set(self.resolve(names).values())
        return [name for name in names if name not in used]

    def require(self, names: Iterable[str], also: Iterable[str] = ()) -> None:
        """Raise InvalidArgument when a mapped or required column, or one of `also`, is not in the file."""
        names = list(names)
        for ours, theirs in self._wanted.items():
            if theirs not in names:
                raise InvalidArgument(f"--map {theirs}={ours}: the file has no column {theirs!r}, but {_listed(names)}")
        found = self.resolve(names)
        for name in [column.name for column in COLUMNS[self.kind] if column.required] + list(also):
            if name not in found:
                raise InvalidArgument(
                    f"the file has no column {name!r}, but {_listed(names)}: "
                    f"name the one that holds it with --map THEIRS={name}"
                )

    def signature(self) -> Mapping[str, str]:
        """Return the options as ours and theirs."""
        return dict(sorted(self._wanted.items()))


def is_personal(kind: Kind, name: str) -> bool:
    """Say whether a column of ours holds personal data."""
    return any(column.personal and _matches(column.name, name) for column in COLUMNS[kind])


def _is_ours(kind: Kind, name: str) -> bool:
    return any(_matches(column.name, name) for column in COLUMNS[kind])


def _matches(column: str, name: str) -> bool:
    return name == column or (column.endswith(".*") and name.startswith(column[:-1]) and len(name) >= len(column))


def _suggestion(kind: Kind, name: str) -> str:
    names = [column.name for column in COLUMNS[kind]]
    close = get_close_matches(name, names, n=1) or [each for each in names if each.endswith(f".{name}")]
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(names)}"


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:30])
    return f"{shown} and {len(names) - 30} more" if len(names) > 30 else shown or "none"
