"""What shoppers do not permit is not done, and who is erased is in no answer and in no stored model."""

import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from services.recommendation.algorithms.customer_knn import CustomerKnn
from services.recommendation.algorithms.session_knn import SessionKnn
from services.recommendation.models import forgetting
from services.recommendation.models.bundle import Bundle
from services.recommendation.models.store import KIND, ModelStore
from services.recommendation.request import Page, Query
from shared.consent import Consent
from shared.db import consents, customers, erasure, erasure_receipts, models
from shared.db.engine import Database
from shared.db.products import product_keys
from shared.db.schema import recommendation_lists
from shared.jobs import ProgressReporter
from shared.recommendation_tokens import counts
from tests.integration.recommendation import shop
from tests.integration.recommendation.conftest import Shop, running

QUIET = ProgressReporter(write=lambda _: None)


def key_of(database: Database, customer: str) -> int:
    with database.read() as connection:
        return customers.resolve_customers(connection, [customer])[customer]


def say(database: Database, customer: str, said: Consent) -> None:
    key = key_of(database, customer)
    with database.write() as connection:
        consents.store(connection, key, said, datetime.now(UTC))


def test_without_personalise_an_answer_is_that_of_a_stranger(coffee_shop: Shop) -> None:
    database = coffee_shop.database
    shop.add_customer(database, "stranger")
    personal, plain = coffee_shop.ids("c-lover-1"), coffee_shop.ids("stranger")
    assert personal != plain
    kept = coffee_shop.agent._histories._kept
    key = key_of(database, "c-lover-1")
    assert key in kept
    say(database, "c-lover-1", Consent(personalise=False))
    assert coffee_shop.ids("c-lover-1") == plain
    assert coffee_shop.ids("c-lover-1", Page.BUY_AGAIN) == []
    shop.act(database, shop.searched("c-lover-1", "Tea number 1"), shop.viewed("c-lover-1", "t1"))
    assert coffee_shop.ids("c-lover-1", Page.SEARCH) == coffee_shop.ids("stranger", Page.SEARCH)
    assert key not in kept
    say(database, "c-lover-1", Consent(personalise=True))
    assert coffee_shop.ids("c-lover-1") != plain


def test_a_call_may_deny_what_nobody_said(coffee_shop: Shop) -> None:
    shop.add_customer(coffee_shop.database, "stranger")
    denied = coffee_shop.recommend(Query("c-lover-1", consent=Consent(personalise=False, measure=False)))
    assert [pick.product_id for pick in denied.picks] == coffee_shop.ids("stranger")
    assert not any(counts(number) for number in denied.numbers)


def test_without_measure_lists_are_not_logged_and_count_nothing(coffee_shop: Shop) -> None:
    say(coffee_shop.database, "c-lover-1", Consent(measure=False))
    answer = coffee_shop.ask("c-lover-1")
    assert answer.picks
    assert not any(counts(number) for number in answer.numbers)
    coffee_shop.ask("c-lover-2")
    assert coffee_shop.agent._recommendation_log.wait_until_written(10)
    with coffee_shop.database.read() as connection:
        owners = connection.execute(select(recommendation_lists.c.customer_id)).scalars().all()
    assert owners == [key_of(coffee_shop.database, "c-lover-2")]


@pytest.fixture
def marked(untrained: Database) -> Database:
    """A trained shop in which one customer alone met two products together."""
    shop.add_customer(untrained, "canary")
    shop.act(
        untrained, *[shop.viewed("canary", name) for name in ("c0", "t7", "a5")], shop.bought("canary", "c0", "t7")
    )
    shop.train(untrained)
    return untrained


def histories_of(bundle: Bundle, key: int) -> dict[str, list[list[int]]]:
    """Return the products of the histories that a stored model says are a customer's, by algorithm."""
    found = {}
    for kind, matrix in ((CustomerKnn, "habits"), (SessionKnn, "sessions")):
        algorithm = bundle.model.algorithms[kind.name]
        mine = np.isin(algorithm.owners, np.flatnonzero(bundle.customer_keys == key))  # type: ignore[attr-defined]
        rows = getattr(algorithm, matrix)
        found[kind.name] = [
            rows.indices[rows.indptr[row] : rows.indptr[row + 1]].tolist() for row in np.flatnonzero(mine)
        ]
    return found


