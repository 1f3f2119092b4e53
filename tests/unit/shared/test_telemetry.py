"""Exceptions are logged by place and kind, without what they quote."""

import sys

import pytest
import structlog

from shared.config import Settings
from shared.telemetry import configure_logging, format_exception


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


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_what_is_logged_of_an_exception_has_no_message(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    before = structlog.get_config()
    configure_logging(Settings(_env_file=None, log_format=log_format), "product")  # type: ignore[arg-type]
    try:
        fail("ada" + "@mail.example")
    except KeyError:
        structlog.get_logger().exception("call failed")
    finally:
        structlog.contextvars.unbind_contextvars("agent")
        structlog.configure(**before)
    said = "".join(capsys.readouterr())
    assert "call failed" in said
    assert "builtins.KeyError" in said
    assert "ada@mail.example" not in said
