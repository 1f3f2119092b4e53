"""A container has the machine code of its image where it can write, whoever starts beside it and whatever was there."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = (Path(__file__).parents[3] / "deploy" / "entrypoint.sh").read_text()
PRINT = ["sh", "-c", 'echo "$NUMBA_CACHE_DIR"']


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """What an image has: machine code and the id of its build, in `compiled`."""
    folder = tmp_path / "image"
    (folder / "compiled" / "loops").mkdir(parents=True)
    (folder / "compiled" / "loops" / "code.nbc").write_text("code")
    (folder / "compiled" / "id").write_text("build-1")
    return folder


def start(image: Path, data: Path) -> "subprocess.Popen[str]":
    script = SCRIPT.replace("/opt/quintet/compiled", str(image / "compiled"))
    environment = os.environ | {"NUMBA_CACHE_DIR": str(data / "numba")}
    pipe = subprocess.PIPE
    command = ["sh", "-c", script, "entrypoint.sh", *PRINT]
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("before", ["", "build-0"])
def test_several_that_start_at_once_have_one_whole_copy(image: Path, tmp_path: Path, before: str) -> None:
    data = tmp_path / "data"
    (data / "numba" if before else data).mkdir(parents=True)
    if before:
        (data / "numba" / "id").write_text(before)
        (data / "numba" / "old.nbc").write_text("old")
    started = [start(image, data) for _ in range(8)]
    said = [each.communicate(timeout=30) for each in started]
    assert said == [(f"{data / 'numba'}\n", "")] * 8
    assert [each.name for each in data.iterdir()] == ["numba"]
    assert sorted(each.name for each in (data / "numba").iterdir()) == ["id", "loops"]
    assert (data / "numba" / "loops" / "code.nbc").read_text() == "code"


def test_what_was_compiled_since_stays_until_another_build(image: Path, tmp_path: Path) -> None:
    code = tmp_path / "numba" / "loops" / "code.nbc"
    start(image, tmp_path).communicate(timeout=30)
    code.write_text("compiled anew")
    start(image, tmp_path).communicate(timeout=30)
    assert code.read_text() == "compiled anew"
    (image / "compiled" / "id").write_text("build-2")
    start(image, tmp_path).communicate(timeout=30)
    assert code.read_text() == "code"


def test_a_folder_that_is_not_there_is_told_and_the_command_runs(image: Path, tmp_path: Path) -> None:
    process = start(image, tmp_path / "missing")
    out, error = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out.strip().endswith("numba")
    assert "cannot be copied" in error
