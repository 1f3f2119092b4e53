"""`quintet certs`: certificates for development and closed networks."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.output import out, print_json, reported
from shared.certificates import Issued, days_left, issue, make_ca
from shared.config import AGENTS
from shared.errors import FailedPrecondition

CA_DAYS = 3650
RENEW_DAYS = 30
"""A certificate that ends sooner is made anew."""
LOCAL = ("localhost", "127.0.0.1", "::1")


def certs(
    folder: Annotated[Path, typer.Argument(help="Where the files go; made where it is missing.")] = Path("certs"),
    name: Annotated[
        list[str] | None,
        typer.Option(help="Name or address at which shops call the coordinator, besides localhost; may be repeated."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=825, help="For how many days new certificates are valid.")] = 90,
    renew: Annotated[bool, typer.Option("--renew", help="Make the certificates anew, by the same CAs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make a CA for the agents with a certificate for each, and a CA for the coordinator's public certificate.

    What is there and valid for more than 30 days stays: run it again at any time. Agents take up renewed files.

    Example: `quintet certs certs --name shop-recommendations.internal`
    """
    with reported():
        made = _make_all(folder, (*(name or ()), *LOCAL), days, renew)
    if as_json:
        print_json({"folder": str(folder), "made": made})
    else:
        out.print(f"{', '.join(made) or 'nothing'} made in {folder}; see docs/security.md", highlight=False)


def _make_all(folder: Path, public: tuple[str, ...], days: int, renew: bool) -> list[str]:
    """Make what is missing or ends soon; return the names of the certificates made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        agents_ca = _ca(folder, "agents-ca", "Quintet agents")
        public_ca = _ca(folder, "public-ca", "Quintet public")
        wanted: list[tuple[str, Issued, tuple[str, ...]]] = [
            ("public", public_ca, public),
            *((agent, agents_ca, (agent, *LOCAL)) for agent in AGENTS),
        ]
        due = [each for each in wanted if renew or _due(folder, each[0])]
        for name, ca, names in due:
            _write(folder, name, issue(ca, names, days))
    except OSError as error:
        raise FailedPrecondition(f"cannot make certificates: {error}") from error
    return [name for name, _, _ in due]


def _ca(folder: Path, name: str, title: str) -> Issued:
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    if not (certificate.exists() and key.exists()):
        _write(folder, name, make_ca(title, CA_DAYS))
    return Issued(certificate.read_bytes(), key.read_bytes())


def _due(folder: Path, name: str) -> bool:
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    if not (certificate.exists() and key.exists()):
        return True
    return days_left(certificate.read_bytes()) < RENEW_DAYS


def _write(folder: Path, name: str, issued: Issued) -> None:
    """Write both files, each whole or not at all: a server may read them at this moment."""
    for suffix, data, mode in (("key", issued.key, 0o600), ("crt", issued.certificate, 0o644)):
        partial = folder / f".{name}.{suffix}.new"
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
            opened.write(data)
        partial.replace(folder / f"{name}.{suffix}")
