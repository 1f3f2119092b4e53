"""Take the compose file up, use it, break it and take it down: `python -m deploy.compose_test`.

`deploy/compose-test.sh` prepares the engine and the images and says in the environment where they are.
"""

import os
import secrets
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from deploy.compose_test import checks
from deploy.compose_test.stack import Stack
from shared.config import AGENTS

Step = tuple[str, Callable[[checks.Say], None]]


def main() -> int:
    """Run both stages and return the exit code."""
    stack = Stack(
        project=os.environ["COMPOSE_TEST_PROJECT"],
        compose=os.environ["COMPOSE_TEST_COMMAND"].split(),
        engine=os.environ["COMPOSE_TEST_ENGINE"],
        address=f"127.0.0.1:{os.environ['QUINTET_PUBLISHED_PORT']}",
    )
    password = secrets.token_hex(16)
    postgres = replace(
        stack,
        environment={
            "COMPOSE_PROFILES": "postgres",
            "QUINTET_DATABASE_URL": "postgresql://quintet@postgres/quintet",
            "QUINTET_POSTGRES_PASSWORD": password,
        },
    )
    summary: list[str] = []
    worked = run("SQLite", stack, on_sqlite(stack), summary) and run(
        "PostgreSQL", postgres, on_postgres(postgres), summary
    )
    print("\nSummary", *summary, sep="\n")
    print("containers: all well" if worked else "containers: FAILED")
    return 0 if worked else 1


def on_sqlite(stack: Stack) -> list[Step]:
    """Return the steps of the stage with the default database."""
    return [
        ("up", lambda _: stack.up()),
        ("shop filled and trained", partial(checks.fill, stack)),
        ("command line", partial(checks.operate, stack)),
        ("keys and TLS", partial(checks.guarded, stack)),
        ("journey", partial(checks.journeys, stack)),
        ("kill -9", lambda say: checks.kills(stack, say, AGENTS)),
        ("scale", partial(checks.scale, stack)),
        ("backup", partial(checks.backup, stack)),
        ("down", lambda _: remove(stack)),
    ]


def on_postgres(stack: Stack) -> list[Step]:
    """Return the steps of the stage with PostgreSQL."""
    return [
        ("up", lambda _: stack.up()),
        ("shop filled and trained", partial(checks.fill, stack)),
        ("journey", lambda say: checks.journeys(stack, say, ["python"])),
        ("kill -9", lambda say: checks.kills(stack, say, ["postgres", "recommendation"])),
        ("down", lambda _: remove(stack)),
    ]


def remove(stack: Stack) -> None:
    """Take all down; nothing of it may remain."""
    stack.down("--volumes")
    assert not stack.leftovers(), stack.leftovers()


def run(stage: str, stack: Stack, steps: list[Step], summary: list[str]) -> bool:
    """Run the steps of a stage; return whether all went well. Shows the containers' logs otherwise."""
    for name, step in steps:
        with timed(f"{stage}: {name}", summary) as say:
            try:
                step(say)
            except Exception:  # whatever failed: the logs first, before the containers go
                traceback.print_exc()
                print(stack.logs(), file=sys.stderr)
                say("FAILED")
                stack.down("--volumes")
                return False
    return True


@contextmanager
def timed(title: str, summary: list[str]) -> Iterator[checks.Say]:
    """Print and note what a step says, and how long it took."""
    print(title, flush=True)
    said: list[str] = []

    def say(line: str) -> None:
        said.append(f"    {line}")
        print(said[-1], flush=True)

    started = time.monotonic()
    yield say
    summary += [f"  {title}: {time.monotonic() - started:.1f} s", *said]


if __name__ == "__main__":
    sys.exit(main())
