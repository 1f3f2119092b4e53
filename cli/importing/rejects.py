"""The file of rejected rows: one JSON object a line, with where the row stands, why it was refused, and the row."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from cli.importing.convert import Reject
from cli.importing.errors import ImportAborted


class RejectsFile:
    """Appends rejected rows; there is no file as long as there are none.

    Parameters
    ----------
    path : Path
        Where to.
    keep : int
        Lines of an earlier, interrupted run that are right. What follows them was written after the last checkpoint,
        and comes again.

    Raises
    ------
    ImportAborted
        If the file cannot be written.
    """

    def __init__(self, path: Path, keep: int = 0) -> None:
        self.path = path
        self._file: IO[bytes] | None = None
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise ImportAborted(f"cannot write {path}: name another file with --rejects")
        if keep:
            self._truncate(keep)
        else:
            with suppress(FileNotFoundError):
                path.unlink()

    def add(self, rejects: Sequence[Reject]) -> None:
        """Append rows, durably: what a checkpoint counts is in the file."""
        if not rejects:
            return
        if self._file is None:
            self._file = self.path.open("ab")
        for each in sorted(rejects, key=lambda reject: reject.line):
            entry = {"line": each.line, "reason": each.reason, "row": each.row}
            text = json.dumps(entry, ensure_ascii=False, default=str)
            self._file.write(text.encode("utf-8", "replace") + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file. Safe to repeat."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _truncate(self, lines: int) -> None:
        try:
            file = self.path.open("r+b")
        except FileNotFoundError:
            return
        with file:
            for _ in range(lines):
                file.readline()
            file.truncate(file.tell())
