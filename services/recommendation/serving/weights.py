"""The weights of the hybrid as they are in force: their version comes with every request."""

from shared.db.engine import Connection
from shared.db.weights import Weights, current_weights


class LatestWeights:
    """Remembers the version last read."""

    def __init__(self) -> None:
        self._known: Weights | None = None

    def read(self, connection: Connection, version: int) -> dict[str, float]:
        """Return the weights in force by algorithm, given their version."""
        known = self._known
        if known is None or known.version != version:
            known = self._known = current_weights(connection)
        return known.weights
