"""Exceptions are logged by place and kind, without what they quote."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from shared.config import Settings
from shared.telemetry import configure_logging, format_exception, request_id


@contextmanager
def logging_as(log_format: str) -> Iterator[None]:
    """Log as the product agent does, in a format; then as before."""
    before = structlog.get_config()
    configure_logging(Settings(_env_file=None, log_format=log_format), "product")  # type: ignore[arg-type]
    try:
        yield
    finally:
        structlog.contextvars.unbind_contextvars("agent")
        structlog.configure(**before)


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
    with logging_as(log_format):
        try:
            fail("ada" + "@mail.example")
        except KeyError:
            structlog.get_logger().exception("call failed")
    said = "".join(capsys.readouterr())
    assert "call failed" in said
    assert "builtins.KeyError" in said
    assert "ada@mail.example" not in said


def test_each_line_is_json_that_says_who_logged_what_and_when(capsys: pytest.CaptureFixture[str]) -> None:
    token = request_id.set("r-1")
    try:
        with logging_as("json"):
            structlog.get_logger().info("serving", port=50051)
            structlog.get_logger().warning("a line\nbroken in two")
    finally:
        request_id.reset(token)
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    at = datetime.fromisoformat(first.pop("timestamp"))
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    assert first == {"event": "serving", "level": "info", "agent": "product", "request_id": "r-1", "port": 50051}
    assert (second["event"], second["level"]) == ("a line\nbroken in two", "warning")
