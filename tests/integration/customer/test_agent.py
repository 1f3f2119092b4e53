"""The customer agent on real databases: its answers follow the events at once."""

import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.customer import applier, segmentation
from services.customer.agent import CustomerAgent, Who
from services.customer.refresh import parts_of, read_shop, refresh, refresh_embeddings
from services.customer.segmentation import KIND, SegmentModel
from shared.config import Settings
from shared.db import customer_embeddings, models
from shared.db.engine import Database
from shared.db.schema import model_chunks, products
from shared.errors import DataLoss, NotFound
from shared.jobs import ProgressReporter
from tests.integration.customer.small_shop import embed_products, open_shop
from tests.support.events import NOON, add, add_customers, append, event, purchase, refund, rows, view

DAY = 24 * 60


def make(database: Database, now: datetime | None = None) -> CustomerAgent:
    settings = Settings(_env_file=None, database_url=database.url, train_threads=1)
    return CustomerAgent(settings, database, lambda: now or datetime.now(UTC))


def run_refresh(database: Database) -> dict[str, object]:
    settings = Settings(_env_file=None, database_url=database.url, train_threads=1)
    return refresh(settings, ProgressReporter(write=lambda _: None))


def test_a_profile_follows_the_events(database: Database) -> None:
    open_shop(database)
    add_customers(database, "anna")
    agent = make(database)
    append(
        database,
        [
            view("anna", "a1", 0, session="s-1"),
            view("anna", "b1", 1, session="s-1"),
            add("anna", {"a1": 2, "b2": 1}, 2),
            purchase("anna", "o-1", [("a1", 1, 500), ("a2", 2, 1400)], 3),
        ],
    )
    assert agent.apply_events().events == 4
    profile = agent.profile("anna")
    assert [each.product_id for each in profile.views] == ["b1", "a1"]
    assert [(each.product_id, each.amount, each.purchase_id) for each in profile.purchases] == [
        ("a1", 500, "o-1"),
        ("a2", 1400, "o-1"),
    ]
    assert [(each.product_id, each.quantity) for each in profile.cart] == [("a1", 1.0), ("b2", 1.0)]
    assert profile.sessions == 2
    assert profile.affinity.preferences.categories[0].name == "category a"
    assert profile.affinity.preferences.price_band is not None
    assert (profile.affinity.preferences.price_band.p50, profile.affinity.currency) == (600, "USD")
    assert profile.embedding is not None
    assert np.linalg.norm(profile.embedding.vector) == pytest.approx(1.0, abs=1e-6)
    assert profile.embedding.vector[0] > profile.embedding.vector[2] > 0


def test_an_event_of_tomorrow_makes_nobody_active_tomorrow(sqlite_database: Database) -> None:
    open_shop(sqlite_database)
    add_customers(sqlite_database, "anna")
    agent = make(sqlite_database)
    tomorrow = view("anna", "a1")
    tomorrow.event_time.FromDatetime(datetime.now(UTC) + timedelta(hours=20))
    append(sqlite_database, [tomorrow])
    agent.apply_events()
    active = agent.profile("anna").customer.last_active
    assert active is not None
    assert active <= datetime.now(UTC)
    assert rows(sqlite_database, "sessions")[0]["last_event_at"] == active


def test_a_reader_sees_what_was_recorded_before(database: Database) -> None:
    open_shop(database)
    add_customers(database, "anna", "bert")
    agent = make(database)
    append(database, [purchase("anna", "o-1", [("a1", 1, 500)], 0)])
    assert [each.product_id for each in agent.profile("anna").purchases] == ["a1"]
    append(database, [view("anna", "b1", 1), view("bert", "b1", 1)])
    assert agent.preferences("anna").preferences.events == 2
    assert agent.apply_events().events == 0


def test_another_event_moves_the_embedding(sqlite_database: Database) -> None:
    open_shop(sqlite_database)
    key = add_customers(sqlite_database, "anna")["anna"]
    agent = make(sqlite_database)
    append(sqlite_database, [view("anna", "a1")])
    agent.apply_events()
    before = agent.profile("anna").embedding
    append(sqlite_database, [view("anna", "b1", 1)])
    agent.apply_events()
    after = agent.profile("anna").embedding
    assert before is not None
    assert after is not None
    assert before.vector.tolist() == [1.0, 0.0, 0.0]
    assert after.vector[2] > 0.5
    append(sqlite_database, [purchase("anna", "o-1", [("a1", 1, 5)], 2), refund("anna", "o-1")])
    agent.apply_events()
    with sqlite_database.read() as connection:
        refunded = customer_embeddings.read_embedding(connection, key)
    assert refunded is not None
    assert refunded.vector.tolist() == pytest.approx(after.vector.tolist(), abs=1e-3)


