"""The file of rejected rows: one JSON object a line, with where the row stands, why it was refused, and the row.

Personal values are left out, and so are columns that are not ours: nobody knows what they hold. Only the owner may read
the file.
"""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from cli.importing.convert import Reject
from cli.importing.errors import ImportAborted
from shared.column_mapping import ColumnMapping
from shared.events.check import HIDDEN

OWNER_ONLY = 0o600


class RejectsFile:
    """Appends rejected rows; there is no file as long as there are none.

    Parameters
    ----------
    path : Path
        Where to.
    keep : int
        Lines of an earlier, interrupted run that are right. What follows them was written after the last checkpoint,
        and comes again.
    mapping : ColumnMapping
        Says which columns of the file hold nothing personal.

    Raises
    ------
    ImportAborted
        If the file cannot be written.
    """

    def __init__(self, path: Path, mapping: ColumnMapping, keep: int = 0) -> None:
        self.path = path
        self._mapping = mapping
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
            self._file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, OWNER_ONLY), "ab")
            os.fchmod(self._file.fileno(), OWNER_ONLY)
        for each in sorted(rejects, key=lambda reject: reject.line):
            entry = {"line": each.line, "reason": each.reason, "row": self._shown(each.row)}
            text = json.dumps(entry, ensure_ascii=False, default=str)
            self._file.write(text.encode("utf-8", "replace") + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file. Safe to repeat."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _shown(self, row: Mapping[str, Any]) -> dict[str, Any]:
        kept = self._mapping.impersonal(row)
        return {name: value if name in kept else HIDDEN for name, value in row.items()}

    def _truncate(self, lines: int) -> None:
        try:
            file = self.path.open("r+b")
        except FileNotFoundError:
            return
        with file:
            for _ in range(lines):
                file.readline()
            file.truncate(file.tell())
