"""Exceptions are logged by place and kind, without what they quote."""

import sys

from shared.telemetry import format_exception


def fail(quoted: str) -> None:
    try:
        raise ValueError(quoted)
    except ValueError as error:
        raise KeyError(quoted) from error


def test_an_exception_is_told_without_its_message() -> None:
    try:
        fail("ada" + "@mail.example")
    except KeyError:
        told = format_exception(sys.exc_info())  # type: ignore[arg-type]  # there is one
    assert "ada@mail.example" not in told
    assert "builtins.ValueError" in told
    assert told.index("builtins.ValueError") < told.index("builtins.KeyError")
    assert "in fail" in told