def test_an_embedding_of_an_older_space_is_renewed_when_read(sqlite_database: Database) -> None:
    keys = open_shop(sqlite_database)
    add_customers(sqlite_database, "anna")
    agent = make(sqlite_database)
    append(sqlite_database, [view("anna", "a2")])
    agent.apply_events()
    embed_products(sqlite_database, keys, "v2", scale=-1.0)
    embedding = agent.profile("anna").embedding
    assert embedding is not None
    assert embedding.space_version == "v2"
    assert embedding.vector.tolist() == pytest.approx([0.8, -0.6, 0.0])


def test_a_customer_of_nothing_embedded_has_no_embedding(sqlite_database: Database) -> None:
    open_shop(sqlite_database)
    add_customers(sqlite_database, "anna")
    agent = make(sqlite_database)
    append(sqlite_database, [view("anna", "b2")])
    agent.apply_events()
    assert agent.profile("anna").embedding is None


def test_a_new_customer_has_an_empty_profile(sqlite_database: Database) -> None:
    add_customers(sqlite_database, "anna")
    profile = make(sqlite_database).profile("anna")
    assert profile.affinity.preferences.events == profile.sessions == 0
    assert profile.views == profile.purchases == profile.cart == profile.segments == []
    assert profile.embedding is None
    assert profile.changes.tests == ()


def test_preferences_say_what_is_more_than_usual(sqlite_database: Database) -> None:
    open_shop(sqlite_database)
    add_customers(sqlite_database, "anna", "ben")
    agent = make(sqlite_database)
    append(
        sqlite_database,
        [view("anna", "a1"), view("ben", "b1"), view("ben", "b1", 1), view("ben", "b1", 2)],
    )
    agent.apply_events()
    assert agent.preferences("anna").preferences.categories[0].lift is None
    run_refresh(sqlite_database)
    share = agent.preferences("anna").preferences.categories[0]
    assert (share.name, share.share, share.lift) == ("category a", 1.0, pytest.approx(4.0))


def test_amounts_in_other_currencies_are_left_out_of_prices(sqlite_database: Database) -> None:
    open_shop(sqlite_database)
    add_customers(sqlite_database, "anna")
    agent = make(sqlite_database)
    yen = event("anna", 9)
    yen.purchase.purchase_id = "yen"
    line = yen.purchase.items.add(product_id="a1")
    line.amount.currency_code, line.amount.amount_minor = "JPY", 99_999
    append(sqlite_database, [purchase("anna", f"o-{n}", [("a1", 1, 500)], n) for n in range(2)] + [yen])
    agent.apply_events()
    taste = agent.preferences("anna")
    assert taste.currency == "USD"
    assert taste.preferences.price_band is not None
    assert taste.preferences.price_band.p90 == 500


