"""What the pages tell people to type is there: our commands with their options, verbs of `make`, files."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.main import app

ROOT = Path(__file__).parents[3]
PLANS = ROOT / "docs" / "status.md"
"""Names what is not there yet."""
READMES = ("", "benchmarks/", "deploy/two-shops/", "examples/clients/")
PAGES = [*sorted(ROOT.glob("docs/**/*.md")), *(ROOT / f"{folder}README.md" for folder in READMES)]
PROGRAM: Any = typer.main.get_command(app)
BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(
    r"(?:^|exec coordinator |exec -T coordinator |deps coordinator |[A-Z_]+=\S+ )quintet (?=[a-z-])([^#)|&]*)"
)


def blocks() -> Iterator[tuple[str, str]]:
    """Yield the pages' lines for a shell, each with its page."""
    for page in PAGES:
        for block in BLOCK.findall(page.read_text()):
            for line in block.replace("\\\n", " ").splitlines():
                yield str(page.relative_to(ROOT)), line.removeprefix("$ ")


SHOWN = [
    (page, found[1]) for page, line in blocks() for found in COMMAND.finditer(line) if "secret generic" not in line
]


@pytest.mark.parametrize(("page", "words"), SHOWN)
def test_a_command_that_is_shown_takes_what_is_shown(page: str, words: str) -> None:
    command, name, arguments = PROGRAM, "quintet", shlex.split(words)
    context = typer.Context(PROGRAM, info_name=name)
    while hasattr(command, "resolve_command"):  # a group of commands
        name, command, arguments = command.resolve_command(context, _without_options(arguments))
    try:
        command.make_context(name, arguments, parent=context)
    except typer.BadParameter as error:
        if "does not exist" not in error.message:  # a file of the reader's may be missing
            pytest.fail(f"{page}: {error.message}")


def _without_options(arguments: list[str]) -> list[str]:
    """Leave out the options of the program itself, which stand before the command."""
    return arguments[2:] if arguments[0] == "--key-file" else arguments


def test_a_verb_of_make_that_is_shown_is_there() -> None:
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = {verb for page in PAGES if page != PLANS for verb in re.findall(r"`make ([a-z-]+)`", page.read_text())}
    shown |= {found[1] for _, line in blocks() if (found := re.match(r"make ([a-z-]+)", line))}
    assert shown <= verbs


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_file_that_a_page_links_to_is_there(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []
