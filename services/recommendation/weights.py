"""The weights of the hybrid as they are in force: asked for with every request, read only when they changed."""

from shared.db.engine import Connection
from shared.db.weights import Weights, current_weights, weights_version


class LatestWeights:
    """Remembers the version last read."""

    def __init__(self) -> None:
        self._known: Weights | None = None

    def read(self, connection: Connection) -> dict[str, float]:
        """Return the weights in force by algorithm."""
        known = self._known
        if known is None or known.version != weights_version(connection):
            known = self._known = current_weights(connection)
        return known.weights
