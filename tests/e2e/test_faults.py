"""A sample of `make test-faults`: what is acknowledged is stored, applied and credited once, whatever breaks.

How long all takes to be whole, and answers in time, are measured on a quiet machine by the whole of it.
"""

from pathlib import Path

import pytest

from benchmarks.faults.__main__ import play

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("database", "scenario"),
    [
        ("sqlite", "kills"),
        ("sqlite", "locked"),
        ("sqlite", "failing_projection"),
        ("sqlite", "clock_jumps"),
        pytest.param("postgres", "silent", marks=pytest.mark.postgres),
    ],
)
def test_nothing_acknowledged_is_lost(trained_shop: Path, tmp_path: Path, database: str, scenario: str) -> None:
    [found] = play(database, [scenario], tmp_path / database, trained_shop, quick=True)
    assert not found.error
    assert found.audit.holds, found.audit
    assert found.audit.acknowledged == found.audit.stored > 0
    assert found.faults > 0
    assert not found.seen.failures
