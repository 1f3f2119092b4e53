"""Other releases of the source, to run beside this one: an earlier revision, or one that comes after it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.machine import ROOT
from shared.db.revision import NEWEST

PARTS = ("services", "shared", "cli")
DIGITS = len(NEWEST)
MIGRATION = '''"""A column that this release adds and the one before does not know."""

import sqlalchemy as sa
from alembic import op

revision = "{new}"
down_revision = "{old}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customers", sa.Column("added_by_the_next_release", sa.Text()))


def downgrade() -> None:
    op.drop_column("customers", "added_by_the_next_release")
'''


def release_before(revision: str, folder: Path) -> Path:
    """Return a folder with the source as it was at a revision of the history."""
    packed = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "--extract", "--directory", str(folder)], input=packed, check=True)
    _run(folder, "services.recommendation.compile_ahead")  # as its image does: no call waits for it
    return folder


def release_after(folder: Path) -> Path:
    """Return a folder with a copy of this source that has one more migration, which adds a column."""
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part)  # with the compiled loops that lie beside the source
    new = f"{int(NEWEST) + 1:0{DIGITS}d}"
    migrations = folder / "shared" / "db" / "migrations" / "versions"
    (migrations / f"{new}_one_more.py").write_text(MIGRATION.format(new=new, old=NEWEST))
    revision = folder / "shared" / "db" / "revision.py"
    revision.write_text(re.sub(r'^NEWEST = ".*"', f'NEWEST = "{new}"', revision.read_text(), flags=re.MULTILINE))
    return folder


def migrate_with(source: Path, url: str) -> None:
    """Have a release migrate the database at `url`."""
    _run(source, "cli.main", "migrate", QUINTET_DATABASE_URL=url)


def _run(source: Path, module: str, *arguments: str, **environment: str) -> None:
    """Run a module of a release."""
    environment["PYTHONPATH"] = f"{source}:{source / 'shared' / 'stubs'}"
    command = [sys.executable, "-m", module, *arguments]
    subprocess.run(command, cwd=source, env=os.environ | environment, check=True, stdout=subprocess.DEVNULL)
