"""Which ids exist: looked up once and remembered, within bounds."""

from collections.abc import Callable, Collection, Iterable

from shared.db.engine import Connection

MOST_REMEMBERED = 500_000

LookUp = Callable[[Connection, Collection[str]], dict[str, int]]


class KnownKeys:
    """Keys by the platform's ids. Remembers what it found, never what it did not find."""

    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._keys: dict[str, int] = {}

    def of(self, connection: Connection, ids: Iterable[str]) -> dict[str, int]:
        """Return the keys of those of `ids` that exist."""
        wanted = {each for each in ids if each}
        missing = {each for each in wanted if each not in self._keys}  # `-` would go through all keys
        if missing:
            if len(self._keys) > MOST_REMEMBERED:
                self._keys.clear()
                missing = wanted
            self._keys.update(self._look_up(connection, sorted(missing)))
        return {each: key for each in wanted if (key := self._keys.get(each)) is not None}

    def forget_one(self, name: str) -> None:
        """Look an id up anew from now on. Safe beside other threads."""
        self._keys.pop(name, None)

    def forget(self) -> None:
        """Look everything up anew from now on."""
        self._keys.clear()
