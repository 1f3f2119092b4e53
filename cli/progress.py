"""Progress of long work: a bar for people, a JSON line for programs, a plain line now and then for logs."""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cli.output import err
from shared.progress import Show

__all__ = ["Show", "shown_progress"]

QUIET_EVERY_SECONDS = 5.0
_NUMBER = re.compile(r"[\d.,]+")


@contextmanager
def shown_progress(title: str) -> Iterator[Show]:
    """Give a function that shows progress on standard error, as fits a terminal or a log."""
    if not sys.stderr.isatty():
        yield _Plain(title)
        return
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[stage]}"),
    )
    with Progress(*columns, console=err) as progress:
        task = progress.add_task(title, total=1.0, stage="")
        yield lambda stage, fraction: progress.update(task, completed=fraction, stage=stage)


class _Plain:
    """A line when the stage changes, whatever numbers are in it, or some seconds went by, and one at the end."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._said_at = 0.0
        self._said = ""

    def __call__(self, stage: str, fraction: float) -> None:
        now, words = time.monotonic(), _NUMBER.sub("", stage)
        if fraction < 1.0 and words == self._said and now - self._said_at < QUIET_EVERY_SECONDS:
            return
        self._said_at, self._said = now, words
        sys.stderr.write(f"{self._title}: {fraction:4.0%} {stage}\n")
        sys.stderr.flush()
