"""Every command explains itself: help with an example, and --json."""

import re
from collections.abc import Iterator

import pytest
import typer
from quintet.type.v1.money_pb2 import Money
from typer.testing import CliRunner

from cli.main import app
from cli.output import money


def commands_of(app: typer.Typer, *before: str) -> Iterator[list[str]]:
    for command in app.registered_commands:
        assert command.callback
        yield [*before, command.name or command.callback.__name__]
    for group in app.registered_groups:
        assert group.typer_instance
        assert group.name
        yield from commands_of(group.typer_instance, *before, group.name)


@pytest.mark.parametrize("command", list(commands_of(app)), ids=" ".join)
def test_help_has_an_example_and_json(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    text = re.sub(r"\x1b\[[0-9;]*m", "", result.output)
    assert result.exit_code == 0
    assert "Example:" in text
    assert "--json" in text


def test_without_a_command_the_help_is_shown() -> None:
    assert "Commands" in CliRunner().invoke(app, []).output


@pytest.mark.parametrize(
    ("currency", "minor", "text"),
    [("USD", 1999, "19.99 USD"), ("JPY", 500, "500 JPY"), ("KWD", 1500, "1.500 KWD"), ("", 0, "–")],
)
def test_money_is_shown_with_the_decimals_of_its_currency(currency: str, minor: int, text: str) -> None:
    assert money(Money(currency_code=currency, amount_minor=minor)) == text


def test_an_event_that_is_none_is_a_usage_error() -> None:
    result = CliRunner().invoke(app, ["event", '{"no_such_field": 1}'])
    assert result.exit_code == 2
    assert "no_such_field" in result.output


def test_nobody_there_is_an_error_with_its_code() -> None:
    result = CliRunner().invoke(app, ["status", "--address", "127.0.0.1:1"])
    assert result.exit_code == 1
    assert "UNAVAILABLE" in result.output
