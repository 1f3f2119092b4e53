"""What all tests of whole clusters share."""

import fcntl
from pathlib import Path

import pytest

from benchmarks.faults.shops import trained_file


@pytest.fixture(scope="session")
def trained_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the small shop, trained. To be copied: all test processes of a run share it."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if own.name.startswith("popen-") else own
    with (shared / "shop.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever comes second waits for the first to train
        return trained_file(shared / "trained-shop")
