"""Removing histories from stored models, a process of its own: `python -m services.recommendation.models.forgetting`.

Each stored model that holds a history which `shared.db.forgotten` lists is stored anew without it, under the name
`<version>+<number>`, and the old one is deleted, with this machine's file. Agents leave the histories out from the
moment they are listed (`ModelManager`), so this may take its time.
"""

from typing import Any

import numpy as np

from services.recommendation.models.bundle import Bundle, bundle_of
from services.recommendation.models.store import KIND, ModelStore
from shared.config import Settings
from shared.db import forgotten, models
from shared.db.connect import job_database
from shared.db.engine import Database
from shared.db.models import ModelVersion
from shared.jobs import ProgressReporter, job_main

FORGOTTEN = "forgotten"
"""Name in the facts of a version: the number up to which it holds no history that is listed."""


def work(settings: Settings, reporter: ProgressReporter) -> dict[str, Any]:
    """Remove the listed histories from all stored models and return how many models were rewritten."""
    database = job_database(settings)
    try:
        return run(database, ModelStore(database, settings.model_cache_dir), reporter)
    finally:
        database.close()


def run(database: Database, store: ModelStore, reporter: ProgressReporter) -> dict[str, Any]:
    """Remove the listed histories from all models of `store`; say on the receipts that they are gone."""
    waiting, number = versions_waiting(database)
    rewritten = 0
    for done, model in enumerate(waiting):
        reporter.report(f"rewriting {model.version}", done / len(waiting))
        rewritten += _rewrite(database, store, model, number)
    store.drop_old_files()
    with database.write() as connection:
        forgotten.mark_removed(connection, number)
    return {"checked": len(waiting), "rewritten": rewritten}


def versions_waiting(database: Database) -> tuple[list[ModelVersion], int]:
    """Return the stored versions that may hold listed histories, and the newest number."""
    with database.read() as connection:
        number = forgotten.newest(connection)
        known = models.list_versions(connection, KIND)
    return [each for each in known if int(each.metadata.get(FORGOTTEN, 0)) < number], number


def _rewrite(database: Database, store: ModelStore, model: ModelVersion, number: int) -> bool:
    """Store a model anew without the listed histories, if it has any; return whether it had."""
    bundle = bundle_of(store.cache.open(database, model))
    with database.read() as connection:
        keys = forgotten.keys_after(connection, bundle.forgotten)
    facts = model.metadata | {FORGOTTEN: number}
    if not _holds(bundle, keys):
        models.set_metadata(database, model, facts)
        return False
    name = f"{models.family(model.version)}{models.REWRITTEN}{number}"
    store.replace(model, name, bundle.without(keys, number), facts)
    return True


def _holds(bundle: Bundle, keys: list[int]) -> bool:
    """Return whether a model holds histories of the keys; of a model that does not say whose they are, it may."""
    unknown = not len(bundle.customer_keys)
    return bool(keys) and (unknown or bool(np.isin(bundle.customer_keys, keys).any()))


if __name__ == "__main__":
    raise SystemExit(job_main("recommendation", work))
