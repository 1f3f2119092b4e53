"""Which agents may call an agent: those whose certificate names one of them."""

from collections.abc import Iterable, Mapping

from quintet.type.v1.error_pb2 import ErrorReason

from shared.config import Agent
from shared.errors import PermissionDenied

NAMES = "x509_subject_alternative_name"


def allowed_peers(agent: Agent) -> frozenset[str]:
    """Return the names that callers of `agent` may show: the coordinator's, and its own for its health check."""
    return frozenset(("coordinator", agent))


def check_peer(shown: Mapping[str, Iterable[bytes]], allowed: frozenset[str]) -> None:
    """Raise PermissionDenied unless the certificate of a connection, as gRPC shows it, has one of the names."""
    if allowed.isdisjoint(name.decode(errors="replace") for name in shown.get(NAMES, ())):
        said = f"this agent is called by {' and '.join(sorted(allowed))} alone"
        raise PermissionDenied(said, reason=ErrorReason.PEER_NOT_ALLOWED)
