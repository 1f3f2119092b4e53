"""Every process is replaced by one of a newer release, one after the other, under load: no call fails."""

from pathlib import Path

import pytest

from benchmarks.scale.releases import release_after
from benchmarks.scale.rolling import make_shop, replace_all
from shared.db.engine import Database
from shared.db.revision import NEWEST, current_revision
from tests.support.replicas import running_replicas

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
ROUNDS_BETWEEN = 2


def test_no_call_fails_while_every_process_is_upgraded(
    postgres_database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = release_after(tmp_path / "newer")
    with running_replicas(postgres_database.url, tmp_path) as replicas:
        make_shop(replicas.target)
        done = replace_all(replicas, ROUNDS_BETWEEN, newer, postgres_database.url)
    with capsys.disabled():
        print(f"\n{done.summary()}")
    assert current_revision(postgres_database) == f"{int(NEWEST) + 1:04d}"
    assert done.failed == {}
    assert done.stale == []
