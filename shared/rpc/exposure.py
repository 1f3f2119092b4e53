"""What a server needs before it may be reached from other machines: keys and TLS."""

import ipaddress

from shared.config import Agent, Settings
from shared.errors import FailedPrecondition
from shared.rpc.tls import TlsFiles, agents_files, public_files


def server_files(agent: Agent, settings: Settings) -> TlsFiles | None:
    """Return the certificate files that `agent` serves with; None where it does so without TLS."""
    return public_files(settings.tls_files) if agent == "coordinator" else agents_files(settings.tls_files, agent)


def require_guarded(agent: Agent, settings: Settings) -> None:
    """Raise FailedPrecondition when a server would listen beyond loopback without asking who calls.

    What the coordinator needs holds for its HTTP port too: the same address, certificate and keys.
    """
    if is_loopback(settings.bind_host):
        return
    missing = [advice for advice, there in _needed(agent, settings).items() if not there]
    if missing:
        raise FailedPrecondition(
            f"QUINTET_BIND_HOST={settings.bind_host} can be reached from other machines, so the {agent} also needs "
            f"{', and '.join(missing)} (docs/security.md); or bind to 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _needed(agent: Agent, settings: Settings) -> dict[str, bool]:
    needed = {
        "certificates of the agents: `quintet certs`, then QUINTET_AGENTS_TLS_CERT, _KEY and _CA": bool(
            settings.agents_tls_cert
        )
    }
    if agent == "coordinator":
        needed["API keys: QUINTET_AUTH=required, and `quintet keys create`"] = settings.auth == "required"
        needed["a certificate: QUINTET_TLS_CERT and QUINTET_TLS_KEY"] = bool(settings.tls_cert)
    return needed
