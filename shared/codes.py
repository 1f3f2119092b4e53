"""Small numbers for names, so that columns hold numbers."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Codes:
    """Numbers for names, from 0 in the order they were met; the empty name is -1."""

    names: tuple[str, ...] = ()
    numbers: dict[str, int] = field(default_factory=dict)

    def of(self, name: str) -> int:
        """Return the number of `name`; -1 if it has none."""
        return self.numbers.get(name, -1)

    def extended(self, names: Iterable[str]) -> "Codes":
        """Return codes that know `names` as well."""
        new = [name for name in dict.fromkeys(names) if name and name not in self.numbers]
        if not new:
            return self
        numbered = {name: number for number, name in enumerate(new, start=len(self.names))}
        return Codes((*self.names, *new), self.numbers | numbered)
