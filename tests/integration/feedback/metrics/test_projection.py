"""Metrics are kept as events stream in, and are those that the tables give, whatever happened in between."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quintet.type.v1.event_pb2 import Event
from sqlalchemy import select

from services.feedback.attribution import Windows
from services.feedback.metrics import projection as module
from services.feedback.metrics.projection import MetricsProjection
from services.feedback.rebuild import ResponseRebuild
from shared.db import erasure
from shared.db.engine import Database
from shared.db.list_facts import read_facts
from shared.db.metric_cells import Cell
from shared.db.metric_sums import Selection, session_sums
from shared.db.rebuild import rebuild_customers
from shared.db.schema import list_facts, session_facts
from shared.metric_numbers import COUNTS
from tests.integration.feedback.metrics.stores import (
    apply_feedback,
    everything,
    from_scratch,
    open_catalogue,
    put_into_segments,
    recommend,
    settle,
)
from tests.support.databases import Template
from tests.support.events import NOON, add, add_customers, add_products, append, event, purchase, refund, view
from tests.support.projecting import apply_all

PRODUCTS = ("tea", "cup", "pot", "jam")
ITEMS = [(1, "ease"), (2, "ease"), (3, "content"), (4, "content")]


@pytest.fixture
def shop(database: Database) -> Database:
    return opened(database)


def opened(database: Database) -> Database:
    add_products(database, {"tea": (100, "USD"), "cup": (300, "USD"), "pot": (2000, "USD"), "jam": (500, "EUR")})
    keys = add_customers(database, "ann", "bob")
    open_catalogue(database, {"tea": 60, "cup": 100}, {"tea": (1, 0), "cup": (0, 1), "pot": (1, 1), "jam": (-1, 0)})
    put_into_segments(database, {keys["ann"]: "champions", keys["bob"]: "new"})
    return database


def see(who: str, minutes: float, *numbers: int, visitor: str = "") -> Event:
    return event(who, minutes, visitor=visitor, impression={"recommendation_ids": [str(each) for each in numbers]})


def click(who: str, minutes: float, number: int, product: str, visitor: str = "") -> Event:
    clicked = view(who, product, minutes, visitor=visitor)
    clicked.recommendation_id = str(number)
    return clicked


def test_a_list_is_counted_before_anybody_responds(shop: Database) -> None:
    recommend(shop, 1, 1, ITEMS, 0, placement="home-top")
    settle(shop)
    found = everything(shop)
    cells = {row[3]: row for row in found["cells"]}
    assert set(cells) == {"", "ease", "content"}
    day = (NOON - NOON.replace(year=1970, month=1, day=1, hour=0)).days
    assert cells[""][:7] == (day, "home-top", "HOME", "", "champions", "", "model-1")
    assert (cells[""][7], cells[""][9], cells["ease"][9]) == (1, 4, 2)
    assert found["sessions"] == []


def test_everything_that_changes_without_a_new_event_reaches_the_metrics(shop: Database) -> None:
    """Late responses, logins, rebuilds: each leaves what a recomputation gives."""
    numbers = recommend(shop, 1, None, ITEMS, 0)
    append(shop, [see("", 1, *numbers, visitor="v"), click("", 2, numbers[0], "tea", visitor="v")])
    settle(shop)
    assert everything(shop) == from_scratch(shop)
    early = [(1 << 32) + 2 << 7 | 1]
    append(shop, [click("ann", 3, early[0], "tea", visitor="v"), purchase("ann", "o", [("tea", 2, 200)], 4)])
    settle(shop)
    recommend(shop, 2, 1, ITEMS, 2.5)
    settle(shop)
    found = everything(shop)
    assert found == from_scratch(shop)
    assert [row[0] for row in found["sessions"]] == [row[0] for row in found["session_amounts"]], "the visitor is ann"
    append(shop, [refund("bob", "o", {"tea": 1})])
    settle(shop)
    assert everything(shop) == from_scratch(shop) != found
    list(rebuild_customers(shop))
    settle(shop)
    list(ResponseRebuild(shop, Windows()).run())
    settle(shop)
    assert everything(shop) == from_scratch(shop)


def test_a_session_has_the_arms_of_all_its_lists(shop: Database) -> None:
    recommend(shop, 1, 1, ITEMS, 0, arms={"home": "bold"})
    recommend(shop, 2, 1, ITEMS, 1)
    recommend(shop, 3, 1, ITEMS, 2, page="CART", arms={"cart": "calm", "home": "bold"})
    append(shop, [view("ann", "tea", 0), purchase("ann", "o", [("tea", 2, 200)], 4)])
    settle(shop)
    with shop.read() as connection:
        assert connection.execute(select(session_facts.c.arm)).scalars().all() == ["cart:calm,home:bold"]
    for arm in ("cart:calm", "home:bold"):
        assert orders_of(shop, arm) == 1
    assert orders_of(shop, "home:bol") == 0


def orders_of(database: Database, arm: str) -> int:
    day = (NOON - NOON.replace(year=1970, month=1, day=1, hour=0)).days
    with database.read() as connection:
        sums = session_sums(connection, Selection(day, day + 1, only={"arm": (arm,)}))
    return sum(each.orders for each in sums.values())


def test_a_login_gives_the_visitors_facts_the_segment_of_the_customer(shop: Database) -> None:
    recommend(shop, 1, None, ITEMS, 0)
    append(shop, [event("", 0, visitor="v", home_view={})])
    settle(shop)
    append(shop, [event("ann", 100, visitor="v", home_view={})])
    settle(shop)
    assert [row[4] for row in everything(shop)["sessions"]] == ["champions", "champions"]


def test_a_list_moves_to_a_session_that_comes_closer(shop: Database) -> None:
    """List at 45: 20 minutes after the end of one session, and 25, later 15 minutes before the begin of another."""
    numbers = recommend(shop, 1, 1, ITEMS, 45)
    append(shop, [view("ann", "tea", 25), view("ann", "tea", 70), see("ann", 200, *numbers)])
    settle(shop)
    assert shown_by_session(shop) == [4, 0, 0]
    append(shop, [view("ann", "tea", 60)])
    settle(shop)
    assert shown_by_session(shop) == [0, 4, 0]


def shown_by_session(database: Database) -> list[int]:
    """Return how many recommendations were shown of the lists made in each session, in the order of time."""
    facts = session_facts.c
    with database.read() as connection:
        return list(connection.execute(select(facts.shown).order_by(facts.started_at)).scalars())


def test_a_session_that_joins_two_leaves_one_fact(shop: Database) -> None:
    append(shop, [view("ann", "tea", 0), view("ann", "tea", 50)])
    settle(shop)
    assert len(everything(shop)["sessions"]) == 2
    append(shop, [view("ann", "cup", 25)])
    settle(shop)
    assert len(everything(shop)["sessions"]) == 1
    assert everything(shop) == from_scratch(shop)


def test_metrics_wait_for_both_agents(shop: Database) -> None:
    append(shop, [view("ann", "tea")])
    apply_all(shop)
    projection = MetricsProjection(shop)
    assert not projection.step()
    assert projection.behind().events == 1
    apply_feedback(shop)
    projection.catch_up(10)
    assert projection.behind() == module.Behind(0, 0)
    assert len(everything(shop)["sessions"]) == 1


def test_who_is_erased_leaves_no_fact(shop: Database) -> None:
    numbers = recommend(shop, 1, 1, ITEMS, 0)
    append(shop, [see("ann", 1, *numbers), purchase("ann", "o", [("tea", 1, 100)], 2)])
    settle(shop)
    with shop.write() as connection:
        erasure.erase(connection, 1)
    found = everything(shop)
    assert [found["sessions"], found["session_amounts"], found["lists"]] == [[], [], []]
    assert found["cells"], "sums name nobody"


KINDS = (
    *("view", "list", "list", "see", "see", "click", "click", "cart", "buy", "buy", "refund", "login", "login"),
    *("customer", "feedback", "metrics", "killed", "rebuild", "settled", "settled", "settled"),
)
NUMBERS = st.integers(0, 5)
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), NUMBERS, NUMBERS, st.sampled_from([0, 10, 25, 45, 60, 70, 100])),
    min_size=3,
    max_size=25,
)
NAMES = ("ann", "bob", "")


class Story:
    """Carries steps out; numbers say who, what and when."""

    def __init__(self, database: Database, batch: int) -> None:
        self.database = database
        self.projection = MetricsProjection(database, batch)
        self.lists = 0
        self.orders = 0

    def do(self, name: str, who: int, what: int, when: int) -> None:
        """Do one step."""
        persons = 3 if name in ("view", "list", "see", "click") else 2
        products = 6 if name in ("see", "click", "refund") else 4
        getattr(self, name)(who % persons, what % products, when)

    def _record(self, made: Event) -> None:
        append(self.database, [made])

    def view(self, who: int, what: int, when: int) -> None:
        self._record(view(NAMES[who], PRODUCTS[what], when, visitor="" if who < 2 else "v"))

    def list(self, who: int, what: int, when: int) -> None:
        self.lists += 1
        recommend(self.database, self.lists, (1, 2, None)[who], ITEMS[: what + 1], when)

    def _number(self, what: int) -> int:
        return ((1 << 32) + 1 + what // 2) << 7 | (1 + what % 2)

    def see(self, who: int, what: int, when: int) -> None:
        self._record(see(NAMES[who], when, self._number(what), visitor="" if who < 2 else "v"))

    def click(self, who: int, what: int, when: int) -> None:
        self._record(click(NAMES[who], when, self._number(what), PRODUCTS[what % 2], visitor="" if who < 2 else "v"))

    def cart(self, who: int, what: int, when: int) -> None:
        self._record(add(NAMES[who], {PRODUCTS[what]: 1}, when))

    def buy(self, who: int, what: int, when: int) -> None:
        self.orders += 1
        self._record(purchase(NAMES[who], f"o{self.orders}", [(PRODUCTS[what], 2, 200)], when))

    def refund(self, who: int, what: int, when: int) -> None:
        self._record(refund(NAMES[who], f"o{what}", {PRODUCTS[0]: 1} if when else None))

    def login(self, who: int, what: int, when: int) -> None:
        self._record(view(NAMES[who], PRODUCTS[what], when, visitor="v"))

    def customer(self, *_: int) -> None:
        apply_all(self.database)

    def feedback(self, *_: int) -> None:
        apply_feedback(self.database)

    def metrics(self, *_: int) -> None:
        self.projection.step()

    def killed(self, *_: int) -> None:
        """Die after all was written and before it was committed."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module.event_log, "move_cursor", _die)
            with suppress(InterruptedError):
                self.projection.step()

    def settled(self, *_: int) -> None:
        settle(self.database, self.projection)

    def rebuild(self, *_: int) -> None:
        list(rebuild_customers(self.database))
        list(ResponseRebuild(self.database, Windows()).run())