def stored(database: Database) -> Bundle:
    loaded = ModelStore(database).load_active()
    assert loaded is not None
    return loaded[1]


def met_together(bundle: Bundle, database: Database) -> bool:
    """Say whether any stored history, whoever's, has the two products of the canary."""
    with database.read() as connection:
        keys = product_keys(connection, ["c0", "t7"])
    pair = {int(np.flatnonzero(bundle.product_keys == key)[0]) for key in keys.values()}
    for kind, matrix in ((CustomerKnn, "habits"), (SessionKnn, "sessions")):
        rows = getattr(bundle.model.algorithms[kind.name], matrix)
        if any(
            pair <= set(rows.indices[begin:end].tolist())
            for begin, end in zip(rows.indptr, rows.indptr[1:], strict=False)
        ):
            return True
    return False


def test_an_erased_history_is_out_of_use_at_once_and_then_out_of_every_stored_model(
    marked: Database, model_folder: Path
) -> None:
    key = key_of(marked, "canary")
    before = stored(marked)
    assert met_together(before, marked)
    assert all(histories_of(before, key).values())
    with running(marked) as opened:
        opened.ask("canary")
        assert key in opened.agent._histories._kept
        with marked.write() as connection:
            receipt = erasure.erase(connection, key)
        deadline = time.monotonic() + 5
        manager = opened.agent._model_manager
        while manager.serving.bundle is None or manager.serving.bundle.forgotten == 0:
            assert time.monotonic() < deadline, "the agent does not follow what is forgotten"
            time.sleep(0.005)
        assert key not in opened.agent._histories._kept
        used = manager.serving.bundle
        for kind in (CustomerKnn, SessionKnn):
            algorithm = used.model.algorithms[kind.name]
            assert len(np.flatnonzero(algorithm.known_owners == -1)) >= 1  # type: ignore[attr-defined]
    assert forgetting.run(marked, ModelStore(marked), QUIET) == {"checked": 1, "rewritten": 1}
    after = stored(marked)
    assert not met_together(after, marked)
    assert key not in after.customer_keys.tolist()
    assert not any(histories_of(after, key).values())
    with marked.read() as connection:
        (version,) = models.list_versions(connection, KIND)
        assert erasure_receipts.read_receipt(connection, receipt.receipt_id).models_time is not None
    assert version.active
    assert version.metadata["forgotten"] == after.forgotten > 0
    files = [path.name for path in model_folder.rglob("*.model")] or [
        path.name for path in Path(str(marked.file)).parent.rglob("*.model")
    ]
    assert len(files) == 1
    assert version.checksum[:16] in files[0]
    assert forgetting.run(marked, ModelStore(marked), QUIET) == {"checked": 0, "rewritten": 0}


def test_scores_hardly_change_for_others_when_somebody_is_forgotten(marked: Database) -> None:
    before = stored(marked)
    kept = {name: algorithm.state() for name, algorithm in before.model.algorithms.items()}
    with marked.write() as connection:
        erasure.erase(connection, customers.resolve_customers(connection, ["canary"])["canary"])
    forgetting.run(marked, ModelStore(marked), QUIET)
    for name, algorithm in stored(marked).model.algorithms.items():
        if name not in (CustomerKnn.name, SessionKnn.name):
            for array, values in algorithm.state().items():
                assert np.allclose(values, kept[name][array], rtol=1e-5), (name, array)


def test_who_withdraws_train_is_forgotten_and_not_learned_again(marked: Database) -> None:
    say(marked, "canary", Consent(train=False))
    assert forgetting.run(marked, ModelStore(marked), QUIET)["rewritten"] == 1
    assert not met_together(stored(marked), marked)
    shop.train(marked)
    assert not met_together(stored(marked), marked)
    say(marked, "canary", Consent(train=True))
    shop.train(marked)
    assert met_together(stored(marked), marked)
