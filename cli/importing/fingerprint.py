"""Tell whether an import is the same one as before: the same file, read the same way."""

import hashlib
import json
from pathlib import Path
from typing import Any

SAMPLE = 1024 * 1024


def fingerprint(path: Path, reading: dict[str, Any]) -> str:
    """Return a digest of the file and of how it is read, 64 hexadecimal characters.

    Of the file it takes size, time of change, first and last megabyte: reading all of a large file would take as long
    as importing some of it.
    """
    status = path.stat()
    digest = hashlib.sha256(json.dumps(reading, sort_keys=True, default=str).encode())
    digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
    with path.open("rb") as file:
        digest.update(file.read(SAMPLE))
        file.seek(max(status.st_size - SAMPLE, 0))
        digest.update(file.read(SAMPLE))
    return digest.hexdigest()
