"""Certificates of servers and channels, read from files again when those were renewed.

Agents know each other by certificates of a CA of their own: the name in a certificate is the agent's, wherever it runs.
The coordinator shows shops another certificate, which may come from a public CA.
"""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import grpc
import structlog

from shared.errors import FailedPrecondition

TLS_CONNECT_MS = 1_500
"""How long an attempt to connect may take: a handshake takes its time on a busy machine. Calls wait for a replica that
is being connected, so the attempt must leave time to ask another one within `agent_timeout_seconds`."""

T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True)
class TlsFiles:
    """PEM files: a certificate with those above it, its key, and the CA that the other side is known by.

    A server without `ca` asks clients for no certificate. A channel without `certificate` shows none.
    """

    certificate: str = ""
    key: str = ""
    ca: str = ""

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Return what changes when a file is renewed. Raises FailedPrecondition when one cannot be read."""
        try:
            found = [(path, Path(path).stat()) for path in self._paths()]
        except OSError as error:
            raise FailedPrecondition(f"cannot read a certificate: {error}") from error
        return tuple((path, each.st_mtime_ns, each.st_ino) for path, each in found)

    def check(self) -> None:
        """Raise FailedPrecondition when the files cannot be read or do not belong together."""
        self.context()

    def context(self) -> ssl.SSLContext:
        """Return what a server other than gRPC's serves with, by the files as they are now. Raises as `check`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        try:
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key)
            if self.ca:
                context.load_verify_locations(self.ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            raise FailedPrecondition(f"cannot use {', '.join(self._paths())}: {error}") from error
        return context

    def pair(self) -> tuple[bytes, bytes] | None:
        """Return key and certificate, None where there is no certificate."""
        return (Path(self.key).read_bytes(), Path(self.certificate).read_bytes()) if self.certificate else None

    def authority(self) -> bytes | None:
        """Return the certificates of the CA, None where there is none."""
        return Path(self.ca).read_bytes() if self.ca else None

    def _paths(self) -> list[str]:
        return [path for path in (self.certificate, self.key, self.ca) if path]


def agents_files(given: Mapping[str, str], agent: str) -> TlsFiles | None:
    """Return the files by which `agent` is known among the agents; None where they speak without TLS.

    `given` has the settings `agents_tls_cert`, `agents_tls_key` and `agents_tls_ca`.
    """
    if not given.get("agents_tls_cert"):
        return None
    names = ("agents_tls_cert", "agents_tls_key", "agents_tls_ca")
    return TlsFiles(*(given[name].replace("{agent}", agent) for name in names))


def public_files(given: Mapping[str, str]) -> TlsFiles | None:
    """Return the files that the coordinator serves with; None where it does so without TLS."""
    if not given.get("tls_cert"):
        return None
    return TlsFiles(given["tls_cert"], given["tls_key"], given.get("tls_client_ca", ""))


def client_files(given: Mapping[str, str]) -> TlsFiles | None:
    """Return the files that commands call the coordinator with; None where they do so without TLS."""
    if not given.get("tls_ca"):
        return None
    return TlsFiles(given.get("tls_client_cert", ""), given.get("tls_client_key", ""), given["tls_ca"])


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Return credentials that follow the files: each new connection gets the certificate that is there then.

    Raises FailedPrecondition when the files cannot be used. Later such files are logged, and the last good ones stay.
    """
    files.check()
    renewed: Any = _Followed(files, _configuration).renewed  # may return None: the stubs do not know it
    return grpc.dynamic_ssl_server_credentials(
        _configuration(files), renewed, require_client_authentication=bool(files.ca)
    )


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Return what a server other than gRPC's serves with; it follows the files as `server_credentials` does."""
    first = latest = files.context()
    followed = _Followed(files, TlsFiles.context)

    def take_latest(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        nonlocal latest
        latest = followed.renewed() or latest
        connection.context = latest

    first.sni_callback = take_latest  # called at each handshake, also where the client names no host
    return first


def channel_credentials(files: TlsFiles) -> grpc.ChannelCredentials:
    """Return credentials of a channel, by the files as they are now. Raises FailedPrecondition."""
    files.check()
    key, certificate = files.pair() or (None, None)
    return grpc.ssl_channel_credentials(files.authority(), key, certificate)


def named(agent: str) -> list[tuple[str, Any]]:
    """Return the channel options that have the other side show a certificate of `agent`, whatever its address."""
    return [("grpc.ssl_target_name_override", agent)]


def probe_channel(agent: str, given: Mapping[str, str]) -> tuple[grpc.ChannelCredentials | None, list[tuple[str, Any]]]:
    """Return credentials and options for asking a server on this machine how it is; without TLS no credentials."""
    if agent == "coordinator":
        return _own_public(given)
    files = agents_files(given, agent)
    return (channel_credentials(files), named(agent)) if files else (None, [])


def _own_public(given: Mapping[str, str]) -> tuple[grpc.ChannelCredentials | None, list[tuple[str, Any]]]:
    """Trust the very certificate that the server is given: whom it names, and who signed it, is for the shops."""
    if not given.get("tls_cert"):
        return None, []
    client = TlsFiles(given.get("tls_client_cert", ""), given.get("tls_client_key", ""), given["tls_cert"])
    from shared.certificates import first_name

    return channel_credentials(client), named(first_name(Path(given["tls_cert"]).read_bytes()))


class _Followed(Generic[T]):
    """Files of a server, read again when they changed. gRPC asks at each new connection, from any thread."""

    def __init__(self, files: TlsFiles, make: Callable[[TlsFiles], T]) -> None:
        self._files = files
        self._make = make
        self._stamp = files.stamp()

    def renewed(self) -> T | None:
        """Return what is made of the files when they changed, else None: what was made before stays."""
        try:
            stamp = self._files.stamp()
            if stamp == self._stamp:
                return None
            self._files.check()
            made = self._make(self._files)
        except (FailedPrecondition, OSError) as error:
            log.warning("the renewed certificate cannot be used, the one before stays", error=str(error))
            return None
        self._stamp = stamp
        log.info("certificate renewed", file=self._files.certificate)
        return made


def _configuration(files: TlsFiles) -> "grpc.ServerCertificateConfiguration":
    pair = files.pair()
    if pair is None:
        raise FailedPrecondition("a server needs a certificate")
    return grpc.ssl_server_certificate_configuration([pair], files.authority())
