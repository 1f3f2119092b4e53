"""The stored models: from the database, by way of this machine's model files, into memory and back."""

import hashlib
import os
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

import structlog

from services.recommendation.models import bundle as bundles
from services.recommendation.models.bundle import Bundle
from services.recommendation.models.cache import ModelCache
from shared.db import models
from shared.db.engine import Database
from shared.db.models import ModelVersion
from shared.errors import NotFound

KIND = "recommender"
KEPT_VERSIONS = 3
log = structlog.get_logger()


class ModelStore:
    """Saves and loads the versions of the recommendation model.

    Parameters
    ----------
    database : Database
    folder : str
        Folder of the model files (`Settings.model_cache_dir`); empty for the one that `model_folder` names.
    """

    def __init__(self, database: Database, folder: str = "") -> None:
        self._database = database
        self._folder = Path(folder) if folder else model_folder(database)
        self.cache = ModelCache(self._folder)

    def load_active(self) -> tuple[str, Bundle] | None:
        """Return the active version and what it holds, mapped; None before the first training.

        Raises
        ------
        DataLoss
            If the database holds damaged bytes. An `ArtifactError`, which is one, if another Quintet wrote them.
        """
        with self._database.read() as connection:
            active = models.active_model(connection, KIND)
            kept = models.list_versions(connection, KIND)
        if active is None:
            return None
        container = self.cache.open(self._database, active)
        self.cache.keep_only(kept)
        return active.version, bundles.bundle_of(container)

    def load(self, version: str) -> Bundle:
        """Return what a stored version holds, or what was stored in its place, mapped. Raises NotFound, DataLoss."""
        with self._database.read() as connection:
            found = models.same_model(connection, KIND, version)
        if found is None:
            raise NotFound.of("model version", version, "model_version")
        return bundles.bundle_of(self.cache.open(self._database, found))

    def add(self, version: str, bundle: Bundle, facts: dict[str, Any], spare: Collection[str] = ()) -> ModelVersion:
        """Store `bundle` as a version that is not in use, and delete old ones but for those to `spare`.

        The artefact goes through a file, so it is in memory only once; this machine's model file is made as well.
        """
        stored = self._stored(version, bundle, facts)
        models.prune(self._database, KIND, KEPT_VERSIONS, spare)
        return stored

    def save(self, version: str, bundle: Bundle, facts: dict[str, Any]) -> ModelVersion:
        """Store `bundle` as the new active version and delete all but the newest few; see `add`."""
        self._stored(version, bundle, facts)
        stored = models.activate(self._database, KIND, version)
        models.prune(self._database, KIND, KEPT_VERSIONS)
        return stored

    def _stored(self, version: str, bundle: Bundle, facts: dict[str, Any]) -> ModelVersion:
        with _temporary_file(self._folder) as file:
            bundles.write(bundle, file)
            stored = models.add_model_file(self._database, KIND, version, file, facts)
        self.cache.prepare(self._database, stored)
        return stored

    def replace(self, model: ModelVersion, version: str, bundle: Bundle, facts: dict[str, Any]) -> ModelVersion:
        """Store `bundle` in the place of a stored version, active if that one is, and delete that one."""
        with _temporary_file(self._folder) as file:
            bundles.write(bundle, file)
            stored = models.replace_model_file(self._database, model, version, file, facts)
        if stored.active:
            self.cache.prepare(self._database, stored)
        return stored

    def drop_old_files(self) -> None:
        """Delete this machine's files of versions that are no longer stored."""
        with self._database.read() as connection:
            kept = models.list_versions(connection, KIND)
        self.cache.keep_only(kept)


def model_folder(database: Database) -> Path:
    """Return where model files go by default: beside the file of the database, else in the user's cache folder."""
    if database.file is not None:
        return database.file.with_name(f"models-of-{database.file.name}")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "quintet" / hashlib.sha256(database.url.encode()).hexdigest()[:16]


def _temporary_file(folder: Path) -> IO[bytes]:
    """Return a file without a name in `folder`, or where the system has its temporary files if that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder)
    except OSError as error:
        log.warning("model cache: cannot be written to", folder=str(folder), error=str(error))
        return tempfile.TemporaryFile()
