"""What every command prints alike: money, tables, errors, JSON."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import grpc
import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from quintet.type.v1.money_pb2 import Money
from rich.console import Console
from rich.markup import escape

from shared.errors import QuintetError
from shared.money import decimals
from shared.rpc.status import from_rpc_error

EXIT_FAILED = 1
EXIT_USAGE = 2

WIDTH_WITHOUT_TERMINAL = 140

out = Console(width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL)
err = Console(stderr=True)


def money(amount: Money) -> str:
    """Return an amount for people, such as `2.49 USD`; an en dash when it is unknown."""
    if not amount.currency_code:
        return "–"
    places = decimals(amount.currency_code)
    return f"{amount.amount_minor / 10**places:.{places}f} {amount.currency_code}"


def print_json(value: Message | dict[str, Any]) -> None:
    """Print one JSON object on a line of standard output."""
    plain = MessageToDict(value, preserving_proto_field_name=True) if isinstance(value, Message) else value
    sys.stdout.write(json.dumps(plain, default=str) + "\n")
    sys.stdout.flush()


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """Say what is wrong on standard error and end with `code`."""
    err.print(f"[bold red]error:[/] {escape(message)}", highlight=False)
    raise typer.Exit(code)


@contextmanager
def reported() -> Iterator[None]:
    """Turn errors that a user can understand into a message and exit code 1; the others stay bugs with a trace."""
    try:
        yield
    except QuintetError as error:
        fail(_said(error))
    except grpc.RpcError as error:
        fail(_said(from_rpc_error(error, verbatim=True)))


def _said(error: QuintetError) -> str:
    lines = [f"{error.code.name}: {error.message}"]
    lines += [f"  {violation.field}: {violation.description}" for violation in error.violations]
    return "\n".join(lines)
