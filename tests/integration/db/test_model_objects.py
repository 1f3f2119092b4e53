"""Models in an object store: found by every replica, verified, replaced and deleted there too."""

import io
from collections.abc import Iterator

import pytest

from shared import object_store
from shared.db import models
from shared.db.engine import Database
from shared.db.integrity import check_database
from shared.errors import DataLoss, FailedPrecondition, Unavailable
from tests.support.object_store import StoreServer, running_object_store


@pytest.fixture(scope="module")
def server() -> Iterator[StoreServer]:
    with running_object_store() as running:
        yield running


@pytest.fixture
def stored(database: Database, server: StoreServer, request: pytest.FixtureRequest) -> Database:
    """A database whose models go below a prefix of its own."""
    database.model_store = server.store(_prefix(request))
    return database


def _prefix(request: pytest.FixtureRequest) -> str:
    return request.node.name.replace("[", "-").replace("]", "")


def _replica(database: Database) -> Database:
    """Another process's connection, with a client of its own."""
    store = database.model_store
    assert store is not None
    return Database(database.url, database.limits, object_store.ObjectStore(store._address, store._endpoint))


def test_another_replica_loads_what_is_saved(
    stored: Database, server: StoreServer, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "PIECE_BYTES", 4)
    models.save_model(stored, "recommender", "v1+3", b"0123456789", {})
    assert len(server.names(_prefix(request))) == 1
    other = _replica(stored)
    try:
        assert models.load_active(other, "recommender") == ("v1+3", b"0123456789")
    finally:
        other.close()


def test_what_the_database_has_stays_readable(database: Database, server: StoreServer) -> None:
    models.save_model(database, "recommender", "v1", b"rows", {})
    database.model_store = server.store("both")
    models.save_model(database, "recommender", "v2", b"object", {})
    assert models.load_active(database, "recommender") == ("v2", b"object")
    models.activate(database, "recommender", "v1")
    assert models.load_active(database, "recommender") == ("v1", b"rows")


def test_without_the_setting_it_is_said_what_is_missing(stored: Database) -> None:
    models.save_model(stored, "recommender", "v1", b"x", {})
    stored.model_store = None
    with pytest.raises(FailedPrecondition, match="QUINTET_MODEL_STORE"):
        models.load_active(stored, "recommender")


def test_damaged_and_missing_objects_are_refused(
    stored: Database, server: StoreServer, request: pytest.FixtureRequest
) -> None:
    models.save_model(stored, "recommender", "v1", b"0123456789", {})
    (path,) = server.names(_prefix(request))
    server.overwrite(path, b"01234!6789")
    with pytest.raises(DataLoss, match="checksum"):
        models.load_active(stored, "recommender")
    server.files.delete_file(path)
    with pytest.raises(DataLoss, match="has no"):
        models.load_active(stored, "recommender")
    assert any(
        "v1" in problem for finding in check_database(stored, lambda name, share: None) for problem in finding.problems
    )


def test_old_versions_leave_the_store(stored: Database, server: StoreServer, request: pytest.FixtureRequest) -> None:
    for number in range(4):
        models.save_model(stored, "recommender", f"v{number}", b"x", {})
    assert models.prune(stored, "recommender", keep=2) == 2
    assert len(server.names(_prefix(request))) == 2


def test_a_version_without_a_history_takes_the_place_of_the_object_with_it(
    stored: Database, server: StoreServer, request: pytest.FixtureRequest
) -> None:
    before = models.save_model(stored, "recommender", "v1", b"with the history", {})
    after = models.replace_model_file(stored, before, "v1+1", io.BytesIO(b"without"), {})
    assert after.active
    assert models.load_active(stored, "recommender") == ("v1+1", b"without")
    (left,) = server.names(_prefix(request))
    with server.files.open_input_stream(left) as stream:
        assert stream.read() == b"without"


def test_a_store_out_of_reach_leaves_the_model_before_active(stored: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    models.save_model(stored, "recommender", "v1", b"x", {})
    monkeypatch.setattr(object_store, "ATTEMPTS", 1)
    reachable, stored.model_store = stored.model_store, object_store.ObjectStore("s3://models", "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="object store"):
        models.save_model(stored, "recommender", "v2", b"y", {})
    stored.model_store = reachable
    assert models.load_active(stored, "recommender") == ("v1", b"x")
