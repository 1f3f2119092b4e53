"""Model files: unpacked once a machine, mapped by all, found damaged, and done without where there is no disk."""

import mmap
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.recommendation.algorithms.item_knn import ItemKnn
from services.recommendation.algorithms.popular import Popular
from services.recommendation.algorithms.row_steps import floats
from services.recommendation.models.bundle import Bundle, dump
from services.recommendation.models.cache import ModelCache
from services.recommendation.models.container import ArtifactError
from services.recommendation.models.groups import GroupCodes
from services.recommendation.models.store import KEPT_VERSIONS, KIND, ModelStore, model_folder
from services.recommendation.training.fit import train
from shared.db import models
from shared.db.engine import Database
from shared.db.schema import model_chunks
from shared.errors import DataLoss
from shared.telemetry import FALLBACKS
from tests.contract.algorithms.synthetic_data import shop

OPEN = """
import os, sys
from services.recommendation.models.store import ModelStore
from shared.db.engine import Database
sys.stdin.readline()
version, bundle = ModelStore(Database(sys.argv[1]), sys.argv[2]).load_active()
maps = {line.split()[4] for line in open("/proc/self/maps") if line.rstrip().endswith(".model")}
print(version, bundle.model.n_products, *maps, flush=True)
sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle(train(shop(), [Popular(), ItemKnn()]), np.arange(30), GroupCodes({"region": ("North",)}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def store(database: Database, folder: Path, bundle: Bundle) -> ModelStore:
    """A store with an active version `v1`."""
    opened = ModelStore(database, str(folder))
    opened.save("v1", bundle, {})
    return opened


def loaded(store: ModelStore) -> tuple[str, Bundle]:
    found = store.load_active()
    assert found is not None
    return found


def model_file(folder: Path) -> Path:
    [path] = folder.glob("*.model")
    return path


def unusable() -> float:
    return FALLBACKS.labels("recommendation", "model_cache_unusable")._value.get()


def test_there_is_nothing_to_load_before_the_first_training(database: Database, folder: Path) -> None:
    assert ModelStore(database, str(folder)).load_active() is None


def test_what_is_saved_is_loaded_from_a_mapped_file(store: ModelStore, folder: Path, bundle: Bundle) -> None:
    version, again = loaded(store)
    assert version == "v1"
    assert again.product_keys.tolist() == bundle.product_keys.tolist()
    before, after = (floats(each.model.algorithms["item_knn"].neighbours) for each in (bundle, again))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(after.indices, before.indices)
    np.testing.assert_allclose(after.data, before.data, atol=before.data.max() / 255)
    base: Any = again.product_keys
    while not isinstance(base, memoryview):
        base = base.base
    assert isinstance(base.obj, mmap.mmap)
    assert sorted(path.suffix for path in folder.iterdir()) == ["", ".model"], "something was left behind"


def test_the_file_is_made_once(store: ModelStore, folder: Path) -> None:
    loaded(store)
    first = model_file(folder).stat()
    loaded(store)
    assert model_file(folder).stat().st_ino == first.st_ino


def test_processes_that_start_together_map_one_file(store: ModelStore, database: Database, folder: Path) -> None:
    model_file(folder).unlink()
    command = [sys.executable, "-c", OPEN, database.engine.url.render_as_string(hide_password=False), str(folder)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.stdout.readline() for process in processes if process.stdout]
    for process in processes:
        process.communicate("\n", timeout=30)
    assert answers[0] == answers[1] == f"v1 30 {model_file(folder).stat().st_ino}\n"


@pytest.mark.parametrize("at", ["magic", "array", "manifest", "cut", "longer", "empty", "no file"])
def test_a_damaged_file_is_unpacked_anew(store: ModelStore, folder: Path, at: str) -> None:
    loaded(store)
    path = model_file(folder)
    whole = path.read_bytes()
    places = {"magic": 0, "array": 200, "manifest": len(whole) - 5}
    if at == "no file":
        path.unlink()
    elif at in places:
        path.write_bytes(whole[: places[at]] + bytes([whole[places[at]] ^ 1]) + whole[places[at] + 1 :])
    else:
        path.write_bytes({"cut": whole[:-9], "longer": whole + b"x", "empty": b""}[at])
    loaded(store)
    assert path.read_bytes() == whole


def test_a_cut_file_that_looks_unchanged_is_unpacked_anew(store: ModelStore, folder: Path) -> None:
    loaded(store)
    path = model_file(folder)
    whole, times = path.read_bytes(), path.stat()
    for damaged in (whole[:-9], b""):
        path.write_bytes(damaged)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        loaded(store)
        assert path.read_bytes() == whole


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 0.999), st.integers(1, 255))
def test_any_damaged_byte_in_the_database_is_found(
    sqlite_database: Database, folder: Path, bundle: Bundle, place: float, change: int
) -> None:
    payload = bytearray(dump(bundle))
    models.save_model(sqlite_database, KIND, os.urandom(8).hex(), bytes(payload), {})
    payload[int(place * len(payload))] ^= change
    with sqlite_database.write() as connection:
        connection.execute(model_chunks.update().values(data=bytes(payload)))
    with pytest.raises(DataLoss, match="does not match its checksum"):
        ModelStore(sqlite_database, str(folder)).load_active()
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_a_missing_chunk_is_found(store: ModelStore, database: Database, folder: Path) -> None:
    model_file(folder).unlink()
    with database.write() as connection:
        connection.execute(model_chunks.delete())
    with pytest.raises(DataLoss, match="does not match its checksum"):
        store.load_active()


def test_a_model_of_an_earlier_format_asks_for_training(database: Database, folder: Path) -> None:
    models.save_model(database, KIND, "old", b"QUINTET-BUNDLE-1\n" + bytes(100), {})
    with pytest.raises(ArtifactError, match="train again"):
        ModelStore(database, str(folder)).load_active()


def test_without_a_folder_the_model_is_read_into_memory(database: Database, tmp_path: Path, bundle: Bundle) -> None:
    (tmp_path / "file").write_text("no folder")
    before = unusable()
    store = ModelStore(database, str(tmp_path / "file" / "models"))
    store.save("v1", bundle, {})
    assert loaded(store)[1].product_keys.tolist() == bundle.product_keys.tolist()
    assert unusable() == before + 1


def test_on_a_full_disk_the_model_is_read_into_memory(
    store: ModelStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    model_file(folder).unlink()
    monkeypatch.setattr(os, "fsync", full)
    before = unusable()
    assert loaded(store)[0] == "v1"
    assert unusable() == before + 1
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_files_go_with_their_versions(store: ModelStore, folder: Path, bundle: Bundle) -> None:
    _, first = loaded(store)
    for number in range(KEPT_VERSIONS):
        store.save(f"v{number + 2}", bundle, {})
        loaded(store)
    names = sorted(path.name.split("-")[1] for path in folder.glob("*.model"))
    assert names == ["v2", "v3", "v4"]
    assert first.product_keys.tolist() == bundle.product_keys.tolist(), "a file in use stays readable"


def test_an_old_file_that_cannot_be_deleted_stays(store: ModelStore, folder: Path) -> None:
    loaded(store)
    (folder / "stuck.model").mkdir()
    assert ModelCache(folder).keep_only([]) == 0


def test_files_are_beside_the_database_or_in_the_cache_folder(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert model_folder(sqlite_database) == tmp_path / "models-of-quintet.db"
    elsewhere = Database("postgresql://nobody@nowhere/quintet")
    assert model_folder(elsewhere).parent == tmp_path / "cache" / "quintet"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert model_folder(elsewhere).parent == tmp_path / ".cache" / "quintet"
