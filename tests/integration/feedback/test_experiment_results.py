"""What came of experiments, from exposures and facts of sessions to figures by hand, on both databases."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from quintet.feedback.v1 import feedback_service_pb2 as pb
from quintet.type.v1.experiment_pb2 import (
    Experiment,
    ExperimentArm,
    ExperimentDecision,
    ExperimentMetric,
    ExperimentResults,
    ExperimentState,
    Guardrail,
)
from quintet.type.v1.placement_pb2 import Variant

from services.feedback.experiments.convert import from_results, from_sample_size, to_sample_plan
from services.feedback.experiments.results import results_of, sample_size
from shared.db.engine import Connection, Database
from shared.db.exposures import record_exposures
from shared.db.placements import EXPERIMENTS, Stored
from shared.db.recommendations import log_recommendations, mark_clicked
from shared.db.schema import customers, products, purchases, session_amounts, session_facts, sessions, visitors
from shared.errors import FailedPrecondition, InvalidArgument, NotFound
from shared.experiments.assignment import arm_of, unit_hash
from shared.experiments.decision import Exposure, ListDecision
from shared.recommendation_tokens import LIST_BITS, number_at
from shared.timestamps import to_timestamp
from tests.integration.feedback.small_shop import NOON
from tests.support.recommendations import list_of_one

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CTR = ExperimentMetric.EXPERIMENT_METRIC_CLICK_THROUGH_RATE
CONVERSION = ExperimentMetric.EXPERIMENT_METRIC_CONVERSION_RATE


class Scene:
    """An experiment of two arms, with customers, exposures and facts of sessions as a test wants them."""

    def __init__(self, database: Database, **fields: Any) -> None:
        self.database = database
        self._sessions = 0
        shares = zip(("control", "new"), fields.pop("shares", (1.0, 1.0)), strict=True)
        arms = [ExperimentArm(variant=Variant(variant_id=name), share=share) for name, share in shares]
        given = {"state": ExperimentState.EXPERIMENT_STATE_RUNNING, "start_time": to_timestamp(NOON - HOUR)} | fields
        message = Experiment(experiment_id="e", arms=arms, **given)
        with database.write() as connection:
            EXPERIMENTS.put(connection, Stored("e", message.SerializeToString(), NOON))

    def customer(self, connection: Connection, name: str) -> int:
        row = customers.insert().values(external_id=name, registration_date=NOON).returning(customers.c.customer_id)
        return int(connection.execute(row).scalar_one())

    def meet(
        self, connection: Connection, key: int | None, arm: str, unit: int, session: str = "", at: datetime = NOON
    ) -> None:
        record_exposures(connection, [(Exposure("e", arm, unit, session), key, at)])

    def visit(
        self,
        connection: Connection,
        customer: int,
        at: datetime = NOON,
        *,
        revenue: int = 0,
        refunded: int = 0,
        shown: int = 0,
        clicked: int = 0,
        segment: str = "",
        name: str | None = None,
    ) -> int:
        """Store a session and its fact; one with revenue has one order."""
        visit = sessions.insert().values(customer_id=customer, external_id=name, started_at=at, last_event_at=at)
        number = int(connection.execute(visit.returning(sessions.c.session_id)).scalar_one())
        counts = dict.fromkeys(
            ("lists_shown", "added_to_cart", "purchased", "purchased_after_view", "dismissed", "refunded"), 0
        )
        connection.execute(
            session_facts.insert().values(
                session_id=number,
                customer_id=customer,
                started_at=at,
                day=0,
                segment=segment,
                arm="",
                orders=int(revenue > 0),
                units=0.0,
                shown=shown,
                clicked=clicked,
                **counts,
            )
        )
        if revenue:
            money = {"revenue": revenue, "refunded": refunded, "costed": 0, "margin": 0, "attributed": 0}
            connection.execute(session_amounts.insert().values(session_id=number, currency="EUR", orders=1, **money))
            order = {"external_id": f"o-{number}", "customer_id": customer, "session_id": number, "timestamp": at}
            connection.execute(purchases.insert().values(**order, total_amount=revenue, currency="EUR"))
        return number

    def results(self, at: datetime = NOON + DAY) -> ExperimentResults:
        with self.database.read() as connection:
            return from_results(results_of(connection, "e", at))


def crowd(scene: Scene, size: int, buying: Iterable[float]) -> None:
    """Add so many customers of each arm, of whom a share buys for 10 euros."""
    with scene.database.write() as connection:
        for arm, share in zip(("control", "new"), buying, strict=True):
            for number in range(size):
                key = scene.customer(connection, f"{arm}-{number}")
                scene.meet(connection, key, arm, unit_hash("customer", f"{arm}-{number}"))
                scene.visit(connection, key, revenue=1_000 * (number < share * size), shown=10, clicked=1)


def test_arms_have_the_figures_of_their_customers(database: Database) -> None:
    scene = Scene(database, primary_metric=CTR)
    with database.write() as connection:
        ann, bob = scene.customer(connection, "ann"), scene.customer(connection, "bob")
        scene.meet(connection, ann, "control", 1)
        scene.meet(connection, bob, "new", 2)
        scene.visit(connection, ann, NOON - 5 * DAY, revenue=9_999, shown=100)  # before: counts nothing
        scene.visit(connection, ann, NOON - HOUR / 4, revenue=500, shown=10, clicked=1)  # the visit of the first list
        scene.visit(connection, ann, NOON + HOUR, shown=10, clicked=2)
        scene.visit(connection, bob, NOON + HOUR, revenue=700, refunded=200, shown=5)
    found = scene.results()
    control, new = found.arms
    assert (control.units, control.sessions, control.orders, control.shown, control.clicked) == (1, 2, 1, 20, 3)
    assert (new.units, new.sessions, new.orders, new.shown, new.clicked) == (1, 1, 1, 5, 0)
    assert control.metrics[0].value == pytest.approx(3 / 20)
    assert found.currency_code == "EUR"
    assert found.summary == "The data do not tell yet."


def test_a_clear_winner_is_told_with_its_guardrail(database: Database) -> None:
    guardrail = Guardrail(metric=ExperimentMetric.EXPERIMENT_METRIC_REVENUE_PER_SESSION)
    scene = Scene(database, primary_metric=CONVERSION, minimum_effect=1.0, guardrails=[guardrail])
    crowd(scene, 300, (0.1, 0.4))
    found = scene.results()
    primary, revenue = found.comparisons
    assert (primary.arm_id, primary.difference) == ("new", pytest.approx(3.0))
    assert primary.verdict == 2, "better"
    assert (revenue.guardrail, revenue.verdict) == (True, 4)
    assert not found.sample_ratio_mismatch
    assert found.summary.startswith("Arm new is better than the control by conversion_rate (+300.0%")
    assert found.planned_units > 0
    assert 0 <= found.days_left < 1


def test_a_broken_guardrail_comes_before_a_better_metric(database: Database) -> None:
    guardrail = Guardrail(metric=CONVERSION)
    scene = Scene(database, primary_metric=CTR, guardrails=[guardrail])
    crowd(scene, 300, (0.5, 0.1))
    assert scene.results().summary == "Arm new breaks the guardrail conversion_rate."


def test_lost_units_of_an_arm_are_an_alarm(database: Database) -> None:
    scene = Scene(database)
    with database.write() as connection:
        for number in range(300):
            arm = "control" if number < 220 else "new"
            scene.meet(connection, scene.customer(connection, f"c{number}"), arm, number + 1)
    found = scene.results()
    assert found.sample_ratio_mismatch
    assert "trust no figure" in found.summary


def test_who_met_both_arms_belongs_to_the_customers_own_from_its_first_list_on(database: Database) -> None:
    scene = Scene(database)
    with database.write() as connection:
        ann = scene.customer(connection, "ann")
        scene.meet(connection, ann, "new", unit_hash("customer", "ann"), at=NOON)
        scene.meet(connection, ann, "control", unit_hash("visitor", "v"), at=NOON - 2 * HOUR)
        scene.meet(connection, ann, "control", unit_hash("visitor", "another browser"), at=NOON + HOUR)
        scene.visit(connection, ann, NOON - 2 * HOUR, revenue=100)  # in the visitor's arm
        scene.visit(connection, ann, NOON, revenue=100)
    found = scene.results()
    assert found.crossed_units == 1
    assert [(arm.units, arm.orders) for arm in found.arms] == [(0, 0), (1, 1)]


def test_a_visitor_with_several_browsers_belongs_to_the_arm_met_last(database: Database) -> None:
    scene = Scene(database)
    with database.write() as connection:
        ann = scene.customer(connection, "ann")
        scene.meet(connection, ann, "new", unit_hash("visitor", "v"), at=NOON)
        scene.meet(connection, ann, "control", unit_hash("visitor", "w"), at=NOON + HOUR)
    assert [arm.units for arm in scene.results().arms] == [1, 0]


def test_logins_neither_shift_a_small_arm_nor_look_like_lost_units(database: Database) -> None:
    """Shares 9 to 1; a fifth of the shoppers log in, and buy ten times as often; no arm does anything."""
    shares, size = (0.9, 0.1), 3_000
    scene = Scene(database, primary_metric=CONVERSION, shares=shares)
    random = np.random.default_rng(1)
    with database.write() as connection:
        for number in range(size):
            key = scene.customer(connection, f"c{number}")
            logs_in = random.random() < 0.2
            for unit in (("visitor", f"v{number}"), ("customer", f"c{number}"))[: 1 + logs_in]:
                hashed = unit_hash(*unit)
                scene.meet(connection, key, ("control", "new")[arm_of("e", hashed, shares)], hashed)
            scene.visit(connection, key, revenue=100 * int(random.random() < (0.5 if logs_in else 0.05)))
    found = scene.results()
    assert not found.sample_ratio_mismatch
    assert sum(arm.units for arm in found.arms) == size
    control, new = (arm.metrics[0] for arm in found.arms)
    assert new.low < control.value < new.high


def test_what_comes_after_the_stop_does_not_count_though_it_is_concluded_later(database: Database) -> None:
    stopped = ExperimentDecision(action="stopped", time=to_timestamp(NOON + HOUR))
    concluded = ExperimentDecision(action="concluded", time=to_timestamp(NOON + 30 * DAY), arm_id="new")
    scene = Scene(database, state=ExperimentState.EXPERIMENT_STATE_CONCLUDED, decisions=[stopped, concluded])
    with database.write() as connection:
        ann = scene.customer(connection, "ann")
        scene.meet(connection, ann, "new", unit_hash("customer", "ann"))
        scene.visit(connection, ann, NOON, revenue=100)
        scene.visit(connection, ann, NOON + 2 * HOUR, revenue=100)
    assert [arm.orders for arm in scene.results(NOON + 40 * DAY).arms] == [0, 1]


def test_a_stranger_counts_once_the_visitor_is_known(database: Database) -> None:
    scene = Scene(database)
    with database.write() as connection:
        scene.meet(connection, None, "new", unit_hash("visitor", "v"))
    assert [arm.units for arm in scene.results().arms] == [0, 1]
    with database.write() as connection:
        key = scene.customer(connection, "later")
        connection.execute(visitors.insert().values(visitor_id="v", customer_id=key))
        scene.visit(connection, key, NOON + HOUR, revenue=300)
    assert [(arm.units, arm.orders) for arm in scene.results().arms] == [(0, 0), (1, 1)]


def test_sessions_are_units_of_their_own(database: Database) -> None:
    scene = Scene(database, unit=3)
    with database.write() as connection:
        ann = scene.customer(connection, "ann")
        for name, arm in (("s1", "control"), ("s2", "new")):
            scene.meet(connection, ann, arm, unit_hash("session", name), name)
            scene.visit(connection, ann, NOON, revenue=100 if arm == "new" else 0, name=name)
    found = [(arm.units, arm.sessions, arm.orders) for arm in scene.results().arms]
    assert found == [(1, 1, 0), (1, 1, 1)]


def test_what_happens_after_the_end_does_not_count(database: Database) -> None:
    scene = Scene(database, end_time=to_timestamp(NOON + HOUR))
    with database.write() as connection:
        ann = scene.customer(connection, "ann")
        scene.meet(connection, ann, "new", 1)
        scene.visit(connection, ann, NOON)
        scene.visit(connection, ann, NOON + 2 * HOUR, revenue=100)
    assert [arm.sessions for arm in scene.results().arms] == [0, 1]


def test_segments_are_named(database: Database) -> None:
    scene = Scene(database, primary_metric=CONVERSION)
    with database.write() as connection:
        for number in range(440):
            arm = ("control", "new")[number % 2]
            key = scene.customer(connection, f"c{number}")
            scene.meet(connection, key, arm, number + 1)
            bought = 100 * (number % 4 == 0 or (arm == "new" and number % 3 == 0))
            scene.visit(connection, key, revenue=bought, segment="loyal" if number < 240 else "new ones")
    segments = scene.results().segments
    assert {(each.segment, each.arm_id) for each in segments} == {("loyal", "new"), ("new ones", "new")}


def test_clicks_on_interleaved_lists_prefer_an_arm(database: Database) -> None:
    scene = Scene(database, design=2)
    with database.write() as connection:
        connection.execute(
            products.insert().values(
                product_id=1, external_id="p", name="P", change_sequence=1, available_at=NOON, updated_at=NOON
            )
        )
        numbers = []
        for place in range(150):
            key = scene.customer(connection, f"c{place}")
            number = number_at((1 << LIST_BITS) + place, 1)
            credit = -1.0 if place < 120 else 1.0
            decision = ListDecision(interleaved="e", credits=(credit,))
            new = list_of_one(number, key if place % 3 else None, 1, NOON)._replace(decision=decision)
            log_recommendations(connection, [new])
            numbers.append(number)
        mark_clicked(connection, dict.fromkeys(numbers, NOON + HOUR))
    found = scene.results()
    assert [(arm.units, arm.clicked) for arm in found.arms] == [(150, 30), (150, 120)]
    [told] = found.comparisons
    assert (told.arm_id, told.verdict, told.difference) == ("new", 2, pytest.approx(0.6))
    assert 0 < told.low < 0.6 < told.high


def test_few_clicks_on_interleaved_lists_say_nothing(database: Database) -> None:
    found = Scene(database, design=2).results()
    assert found.comparisons[0].verdict == 1
    assert found.summary == "The data do not tell yet."


def test_an_unknown_experiment_is_not_found(database: Database) -> None:
    with database.read() as connection, pytest.raises(NotFound):
        results_of(connection, "nothing", NOON)


def test_the_size_of_an_experiment_follows_from_the_shop(database: Database) -> None:
    scene = Scene(database)
    crowd(scene, 200, (0.2, 0.2))
    request = pb.EstimateSampleSizeRequest(metric=CONVERSION, minimum_effect=0.2)
    plan, traffic, days = to_sample_plan(request)
    with database.read() as connection:
        found = from_sample_size(sample_size(connection, plan, traffic, days, NOON + DAY))
    assert found.baseline == pytest.approx(0.2)
    assert found.units_per_day == pytest.approx(400 / 28)
    assert found.units_per_arm > found.units_per_arm_fixed
    # n = (1.96 + .84)² · (.2 · .8 + .24 · .76) / .04² for 5 % and 80 %
    assert found.units_per_arm_fixed == pytest.approx(1_680, rel=0.05)
    assert found.days == pytest.approx(2 * found.units_per_arm / (400 / 28), rel=0.01)


def test_a_shop_without_sessions_says_that_it_cannot_tell(database: Database) -> None:
    plan, traffic, days = to_sample_plan(pb.EstimateSampleSizeRequest())
    with database.read() as connection, pytest.raises(FailedPrecondition):
        sample_size(connection, plan, traffic, days, NOON)


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"arms": 11}, "arms"), ({"alpha": 0.6}, "alpha"), ({"traffic": 2}, "traffic"), ({"metric": 99}, "metric")],
)
def test_a_bad_question_is_refused(fields: dict[str, float], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        to_sample_plan(pb.EstimateSampleSizeRequest(**fields))  # type: ignore[arg-type]
    assert caught.value.metadata["field"] == field