def test_segments_come_from_the_fitted_population_and_the_latest_events(database: Database) -> None:
    open_shop(database)
    names = [f"c-{number}" for number in range(40)]
    add_customers(database, *names)
    agent = make(database)
    append(
        database,
        [
            purchase(name, f"{name}/{order}", [("a1", 1, 100 * number + 100)], order - number * DAY)
            for number, name in enumerate(names[:-1])
            for order in range(1 + (40 - number) // 2)
        ],
    )
    agent.apply_events()
    result = run_refresh(database)
    assert (result["customers"], result["embedded"]) == (40, 39)
    stored = {row["customer_id"] for row in rows(database, "customer_segment_memberships")}
    assert len(stored) == 40
    assert [each.segment.name for each in agent.segments("c-39")] == ["no_purchase"]
    kinds = {each.segment.kind for each in agent.segments("c-3")}
    assert kinds == {"rfm", "learned"}
    assert {each.segment.kind for each in agent.segments("c-30")} == {"rfm"}, "6 events are too few for a cluster"
    assert "hibernating" in {each.segment.name for each in agent.segments("c-38")}
    append(database, [purchase("c-38", f"again/{n}", [("a1", 9, 90_000)], n * 2) for n in range(25)])
    agent.apply_events()
    assert "champions" in {each.segment.name for each in agent.segments("c-38")}


def test_a_damaged_segment_model_falls_back_to_the_stored_memberships(sqlite_database: Database) -> None:
    open_shop(sqlite_database)
    add_customers(sqlite_database, "anna")
    append(sqlite_database, [purchase("anna", "o-1", [("a1", 1, 500)])])
    make(sqlite_database).apply_events()
    run_refresh(sqlite_database)
    healthy = make(sqlite_database).segments("anna")
    with sqlite_database.write() as connection:
        connection.execute(model_chunks.update().values(data=b"rubbish"))
    damaged = make(sqlite_database)
    assert [each.segment.name for each in damaged.segments("anna")] == [each.segment.name for each in healthy]
    assert damaged.preferences("anna").preferences.categories[0].lift is None


def test_a_segment_model_of_another_format_is_data_loss() -> None:
    with pytest.raises(DataLoss):
        SegmentModel.load(segmentation.pack({}, {"format": 99}))


def test_an_empty_shop_is_refreshed_to_nothing(sqlite_database: Database) -> None:
    assert run_refresh(sqlite_database)["customers"] == 0


def test_customers_without_events_are_refreshed(sqlite_database: Database) -> None:
    add_customers(sqlite_database, "anna")
    result = run_refresh(sqlite_database)
    assert (result["customers"], result["embedded"], result["segments"]) == (1, 0, 0)
    assert make(sqlite_database).segments("anna") == []


def test_a_refresh_leaves_an_embedding_that_an_event_renewed_meanwhile(sqlite_database: Database) -> None:
    open_shop(sqlite_database)
    add_customers(sqlite_database, "anna", "ben")
    agent = make(sqlite_database)
    append(sqlite_database, [view("anna", "a1"), view("ben", "a1")])
    agent.apply_events()
    shop, began = read_shop(sqlite_database), datetime.now(UTC)
    append(sqlite_database, [view("anna", "b1", 1)])
    agent.apply_events()
    renewed = agent.profile("anna").embedding
    assert refresh_embeddings(sqlite_database, shop, began) == 2
    kept = agent.profile("anna").embedding
    assert kept is not None
    assert renewed is not None
    assert kept.vector.tolist() == renewed.vector.tolist()


def test_parts_of_a_shop_have_every_customer_and_event_once(sqlite_database: Database) -> None:
    open_shop(sqlite_database)
    add_customers(sqlite_database, "anna", "ben", "cleo", "dora")
    append(sqlite_database, [view(name, "a1", second) for name in ("anna", "ben", "dora") for second in range(3)])
    make(sqlite_database).apply_events()
    shop = read_shop(sqlite_database)
    for most in (1, 2, 4, 9, 100):
        parts = list(parts_of(shop, most))
        assert [key for part in parts for key in part.customers.tolist()] == shop.customers.tolist()
        assert [time for part in parts for time in part.found.times.tolist()] == shop.found.times.tolist()
        assert all(set(part.found.customers.tolist()) <= set(part.customers.tolist()) for part in parts)
    assert (len(list(parts_of(shop, 1))), len(list(parts_of(shop, 100)))) == (3, 1)


def test_behaviour_change_is_named_with_its_false_alarm_rate(sqlite_database: Database) -> None:
    open_shop(sqlite_database)
    add_customers(sqlite_database, "anna")
    weekly = [purchase("anna", f"old/{n}", [("a1", 1, 500)], -n * 7 * DAY) for n in range(9, 40)]
    daily = [purchase("anna", f"new/{n}", [("b1", 5, 9000)], -n * DAY) for n in range(56)]
    append(sqlite_database, weekly + daily)
    agent = make(sqlite_database, now=NOON + timedelta(days=1))
    agent.apply_events()
    report = agent.changes("anna", 0.05)
    assert report.alpha == 0.05
    assert {"purchase_frequency", "category_mix"} <= {test.aspect for test in report.changes}


def test_nobody_is_not_found(sqlite_database: Database) -> None:
    agent = make(sqlite_database)
    for ask in (agent.profile, agent.preferences, agent.segments, agent.changes):
        with pytest.raises(NotFound):
            ask("nobody")
    with pytest.raises(NotFound):
        agent.erase(Who("nobody"))
    with pytest.raises(NotFound):
        next(agent.export(Who("nobody")))


def test_several_at_once_apply_each_event_once(sqlite_database: Database) -> None:
    open_shop(sqlite_database)
    add_customers(sqlite_database, "anna")
    append(sqlite_database, [view("anna", "a1", minute) for minute in range(1_200)])
    agents = [make(sqlite_database) for _ in range(3)]
    threads = [threading.Thread(target=agent.apply_events) for agent in agents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rows(sqlite_database, "browsing_history")) == 1_200


def test_embeddings_that_failed_are_renewed_next_time(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_shop(sqlite_database)
    add_customers(sqlite_database, "anna")
    agent = make(sqlite_database)
    append(sqlite_database, [view("anna", "a1")])

    def fail(*_: object) -> int:
        raise RuntimeError("not now")

    with monkeypatch.context() as patched:
        patched.setattr(applier, "update_embeddings", fail)
        with pytest.raises(RuntimeError):
            agent.apply_batch()
    assert agent.apply_batch() is False
    assert rows(sqlite_database, "customer_embeddings") != []


def test_embeddings_follow_the_events_and_whoever_reads_one_has_it_now(sqlite_database: Database) -> None:
    open_shop(sqlite_database)
    keys = add_customers(sqlite_database, "anna", "ben")
    agent = make(sqlite_database)
    append(sqlite_database, [view("anna", "a1"), view("ben", "b1")])
    agent.apply_events()
    assert rows(sqlite_database, "customer_embeddings") == []
    assert agent.profile("anna").embedding is not None
    assert [row["customer_id"] for row in rows(sqlite_database, "customer_embeddings")] == [keys["anna"]]
    assert agent.apply_batch() is False
    assert {row["customer_id"] for row in rows(sqlite_database, "customer_embeddings")} == set(keys.values())


def test_a_reader_at_another_replica_has_the_embedding_with_all_events(sqlite_database: Database) -> None:
    open_shop(sqlite_database)
    add_customers(sqlite_database, "anna")
    projecting, reading = make(sqlite_database), make(sqlite_database)
    append(sqlite_database, [view("anna", "a1")])
    projecting.apply_events()
    first = reading.profile("anna").embedding
    append(sqlite_database, [view("anna", "b1", 1)])
    projecting.apply_events()
    second = reading.profile("anna").embedding
    assert first is not None
    assert second is not None
    assert second.vector.tolist() != first.vector.tolist()


def test_an_order_has_the_prices_of_its_time_also_when_the_product_is_known_from_before(
    sqlite_database: Database,
) -> None:
    keys = open_shop(sqlite_database)
    add_customers(sqlite_database, "anna")
    agent = make(sqlite_database)
    for number, price in enumerate((500, 900), 1):
        with sqlite_database.write() as connection:
            changed = products.update().where(products.c.product_id == keys["a1"])
            connection.execute(changed.values(price=price, change_sequence=100 + number))
        append(sqlite_database, [purchase("anna", f"o{number}", [("a1", 1.0, None)], number)])
        agent.apply_events()
    assert [row["total_amount"] for row in rows(sqlite_database, "purchases")] == [500, 900]


def test_embeddings_are_renewed_some_at_a_time_with_a_rest_while_events_are_recorded(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    monkeypatch.setattr(applier, "sleep", rests.append)
    monkeypatch.setattr(applier, "CUSTOMERS_AT_ONCE", 1)
    open_shop(sqlite_database)
    add_customers(sqlite_database, "anna", "ben")
    agent = make(sqlite_database)
    append(sqlite_database, [view("anna", "a1"), view("ben", "b1")])
    assert agent.apply_batch() is True
    assert len(rows(sqlite_database, "customer_embeddings")) == 1
    assert len(rests) == 1
    assert 0 < rests[0] <= applier.LONGEST_REST_SECONDS
    assert agent.apply_batch() is False
    assert len(rows(sqlite_database, "customer_embeddings")) == 2
    assert len(rests) == 1, "nobody recorded meanwhile"


def test_old_segment_models_are_deleted(sqlite_database: Database) -> None:
    add_customers(sqlite_database, "anna")
    for _ in range(5):
        run_refresh(sqlite_database)
    with sqlite_database.read() as connection:
        assert len(models.list_versions(connection, KIND)) == 3
