"""An agent starts with the catalogue that it kept and what changed since, and never trusts another database's."""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from services.recommendation.models.cache import ModelCache
from services.recommendation.models.container import Container
from services.recommendation.models.store import model_folder
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.packed_texts import LayeredTexts
from shared.db import products
from shared.db.engine import Database
from shared.place_columns import price_at
from tests.integration.recommendation import shop
from tests.integration.recommendation.conftest import Shop

RunAgent = Callable[[Database], AbstractContextManager[Shop]]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of products that each update of a catalogue was given."""
    counted: list[int] = []
    updated = Catalogue.updated

    def counting(self: Catalogue, entries: Any) -> Catalogue:
        counted.append(len(entries))
        return updated(self, entries)

    monkeypatch.setattr(Catalogue, "updated", counting)
    return counted


def kept_files(database: Database) -> list[Path]:
    return sorted(model_folder(database).glob("*.catalogue"))


def kept_file(database: Database) -> Path:
    (found,) = kept_files(database)
    return found


def upsert(database: Database, changed: Iterable[products.NewProduct]) -> None:
    with database.write() as connection:
        products.upsert_products(connection, list(changed))


def shown(opened: Shop) -> list[tuple[Any, ...]]:
    catalogue = opened.agent._model_manager.serving.catalogue
    return [
        (catalogue.external_ids[row], catalogue.names[row], price_at(catalogue, row), int(catalogue.stock[row]))
        for row in range(len(catalogue))
    ]


def test_the_next_start_reads_what_changed_only(trained: Database, run_agent: RunAgent, read: list[int]) -> None:
    with run_agent(trained) as opened:
        before = shown(opened)
    assert read[0] == len(before)
    upsert(trained, [shop.product("t1", price=4711), shop.product("a-new", price=1)])
    del read[:]
    with run_agent(trained) as again:
        after = shown(again)
        price = {product_id: price for product_id, _, price, _ in after}
        assert price["t1"] == (4711, "EUR")
        assert price["a-new"] == (1, "EUR")
        assert len(after) == len(before) + 1
        assert {row for row in before if row[0] != "t1"} <= set(after)
        assert read[0] == 2


def test_the_first_answer_comes_from_the_kept_catalogue(trained: Database, run_agent: RunAgent) -> None:
    with run_agent(trained) as opened:
        assert isinstance(opened.agent._model_manager.serving.catalogue.names, LayeredTexts)
        assert len(kept_files(trained)) == 1
        upsert(trained, [shop.product("t1", price=4711)])
        deadline = time.monotonic() + 10.0
        while (price := {product_id: price for product_id, _, price, _ in shown(opened)}["t1"]) != (4711, "EUR"):
            assert time.monotonic() < deadline, price
            time.sleep(0.005)


def test_answers_after_a_start_are_the_same(trained: Database, run_agent: RunAgent) -> None:
    with run_agent(trained) as opened:
        expected = opened.ids("c-lover-1")
    with run_agent(trained) as again:
        assert again.ids("c-lover-1") == expected


def test_a_database_that_went_back_in_time_is_read_anew(
    trained: Database, run_agent: RunAgent, read: list[int]
) -> None:
    with run_agent(trained) as opened:
        every = len(shown(opened))
    with trained.write() as connection:
        connection.execute(text("UPDATE products SET price = 99, updated_at = updated_at - 1 WHERE external_id = 't1'"))
    del read[:]
    with run_agent(trained) as again:
        assert {product_id: price for product_id, _, price, _ in shown(again)}["t1"] == (99, "EUR")
    assert read[0] == every


@pytest.mark.parametrize("content", [b"", b"no container", None])
def test_a_damaged_snapshot_costs_time_only(trained: Database, run_agent: RunAgent, content: bytes | None) -> None:
    with run_agent(trained) as opened:
        expected = shown(opened)
        file = kept_file(trained)
    file.write_bytes(file.read_bytes()[:-20] if content is None else content)
    with run_agent(trained) as again:
        assert shown(again) == expected


def test_the_snapshot_goes_with_its_model(trained: Database, run_agent: RunAgent) -> None:
    (model_folder(trained)).mkdir(parents=True, exist_ok=True)
    old = model_folder(trained) / "gone.catalogue"
    old.touch()
    with run_agent(trained):
        assert kept_file(trained)
    assert not old.exists()


def test_another_embedding_space_is_read_anew(trained: Database, run_agent: RunAgent) -> None:
    with run_agent(trained) as opened:
        old = opened.agent._model_manager.serving.catalogue
    shop.move_to_space(trained, "space-2", dimensions=5)
    with run_agent(trained) as again:
        new = again.agent._model_manager.serving.catalogue
        assert (new.space, new.embeddings.tolist()) != (old.space, old.embeddings.tolist())


@pytest.mark.parametrize("error", [OSError("read-only file system"), ValueError("cannot be packed")])
def test_where_nothing_can_be_kept_an_agent_runs_without(
    trained: Database, run_agent: RunAgent, monkeypatch: pytest.MonkeyPatch, read: list[int], error: Exception
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr("services.recommendation.models.cache._write", failing)
    with run_agent(trained) as opened:
        assert opened.ids("c-lover-1")
        assert read[0] == len(shown(opened))
    assert kept_files(trained) == []


def test_agents_of_one_machine_take_turns_to_keep_a_catalogue(
    trained: Database, run_agent: RunAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    both_began, write = threading.Barrier(2, timeout=30), ModelCache.write_snapshot
    look = ModelCache.open_snapshot

    def writing(self: ModelCache, version: str, *content: Any) -> None:
        written.append(version)
        write(self, version, *content)

    def looking(self: ModelCache, version: str) -> Container | None:
        found = look(self, version)
        if threading.current_thread() not in looked:
            looked.add(threading.current_thread())
            both_began.wait()  # neither has found one
        return found

    looked: set[threading.Thread] = set()
    monkeypatch.setattr(ModelCache, "write_snapshot", writing)
    monkeypatch.setattr(ModelCache, "open_snapshot", looking)

    def start() -> list[tuple[Any, ...]]:
        with run_agent(trained) as opened:
            return shown(opened)

    with ThreadPoolExecutor(2) as pool:
        first, second = [pool.submit(start) for _ in range(2)]
        assert first.result(timeout=60) == second.result(timeout=60)
    assert len(written) == 1
