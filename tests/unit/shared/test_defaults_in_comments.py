"""Every default that the comment of a field states is what the code makes of a request without the field.

The comments are read, not repeated here. A field whose comment states a default must be in one of the tables below.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import event_log_pb2
from quintet.coordinator.v1 import improvement_pb2 as improvement
from quintet.customer.v1 import customer_service_pb2 as customer_pb
from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb
from quintet.product.v1 import product_service_pb2 as product_pb
from quintet.recommendation.v1 import recommendation_service_pb2 as inner
from quintet.type.v1 import product_pb2
from quintet.type.v1.event_pb2 import Event, HomeView, Search
from quintet.type.v1.experiment_pb2 import Experiment, ExperimentArm
from quintet.type.v1.metric_pb2 import MetricQuery
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.placement_pb2 import (
    Bandit,
    BuryAction,
    Exploration,
    LimitAction,
    LimitGroup,
    PlacementRequest,
    RuleCondition,
    Variant,
)
from quintet.type.v1.placement_pb2 import Placement as PlacementMessage
from quintet.type.v1.placement_pb2 import Rule as RuleMessage
from quintet.type.v1.placement_pb2 import WeeklyHours as WeeklyHoursMessage
from quintet.type.v1.recommendation_pb2 import Feedback, InteractionType

from services.coordinator import convert as coordinator_convert
from services.coordinator import event_log_convert, job_rpcs
from services.coordinator.event_validation import submit_event, submit_feedback
from services.coordinator.improvement import convert as improvement_convert
from services.coordinator.product_import import ProductImport, upsert_request
from services.customer import convert as customer_convert
from services.feedback.experiments.convert import to_sample_plan
from services.product import convert as product_convert
from services.product.convert_changes import price_changes
from services.recommendation import convert as recommendation_convert
from services.recommendation.merchandising.convert import to_preview_request, to_queries, to_rank_query
from services.recommendation.request import Query
from services.recommendation.tuning.tuner import DEFAULT_TRIALS
from services.recommendation.what_if.convert import to_evaluation_request
from shared import periods
from shared.db.product_patch import merged
from shared.db.sessions import SILENCE
from shared.experiments.assignment import BUCKETS
from shared.experiments.bandit_plan import Reward
from shared.experiments.convert import to_experiment
from shared.experiments.experiment import DEFAULT_ALPHA, DEFAULT_EFFECT, DEFAULT_POWER, DEFAULT_TOLERANCE
from shared.limits import DEFAULT_PAGE_SIZE, MAX_RANKED
from shared.merchandising.convert import to_placement, to_rule
from shared.merchandising.merchandising import NO_MERCHANDISING, Merchandising
from shared.merchandising.placement import BUILT_IN, Placement
from tests.support.contract import comments, settable_fields

TESTS = Path(__file__).parents[2]
STATED = re.compile(
    r"(?:(?<!the )\b[Dd]efault:? |\b(?:0|[Uu]nset) means (?!that ))(?P<after>.+?)(?=[.,;:](?:\s|$)|$)"
    r"|is (?P<before>`\w+`) unless (?:said|given)"
)
NUMBER = re.compile(r"[\d,]+(?:\.\d+)?")
NOW = datetime.now(UTC)
PRICE = Money(currency_code="USD", amount_minor=1)


def stated(name: str) -> str | float | None:
    """Return the default that a comment states: a number, a name, or words; None for none."""
    found = STATED.search(comments()[name].replace("`default`", ""))
    if found is None:
        return None
    text = (found["after"] or found["before"]).strip("`")
    return float(text.replace(",", "")) if NUMBER.fullmatch(text) else text


def is_now(moment: datetime) -> bool:
    return abs(moment - datetime.now(UTC)) < timedelta(minutes=1)


def query(request: pb.GetRecommendationsRequest) -> Query:
    return recommendation_convert.to_query(coordinator_convert.to_recommend_request(request))


def after_event(event: Event) -> Query:
    asked = coordinator_convert.to_recommend_after(event, pb.RecommendationOptions())
    return recommendation_convert.to_query(asked)


def rank() -> Any:
    return to_rank_query(inner.RankProductsRequest(visitor_id="v", product_ids=["p"]))


def stored_product(options: Any = None) -> dict[str, Any]:
    """Return the row of a new product of which nothing but name and price is said."""
    product = product_pb2.Product(product_id="p", name="n", price=PRICE)
    request = upsert_request([product], options or pb.UpsertProductRequest())
    [patch] = product_convert.upsert_changes(request)
    return merged(patch, None, NOW).row


def price_time(options: Any) -> datetime:
    moment: datetime = stored_product(options)["price_updated_at"]
    return moment


def retired_share() -> float:
    messages = ProductImport(None, None)._retirement()  # type: ignore[arg-type]
    return next(messages).max_retired_share


def rule(**fields: Any) -> Any:
    return to_rule(RuleMessage(**{"rule_id": "r", "bury": BuryAction(), **fields}))


def hours() -> Any:
    return rule(condition=RuleCondition(hours=[WeeklyHoursMessage()])).condition.hours[0]


def placement() -> Placement:
    return to_placement(PlacementMessage(placement_id="p"))


def learning() -> Any:
    variants = [Variant(variant_id=name) for name in "ab"]
    message = PlacementMessage(
        placement_id="p", bandit=Bandit(variants=variants), exploration=Exploration(share_of_places=0.1)
    )
    return to_placement(message)


def sample() -> Any:
    return to_sample_plan(feedback_pb.EstimateSampleSizeRequest())[0]


def experiment() -> Any:
    arms = [ExperimentArm(variant=Variant(variant_id=name)) for name in "ab"]
    return to_experiment(Experiment(experiment_id="e", arms=arms))


def limit_in_placement() -> int:
    few = Merchandising.of([Placement("few", count=3)], [])
    [only] = to_queries(
        inner.BatchRecommendRequest(visitor_id="v", requests=[PlacementRequest(placement_id="few")]), few
    )
    return only.limit


def preview() -> Any:
    return to_preview_request(inner.PreviewRulesRequest(rules=[RuleMessage(rule_id="r", bury=BuryAction())]))


def evaluation() -> Any:
    request = inner.EvaluateConfigurationRequest(placement_id="home", variant_id="v")
    return to_evaluation_request(request, NO_MERCHANDISING, datetime.now(UTC))


def settled(request: Any) -> tuple[datetime, datetime]:
    return periods.settled(*periods.asked(request), datetime.now(UTC))


def feedback_time() -> datetime:
    interaction = InteractionType.INTERACTION_TYPE_CLICK
    return submit_feedback(Feedback(recommendation_id="r", interaction_type=interaction)).occurred_at


METRIC_PERIODS = (MetricQuery, pb.ExportMetricsRequest)
PERIODS = (pb.GetProductPerformanceRequest, pb.GetAlgorithmPerformanceRequest)
QUALITY = event_log_pb2.GetEventQualityRequest()
MADE: dict[str, Callable[[], str | float]] = {
    "coordinator.v1.RecommendationOptions.limit": lambda: (
        after_event(Event(visitor_id="v", home_view=HomeView())).limit
    ),
    "coordinator.v1.GetRecommendationsRequest.limit": lambda: query(pb.GetRecommendationsRequest(visitor_id="v")).limit,
    "coordinator.v1.RankProductsRequest.context": lambda: rank().query.context.page,
    "coordinator.v1.GetSimilarProductsRequest.relation": lambda: str(
        product_convert.relation(product_pb.GetRelatedProductsRequest())
    ).upper(),
    "coordinator.v1.GetSimilarProductsRequest.limit": lambda: product_convert.related_limit(
        product_pb.GetRelatedProductsRequest()
    ),
    "coordinator.v1.ListCustomersRequest.page_size": lambda: (
        customer_convert.to_page_query(customer_pb.ListCustomersRequest()).size
    ),
    "coordinator.v1.ListOffersRequest.page_size": lambda: product_convert.offers_page(product_pb.ListOffersRequest())[
        0
    ],
    "coordinator.v1.ListProductsRequest.page_size": lambda: (
        product_convert.page_query(product_pb.ListProductsRequest()).size
    ),
    "coordinator.v1.ListPlacementsRequest.page_size": lambda: DEFAULT_PAGE_SIZE,
    "coordinator.v1.ListRulesRequest.page_size": lambda: DEFAULT_PAGE_SIZE,
    "coordinator.v1.ListModelsRequest.page_size": lambda: recommendation_convert.to_models_page(
        inner.ListModelVersionsRequest()
    )[1],
    "coordinator.v1.ListImprovementRunsRequest.page_size": lambda: (
        improvement_convert.to_page(improvement.ListImprovementRunsRequest()).size
    ),
    "coordinator.v1.SetShadowModelRequest.share": lambda: improvement_convert.to_share(
        improvement.SetShadowModelRequest()
    ),
    "coordinator.v1.ListJobsRequest.page_size": lambda: job_rpcs._page(pb.ListJobsRequest()).size,
    "coordinator.v1.ListUnjoinedEventsRequest.limit": lambda: event_log_convert.to_limit(
        event_log_pb2.ListUnjoinedEventsRequest()
    ),
    "coordinator.v1.ListFailedEventsRequest.page_size": lambda: (
        event_log_convert.to_page(event_log_pb2.ListFailedEventsRequest()).size
    ),
    "coordinator.v1.ImportProductsRequest.max_retired_share": retired_share,
    "coordinator.v1.PreviewRulesRequest.days": lambda: preview().days,
    "coordinator.v1.PreviewRulesRequest.max_lists": lambda: preview().lists,
    "coordinator.v1.PreviewRulesRequest.max_seconds": lambda: preview().seconds,
    "coordinator.v1.EvaluateConfigurationRequest.max_lists": lambda: evaluation().lists,
    "coordinator.v1.EvaluateConfigurationRequest.max_seconds": lambda: evaluation().seconds,
    "coordinator.v1.OptimizeAlgorithmsRequest.max_trials": lambda: DEFAULT_TRIALS,
    "type.v1.RecommendationContext.page_type": lambda: query(pb.GetRecommendationsRequest(visitor_id="v")).context.page,
    "type.v1.Product.inventory_status": lambda: stored_product()["inventory_status"],
    "type.v1.Placement.page_type": lambda: placement().page,
    "type.v1.Placement.count": lambda: placement().count,
    "type.v1.WeeklyHours.end_minute": lambda: hours().end_minute,
    "type.v1.RuleCondition.time_zone": lambda: rule().condition.time_zone,
    "type.v1.BuryAction.factor": lambda: rule().action.factor,
    "coordinator.v1.ListExperimentsRequest.page_size": lambda: DEFAULT_PAGE_SIZE,
    "type.v1.Bandit.half_life_days": lambda: learning().bandit.half_life_days,
    "type.v1.Bandit.most_explored": lambda: learning().bandit.most_explored,
    "type.v1.Exploration.new_products": lambda: learning().exploration.new_products,
    "type.v1.Exploration.relevance_given_up": lambda: learning().exploration.relevance_given_up,
    "type.v1.Experiment.unit": lambda: experiment().unit.upper(),
    "type.v1.Experiment.design": lambda: experiment().design.upper(),
    "type.v1.Experiment.traffic": lambda: experiment().buckets / BUCKETS,
    "type.v1.ExperimentArm.share": lambda: experiment().arms[0].share,
    "type.v1.Experiment.minimum_effect": lambda: DEFAULT_EFFECT,
    "type.v1.Experiment.alpha": lambda: DEFAULT_ALPHA,
    "type.v1.Experiment.power": lambda: DEFAULT_POWER,
    "coordinator.v1.EstimateSampleSizeRequest.metric": lambda: sample().metric.upper(),
    "coordinator.v1.EstimateSampleSizeRequest.minimum_effect": lambda: sample().effect,
    "coordinator.v1.EstimateSampleSizeRequest.arms": lambda: len(sample().shares),
    "coordinator.v1.EstimateSampleSizeRequest.alpha": lambda: sample().alpha,
    "coordinator.v1.EstimateSampleSizeRequest.power": lambda: sample().power,
    "coordinator.v1.EstimateSampleSizeRequest.traffic": lambda: to_sample_plan(feedback_pb.EstimateSampleSizeRequest())[
        1
    ],
    "coordinator.v1.EstimateSampleSizeRequest.days": lambda: to_sample_plan(feedback_pb.EstimateSampleSizeRequest())[2],
    "type.v1.Guardrail.tolerance": lambda: DEFAULT_TOLERANCE,
    "type.v1.Experiment.primary_metric": lambda: "REVENUE_PER_SESSION",
}
"""Numbers and names, as the code makes them."""
SAID: dict[str, tuple[str, Callable[[], bool]]] = {
    "type.v1.Event.event_time": (
        "now",
        lambda: is_now(submit_event(Event(visitor_id="v", search=Search(query="q"))).occurred_at),
    ),
    "type.v1.Feedback.interaction_time": ("now", lambda: is_now(feedback_time())),
    "type.v1.PriceUpdate.effective_time": (
        "now",
        lambda: is_now(price_changes([product_pb2.PriceUpdate(product_id="p", price=PRICE)])[0].since),
    ),
    **{
        f"coordinator.v1.{kind.DESCRIPTOR.name}.effective_time": ("now", lambda kind=kind: price_time(kind()) == NOW)
        for kind in (pb.UpsertProductRequest, pb.BatchUpsertProductsRequest, pb.ImportProductsRequest)
    },
    **{
        f"coordinator.v1.{kind.DESCRIPTOR.name}.end_time": ("now", lambda kind=kind: is_now(settled(kind())[1]))
        for kind in PERIODS
    },
    **{
        f"coordinator.v1.{kind.DESCRIPTOR.name}.start_time": (
            "30 days before its end",
            lambda kind=kind: (lambda start, end: end - start == timedelta(days=30))(*settled(kind())),
        )
        for kind in PERIODS
    },
    **{
        f"{kind.DESCRIPTOR.full_name.removeprefix('quintet.')}.end_time": (
            "now",
            lambda kind=kind: is_now(settled(kind())[1]),
        )
        for kind in METRIC_PERIODS
    },
    **{
        f"{kind.DESCRIPTOR.full_name.removeprefix('quintet.')}.start_time": (
            "30 days before its end",
            lambda kind=kind: (lambda start, end: end - start == timedelta(days=30))(*settled(kind())),
        )
        for kind in METRIC_PERIODS
    },
    "coordinator.v1.EvaluateConfigurationRequest.end_time": ("now", lambda: is_now(evaluation().end + SILENCE)),
    "coordinator.v1.EvaluateConfigurationRequest.start_time": (
        "7 days before its end",
        lambda: is_now(evaluation().start + timedelta(days=7)),
    ),
    "coordinator.v1.GetEventQualityRequest.end_time": ("now", lambda: is_now(event_log_convert.to_hours(QUALITY)[1])),
    "coordinator.v1.GetEventQualityRequest.start_time": (
        "24 hours before `end_time",
        lambda: (lambda start, end: end - start == timedelta(hours=24))(*event_log_convert.to_hours(QUALITY)),
    ),
    "coordinator.v1.GetRecommendationsRequest.placement_id": (
        "the built-in one of the page",
        lambda: query(pb.GetRecommendationsRequest(visitor_id="v")).placement is BUILT_IN["home"],
    ),
    "coordinator.v1.RecommendationOptions.context": (
        "from the event",
        lambda: after_event(Event(visitor_id="v", search=Search(query="tea"))).context.search_query == "tea",
    ),
    "coordinator.v1.RankProductsRequest.limit": ("all", lambda: rank().limit == MAX_RANKED),
    "coordinator.v1.OptimizeAlgorithmsRequest.tune_minutes": (
        "QUINTET_TUNE_MINUTES",
        lambda: coordinator_convert.to_tuning(pb.OptimizeAlgorithmsRequest(), 7.0).max_minutes == 7,
    ),
    "type.v1.Experiment.start_time": ("now", lambda: experiment().start is None),
    "type.v1.Bandit.reward": ("click 1", lambda: learning().bandit.reward == Reward(1, 3, 10, 0, 0, 0)),
    "type.v1.PlacementRequest.limit": ("the placement's count", lambda: limit_in_placement() == 3),
    "type.v1.Placement.diversity": ("what suits the page", lambda: placement().diversity is None),
    "type.v1.Placement.allow_repeats": ("it does not", lambda: not placement().allow_repeats),
    "type.v1.LimitAction.window": (
        "in the whole list",
        lambda: rule(limit=LimitAction(group=LimitGroup.LIMIT_GROUP_BRAND, most=1)).action.window == 0,
    ),
    "type.v1.Product.available_time": (
        "the time of its first upsert",
        lambda: stored_product()["available_at"] == NOW,
    ),
    "type.v1.Product.expire_time": ("never", lambda: stored_product()["expire_at"] is None),
    "type.v1.Product.recommendable": ("true for a new product", lambda: stored_product()["recommendable"]),
}
"""Words, and whether the code does what they say."""
PROJECTION = "integration/db/test_projection.py"
RECOMMEND = "integration/recommendation/test_recommend.py"
ELSEWHERE = {
    **dict.fromkeys(
        (f"coordinator.v1.EvaluateConfigurationRequest.{name}" for name in ("reward", "currency_code")),
        ("integration/recommendation/test_what_if.py", "test_the_reward_of_the_bandit_is_the_default"),
    ),
    "type.v1.ProductQuantity.quantity": (PROJECTION, "test_a_quantity_that_is_not_said_is_one"),
    "type.v1.PurchaseLine.quantity": (PROJECTION, "test_a_quantity_that_is_not_said_is_one"),
    "type.v1.PurchaseLine.amount": (PROJECTION, "test_amounts_that_are_not_given_come_from_prices"),
    "type.v1.Purchase.total": (PROJECTION, "test_amounts_that_are_not_given_come_from_prices"),
    "type.v1.Refund.amount": (PROJECTION, "test_a_refund_of_some_units_is_worth_their_share"),
    "type.v1.Customer.registration_time": (
        "integration/customer/test_service.py",
        "test_a_customer_is_registered_changed_and_shown",
    ),
    "type.v1.RecommendationContext.cart_product_ids": (
        RECOMMEND,
        "test_the_cart_and_the_order_default_to_what_events_left",
    ),
    "type.v1.RecommendationContext.purchased_product_ids": (
        RECOMMEND,
        "test_the_cart_and_the_order_default_to_what_events_left",
    ),
    "type.v1.RecommendationContext.session_id": (
        RECOMMEND,
        "test_a_session_named_by_the_caller_counts_in_place_of_the_latest",
    ),
}
"""What is made of the rows of a database, and the tests that look at it."""


def full(name: str) -> str:
    return f"quintet.{name}"


@pytest.mark.parametrize("name", MADE)
def test_a_default_is_what_the_comment_says(name: str) -> None:
    assert MADE[name]() == stated(full(name))


@pytest.mark.parametrize("name", SAID)
def test_a_default_in_words_is_what_the_comment_says(name: str) -> None:
    words, holds = SAID[name]
    assert stated(full(name)) == words
    assert holds()


@pytest.mark.parametrize("name", ELSEWHERE)
def test_other_defaults_have_a_test_of_their_own(name: str) -> None:
    path, test = ELSEWHERE[name]
    assert f"def {test}(" in (TESTS / path).read_text()


def test_every_default_that_a_comment_states_is_looked_at() -> None:
    stating = set[str]()
    for method in pb.DESCRIPTOR.services_by_name["CoordinatorService"].methods:
        stating |= {
            field.full_name
            for field in settable_fields(method.input_type, set())
            if stated(field.full_name) is not None
        }
    assert stating == {full(name) for name in (*MADE, *SAID, *ELSEWHERE)}
