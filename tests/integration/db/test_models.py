"""Model versions: stored in pieces, verified, one active, the way back open; on both databases."""

import pytest

from shared.db import model_artifacts, models
from shared.db.engine import Database
from shared.db.models import ModelVersion
from shared.db.schema import model_chunks
from shared.errors import DataLoss, InvalidArgument, NotFound
from shared.request_ids import RequestKey


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_artifacts, "CHUNK_BYTES", 4)


def test_what_is_saved_is_loaded_and_active(database: Database) -> None:
    assert models.load_active(database, "recommender") is None
    saved = models.save_model(database, "recommender", "v1", b"0123456789", {"products": 3})
    assert (saved.active, saved.size_bytes, saved.metadata) == (True, 10, {"products": 3})
    assert models.load_active(database, "recommender") == ("v1", b"0123456789")
    models.save_model(database, "segments", "s1", b"", {})
    assert models.load_active(database, "segments") == ("s1", b"")


def test_the_newest_is_active_and_an_older_one_can_be_again(database: Database) -> None:
    for version in ("v1", "v2"):
        models.save_model(database, "recommender", version, version.encode(), {})
    with database.read() as connection:
        assert [(each.version, each.active) for each in models.list_versions(connection, "recommender")] == [
            ("v2", True),
            ("v1", False),
        ]
    assert models.activate(database, "recommender", "v1").active
    assert models.load_active(database, "recommender") == ("v1", b"v1")
    with database.read() as connection:
        assert models.active_version(connection, "recommender") == "v1"
        assert models.active_version(connection, "segments") is None


def test_an_unknown_version_is_not_found_and_changes_nothing(database: Database) -> None:
    models.save_model(database, "recommender", "v1", b"x", {})
    with pytest.raises(NotFound, match="v9"):
        models.activate(database, "recommender", "v9")
    assert models.load_active(database, "recommender") == ("v1", b"x")


def test_a_damaged_artefact_is_refused(database: Database) -> None:
    models.save_model(database, "recommender", "v1", b"0123456789", {})
    with database.write() as connection:
        connection.execute(model_chunks.update().where(model_chunks.c.chunk == 1).values(data=b"!!!!"))
    with pytest.raises(DataLoss, match="v1"):
        models.load_active(database, "recommender")


def test_old_versions_go_but_never_the_active_one(database: Database) -> None:
    for number in range(5):
        models.save_model(database, "recommender", f"v{number}", b"x", {})
    models.activate(database, "recommender", "v0")
    assert models.prune(database, "recommender", keep=2) == 2
    with database.read() as connection:
        assert [each.version for each in models.list_versions(connection, "recommender")] == ["v4", "v3", "v0"]
    assert models.prune(database, "recommender", keep=2) == 0


def test_a_roll_back_is_done_once_for_each_request(database: Database) -> None:
    for version in ("v1", "v2", "v3"):
        models.save_model(database, "recommender", version, b"x", {})
    key = RequestKey("r", b"d")

    def second(versions: list[ModelVersion]) -> ModelVersion:
        place = next(index for index, each in enumerate(versions) if each.active)
        return versions[place + 1]

    found = [models.roll_back(database, "recommender", second, key).version for _ in range(2)]
    assert found == ["v2", "v2"]
    assert models.roll_back(database, "recommender", second, None).version == "v1"
    with pytest.raises(InvalidArgument):
        models.roll_back(database, "recommender", second, RequestKey("r", b"other"))
    with database.read() as connection:
        assert models.active_version(connection, "recommender") == "v1"
