"""Certificates for tests."""

from pathlib import Path

from shared.certificates import Issued, issue, make_ca
from shared.rpc.tls import TlsFiles

AGENTS_CA = make_ca("agents of a test", 1)
OTHER_CA = make_ca("somebody else", 1)


def write(folder: Path, name: str, *names: str, ca: Issued = AGENTS_CA) -> TlsFiles:
    """Write a certificate for `names`, or for `name`, and return its files together with the CA's."""
    made = issue(ca, names or (name,), 1)
    files = {"crt": made.certificate, "key": made.key, "ca": ca.certificate}
    for suffix, data in files.items():
        partial = folder / f"{name}.{suffix}.new"
        partial.write_bytes(data)
        partial.replace(folder / f"{name}.{suffix}")
    return TlsFiles(*(str(folder / f"{name}.{suffix}") for suffix in files))
