"""How many calls to another agent may be open at once: as many as it answers in time.

Each answer in time allows a little more, each that came too late takes a tenth away (additive increase, multiplicative
decrease). A call beyond the limit is refused at once, so that its caller can do something cheaper while there is time.
When the other side hangs, few calls wait for it and all others do without.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import Overloaded, Unavailable

FEWER = 0.9


class ConcurrencyLimit:
    """Counts open calls. Use it from one event loop.

    Parameters
    ----------
    fewest, most : int
        Bounds of the limit, which begins at `most`.
    """

    def __init__(self, fewest: int, most: int) -> None:
        self._fewest = fewest
        self._most = most
        self.limit = float(most)
        self.open = 0

    @contextmanager
    def call(self) -> Iterator[None]:
        """Hold a place while a call is open.

        Unavailable, when it is no refusal by the other side (Overloaded), counts as too late. Without a place raises
        Unavailable after such answers, else Overloaded.
        """
        if self.open >= self.limit:
            refusal = Overloaded if self.limit == self._most else Unavailable
            raise refusal(f"{self.open} calls of an agent are open, more than it answers in time")
        self.open += 1
        try:
            yield
        except Overloaded:
            raise
        except Unavailable:
            self.limit = max(self._fewest, min(self.limit, self.open) * FEWER)
            raise
        else:
            self.limit = min(self._most, self.limit + 1 / self.limit)
        finally:
            self.open -= 1