def _die(*_: Any) -> None:
    raise InterruptedError


def summed(database: Database) -> dict[Cell, dict[str, int]]:
    """Return the sums of what the facts of lists say, by cell."""
    found: dict[Cell, dict[str, int]] = {}
    with database.read() as connection:
        ids = connection.execute(select(list_facts.c.list_id)).scalars().all()
        facts = read_facts(connection, ids)
    for fact in facts.values():
        for algorithm, numbers in fact.numbers.items():
            cell = found.setdefault(Cell.of(fact.generated_at, fact.dimensions, algorithm), dict.fromkeys(COUNTS, 0))
            for name, count in numbers.counts.items():
                cell[name] += count
    return found


def counted(database: Database) -> dict[Cell, dict[str, int]]:
    """Return what the cells say."""
    return {
        Cell(*row[: len(Cell._fields)]): dict(zip(COUNTS, row[len(Cell._fields) :], strict=True))
        for row in everything(database)["cells"]
    }


def tell(database: Database, steps: list[tuple[str, int, int, int]], batch: int) -> None:
    story = Story(opened(database), batch)
    for step in steps:
        story.do(*step)
    settle(database, story.projection)
    assert counted(database) == summed(database)
    assert everything(database) == from_scratch(database)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS, st.sampled_from([1, 3, 500]))
def test_any_interleaving_gives_what_the_tables_give(
    sqlite_template: Template, tmp_path_factory: pytest.TempPathFactory, steps: list[Any], batch: int
) -> None:
    with sqlite_template.copied(tmp_path_factory.mktemp("story")) as database:
        tell(database, steps, batch)


@pytest.mark.postgres
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS, st.sampled_from([1, 3, 500]))
def test_any_interleaving_gives_the_same_on_postgres(
    postgres_template: Template, tmp_path: Path, steps: list[Any], batch: int
) -> None:
    with postgres_template.copied(tmp_path) as database:
        tell(database, steps, batch)
