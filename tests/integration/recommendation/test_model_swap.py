"""A model in an object store: every machine takes it over, and the rewritten one after an erasure."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from services.recommendation.algorithms.item_knn import ItemKnn
from services.recommendation.algorithms.popular import Popular
from services.recommendation.models.bundle import Bundle
from services.recommendation.models.groups import GroupCodes
from services.recommendation.models.store import KIND, ModelStore
from services.recommendation.serving.model_manager import ModelManager
from services.recommendation.training.fit import train
from shared.db import models
from shared.db.engine import Database
from tests.contract.algorithms.synthetic_data import shop
from tests.support.object_store import StoreServer, running_object_store
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def server() -> Iterator[StoreServer]:
    with running_object_store() as running:
        yield running


@pytest.fixture
def bundle() -> Bundle:
    return Bundle(train(shop(), [Popular(), ItemKnn()]), np.arange(30), GroupCodes())


def test_every_machine_takes_over_what_is_in_the_store(
    database: Database, server: StoreServer, bundle: Bundle, tmp_path: Path
) -> None:
    database.model_store = server.store(f"swap-{database.dialect}")
    trainer = ModelStore(database, str(tmp_path / "trainer"))
    with ExitStack() as stack:
        machines = [ModelManager(database, ModelStore(database, str(tmp_path / name))) for name in ("one", "two")]
        for each in machines:
            stack.callback(each.stop)
            each.start()
        first = trainer.save("v1", bundle, {})
        wait_until(lambda: all(each.serving.version == "v1" for each in machines))
        trainer.replace(first, "v1+1", bundle, {})
        wait_until(lambda: all(each.serving.version == "v1+1" for each in machines))
    with database.read() as connection:
        assert [each.version for each in models.list_versions(connection, KIND)] == ["v1+1"]
    assert len(server.names(f"swap-{database.dialect}")) == 1
