"""The shops that are served: a database each, imported and trained, kept and used again while nothing has changed."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.command import import_file, quintet
from benchmarks.machine import ROOT
from benchmarks.quality.scaling.synthetic_data import NOW
from benchmarks.serving.generated import Size, write_files
from cli.importing.shift import weeks_to_now

KINDS = ("customers", "products", "events")
LAYOUT = ("shared/db/schema.py", "shared/db/migrations", "cli/importing")
"""Sources that decide what an imported database looks like."""
TRAINING = ("services/recommendation", "services/product", "services/customer", "shared/db/training_data.py")
"""Sources that decide what is learned from it."""
MICROSECONDS = 1_000_000
DATABASE = "quintet.db"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Shop:
    """A shop: its name, its folder, and its size where it is generated; The Complete Journey has none."""

    name: str
    folder: Path
    size: Size | None = None
    quick: bool = False
    """Whether the training is a quick first one."""

    @property
    def identity(self) -> dict[str, Any] | None:
        """What else than the code decides what is imported; None for The Complete Journey."""
        return self.size.as_dict() if self.size else None

    @property
    def database(self) -> Path:
        """The database's file."""
        return self.folder / DATABASE

    @property
    def facts(self) -> dict[str, Any]:
        """How it was prepared: rows imported, seconds, what training said of itself."""
        return dict(json.loads(self._facts_file.read_text())) if self._facts_file.is_file() else {}

    def prepare(self, say: Say, *, renew: bool = False, reuse: bool = False, minutes: float | None = None) -> None:
        """Import and train unless that was done by the same code already.

        `renew` does it in any case; `reuse` takes what is there, whatever the code was. Raises TooSlow when the import
        of a file, or the training, takes longer than `minutes`.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        facts = {} if renew else self.facts
        if reuse and {"imported", "trained"} <= set(facts):
            return
        imported = _key(LAYOUT, self.identity)
        if facts.get("imported") != imported:
            self._import(imported, say, minutes)
        if self.facts.get("trained") != _key(TRAINING, self.identity):
            self._train(say, minutes)

    def copy(self, to: Path) -> str:
        """Copy the database to a fresh file, which a measurement may change, and return its address."""
        to.parent.mkdir(parents=True, exist_ok=True)
        for old in to.parent.glob(f"{to.name}*"):
            old.unlink()
        shutil.copyfile(self.database, to)
        return f"sqlite:///{to}"

    def _import(self, key: str, say: Say, minutes: float | None) -> None:
        for old in self.folder.glob(f"{DATABASE}*"):
            old.unlink()
        self._facts_file.unlink(missing_ok=True)
        say(f"{self.name}: writing the files")
        weeks = self._write_files()
        quintet(self._environment, "migrate")
        summaries = {}
        for kind in KINDS:
            say(f"{self.name}: importing {kind}")
            file = self.folder / f"{kind}.parquet"
            shift = ("--shift-weeks", str(weeks))
            summaries[kind] = import_file(self._environment, kind, file, *shift, minutes=minutes)
        self._note({"imported": key, "import": summaries})

    def _write_files(self) -> int:
        """Write the interchange files and return by how many weeks they are to be moved."""
        if self.size is None:
            quintet({}, "demo-data", str(self.folder), "--shift-to-now", "--json")
            return 0
        write_files(self.size, self.folder)
        return weeks_to_now(NOW * MICROSECONDS)

    def _train(self, say: Say, minutes: float | None) -> None:
        say(f"{self.name}: training")
        started = time.monotonic()
        quick = ("--quick",) if self.quick else ()
        facts = quintet(self._environment, "train", *quick, "--json", minutes=minutes)
        self._note({"trained": _key(TRAINING, self.identity), "train": facts, "seconds": time.monotonic() - started})

    @property
    def _environment(self) -> dict[str, str]:
        return {"QUINTET_DATABASE_URL": f"sqlite:///{self.database}"}

    @property
    def _facts_file(self) -> Path:
        return self.folder / "facts.json"

    def _note(self, more: dict[str, Any]) -> None:
        self._facts_file.write_text(json.dumps(self.facts | more, indent=1, default=str))


def _key(sources: Iterable[str], identity: dict[str, Any] | None) -> str:
    """Return a short name of the sources as they are, and of what the shop is."""
    digest = hashlib.sha256(json.dumps(identity).encode())
    for source in sources:
        path = ROOT / source
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.hexdigest()[:16]
