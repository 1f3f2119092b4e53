"""Take the compose file up, use it, break it and take it down: `python -m deploy.compose_test`.

`deploy/compose-test.sh` prepares the engine and the images and says in the environment where they are. Arguments name
stages; without one all of them run.
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

REPLICAS = "docker-compose.yml:deploy/replicas.yml"
Step = tuple[str, Callable[[checks.Say], object]]


def main() -> int:
    """Run the stages that the command line names, or all, and return the exit code."""
    wanted = sys.argv[1:] or list(STAGES)
    unknown = set(wanted) - set(STAGES)
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; stages are {', '.join(STAGES)}", file=sys.stderr)
        return 2
    summary: list[str] = []
    worked = all(STAGES[name](summary) for name in wanted)  # the first that fails ends the test
    print("\nSummary", *summary, sep="\n")
    print("containers: all well" if worked else "containers: FAILED")
    return 0 if worked else 1


def sqlite_stage(summary: list[str]) -> bool:
    """Take the compose file up as it is."""
    stack = _stack()
    return run("SQLite", stack, on_sqlite(stack), summary)


def postgres_stage(summary: list[str]) -> bool:
    """Take two replicas of every agent up, on PostgreSQL."""
    stack = replace(_stack(), environment={"COMPOSE_FILE": REPLICAS, **_postgres()})
    return run("PostgreSQL, two replicas", stack, on_postgres(stack), summary)


def shops_stage(summary: list[str]) -> bool:
    """Take two shops up beside each other."""
    garden, books = (_shop(name, suffix) for name, suffix in (("garden", ""), ("books", "_2")))
    return run("Two shops", garden, on_two_shops(garden, books), summary)


STAGES: dict[str, Callable[[list[str]], bool]] = {
    "sqlite": sqlite_stage,
    "postgres": postgres_stage,
    "shops": shops_stage,
}


def _stack() -> Stack:
    return Stack(
        project=os.environ["COMPOSE_TEST_PROJECT"],
        compose=os.environ["COMPOSE_TEST_COMMAND"].split(),
        engine=os.environ["COMPOSE_TEST_ENGINE"],
        **_published(""),
    )


def _published(suffix: str) -> dict[str, str]:
    """Return where a coordinator is called by gRPC and by HTTP; the second one's settings end with a suffix."""
    grpc, http = (os.environ[f"QUINTET_PUBLISHED_{name}{suffix}"] for name in ("PORT", "HTTP_PORT"))
    return {"address": f"127.0.0.1:{grpc}", "url": f"https://localhost:{http}"}


def _postgres() -> dict[str, str]:
    return {
        "COMPOSE_PROFILES": "postgres",
        "QUINTET_DATABASE_URL": "postgresql://quintet@postgres/quintet",
        "QUINTET_POSTGRES_PASSWORD": secrets.token_hex(16),
    }


def _shop(name: str, suffix: str) -> Stack:
    """Return one of the two shops of deploy/two-shops, at a port of the test."""
    given = {
        f"QUINTET_PUBLISHED_{port}": os.environ[f"QUINTET_PUBLISHED_{port}{suffix}"] for port in ("PORT", "HTTP_PORT")
    }
    stack = _stack()
    return replace(
        stack,
        project=f"{stack.project}-{name}",
        compose=[*stack.compose, "--env-file", f"deploy/two-shops/{name}.env"],
        environment={"QUINTET_POSTGRES_PASSWORD": secrets.token_hex(16), **given},
        **_published(suffix),
    )


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
    """Return the steps of the stage with PostgreSQL and two replicas of every agent."""
    second = replace(stack, **_published("_2"))
    return [
        ("up", lambda _: stack.up()),
        ("shop filled and trained", partial(checks.fill, stack)),
        ("replicas", partial(checks.replicas, stack, second)),
        ("journey", partial(checks.journeys, stack)),
        ("journey at the second coordinator", partial(checks.journeys, second)),
        ("kill -9", lambda say: checks.kills(stack, say, ["postgres", "customer", "recommendation"])),
        ("down", lambda _: remove(stack)),
    ]


def on_two_shops(garden: Stack, books: Stack) -> list[Step]:
    """Return the steps of the stage with two shops."""
    return [
        ("garden up", lambda _: garden.up()),
        ("books up", lambda _: books.up()),
        ("apart", partial(checks.apart, garden, books)),
        ("down", lambda _: (remove(garden), remove(books))),
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
