"""`quintet certs`: what it makes, keeps and renews."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.commands import certs
from cli.main import app
from shared.config import AGENTS
from shared.rpc.tls import TlsFiles

NAMES = [*AGENTS, "public"]


def run(folder: Path, *options: str) -> list[str]:
    result = CliRunner().invoke(app, ["certs", str(folder), "--json", *options])
    assert result.exit_code == 0, result.output
    return sorted(json.loads(result.output)["made"])


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_makes_what_the_agents_need_once(tmp_path: Path) -> None:
    folder = tmp_path / "certs"
    assert run(folder, "--name", "shop.example") == sorted(NAMES)
    for name in NAMES:
        ca = "public-ca" if name == "public" else "agents-ca"
        TlsFiles(str(folder / f"{name}.crt"), str(folder / f"{name}.key"), str(folder / f"{ca}.crt")).check()
    before = content(folder)
    assert run(folder) == []
    assert content(folder) == before


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    run(tmp_path / "certs")
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "certs").glob("*.key")} == {0}
    assert (tmp_path / "certs").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("options", [["--renew"], []], ids=["asked", "ends soon"])
def test_it_renews_by_the_same_ca(tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path)
    before = content(tmp_path)
    if not options:
        monkeypatch.setattr(certs, "RENEW_DAYS", 91)
    assert run(tmp_path, *options) == sorted(NAMES)
    after = content(tmp_path)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {f"{name}.{suffix}" for name in NAMES for suffix in ("crt", "key")}


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(app, ["certs", str(tmp_path / "file")])
    assert result.exit_code == 1
    assert "cannot make certificates" in result.output
