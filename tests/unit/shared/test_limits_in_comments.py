"""Every limit of a request stands in the comment of its field, and the code holds exactly that limit.

The comments are read, not repeated here: what is just within a limit must pass, what is just beyond must be refused
with the reason and the limit. A field of text, or of several values, without a limit in its comment fails.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from math import nextafter
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import event_log_pb2
from quintet.coordinator.v1 import improvement_pb2 as improvement
from quintet.coordinator.v1 import operations_pb2 as operations
from quintet.customer.v1 import customer_service_pb2 as customer_pb
from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb
from quintet.product.v1 import product_service_pb2 as product_pb
from quintet.recommendation.v1 import recommendation_service_pb2 as inner
from quintet.type.v1.consent_pb2 import Consent
from quintet.type.v1.customer_pb2 import Customer, Demographics
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.event_pb2 import Event, PageType
from quintet.type.v1.experiment_pb2 import Experiment, ExperimentArm, ExperimentMetric, Guardrail
from quintet.type.v1.job_pb2 import JobState
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.placement_pb2 import (
    Bandit,
    BoostAction,
    Exploration,
    LimitAction,
    LimitGroup,
    PinAction,
    Placement,
    PlacementRequest,
    Reward,
    Rule,
    RuleCondition,
    Variant,
    WeeklyHours,
)
from quintet.type.v1.product_pb2 import AttributeValue, InventoryStatus, InventoryUpdate, PriceUpdate, Product
from quintet.type.v1.recommendation_pb2 import Feedback, InteractionType, RecommendationContext, RecommendationFilter

from services.coordinator import convert as coordinator_convert
from services.coordinator import job_rpcs, operations_convert
from services.coordinator.event_log_convert import to_filter
from services.coordinator.event_validation import submit_feedback
from services.coordinator.improvement import convert as improvement_convert
from services.coordinator.recommendation_rpcs import RecommendationRpcs
from services.customer import convert as customer_convert
from services.feedback import convert as feedback_convert
from services.feedback.experiments.convert import to_sample_plan
from services.product import convert as product_convert
from services.product.convert_changes import inventory_changes, price_changes
from services.product.convert_products import patches
from services.recommendation import convert as recommendation_convert
from services.recommendation.merchandising.convert import to_preview_request, to_queries, to_rank_query
from services.recommendation.what_if.convert import to_evaluation_request
from shared.errors import InvalidArgument, NotFound
from shared.events.check import check_event, check_id, check_text
from shared.experiments.convert import to_experiment
from shared.limits import DEFAULT_PAGE_SIZE, DEFAULT_RELATED, MAX_NOTE, MAX_PAGE_SIZE, MAX_RELATED
from shared.merchandising.convert import to_placement, to_rule
from shared.merchandising.merchandising import NO_MERCHANDISING
from shared.merchandising.names import check_name
from shared.page_rules import DEFAULT_LIMIT, MAX_LIMIT
from shared.page_tokens import page_token
from shared.recommendation_tokens import KEY_BYTES, TokenKeys
from shared.request_ids import key_of
from tests.support.contract import comments, settable_fields

NUMBER = r"([\d,]+)"
TEXT = re.compile(rf"(?:at most|to) {NUMBER} characters")
ENTRIES = re.compile(rf"(?:at most|to) {NUMBER}(?! characters)\b")
RANGE = re.compile(rf"(\d+) (?:to|and at most) {NUMBER}")
NAMES, VALUES = (re.compile(rf"{word} of at most {NUMBER}") for word in ("names", "values"))
PAGES = re.compile(rf"0 means {NUMBER}, more than {NUMBER} is lowered to {NUMBER}")
NUMBERS = {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64}

FACTS = {"a": "b"}
USD = Money(currency_code="USD", amount_minor=1)
ITEM = {"product_id": "p", "quantity": 1}


def event(**detail: Any) -> Event:
    ids = dict.fromkeys(("event_id", "customer_id", "visitor_id", "session_id", "recommendation_id"), "x")
    return Event(**ids, attributes=FACTS, **detail)


EVENTS = [
    event(page_view={"page_type": PageType.PAGE_TYPE_PRODUCT, "product_id": "p"}),
    event(page_view={"page_type": PageType.PAGE_TYPE_CATEGORY, "category": "c"}),
    event(category_view={"category": "c"}),
    event(search={"query": "q", "product_ids": ["p"], "filter": "f"}),
    event(product_view={"product_id": "p", "duration_seconds": 1, "scrolls": 1, "clicks": 1, "scroll_depth": 0.5}),
    event(add_to_cart={"items": [ITEM]}),
    event(remove_from_cart={"items": [ITEM]}),
    event(purchase={"purchase_id": "o", "items": [{**ITEM, "amount": USD}], "total": USD}),
    event(refund={"purchase_id": "o", "items": [ITEM], "amount": USD}),
    event(impression={"recommendation_ids": ["r"], "attribution_token": "t"}),
    event(custom={"name": "n"}),
]
CUSTOMER = Customer(
    customer_id="c",
    name="n",
    email="a@b",
    demographics=Demographics(age=1, age_group="a", gender="g", region="r", attributes=FACTS),
)
PRODUCT = Product(
    product_id="p",
    name="n",
    description="d",
    category="c",
    subcategory="s",
    brand="b",
    price=USD,
    tags=["t"],
    image_urls=["u"],
    attributes={"a": AttributeValue(text="b")},
    average_rating=1,
    group_id="g",
)
CONTEXT = RecommendationContext(
    page_type=PageType.PAGE_TYPE_PRODUCT,
    product_id="p",
    category="c",
    cart_product_ids=["p"],
    purchased_product_ids=["p"],
    search_query="q",
    session_id="s",
    place_id="p",
)
VARIANT = Variant(
    variant_id="v",
    description="d",
    strategy="default",
    weights=[{"algorithm": "ease", "weight": 1}, {"algorithm": "popular", "weight": 1}],
    diversity=0.5,
    with_rule_ids=["r"],
    without_rule_ids=["r"],
    model_version="m",
)
PLACEMENT = Placement(
    placement_id="p",
    strategy="default",
    weights=[{"algorithm": "ease", "weight": 1}, {"algorithm": "popular", "weight": 1}],
    bandit=Bandit(
        variants=[VARIANT, Variant(variant_id="w")],
        reward=Reward(click=1, add_to_cart=1, purchase=1, revenue=1, margin=1, return_visit=1),
        most_explored=0.5,
        half_life_days=2,
    ),
    exploration=Exploration(share_of_places=0.1, relevance_given_up=0.1, new_products=0.5),
)
EXPERIMENT = Experiment(
    experiment_id="e",
    description="d",
    placement_ids=["p"],
    layer="l",
    traffic=0.5,
    arms=[ExperimentArm(variant=VARIANT, share=1), ExperimentArm(variant=Variant(variant_id="w"), share=1)],
    guardrails=[Guardrail(metric=ExperimentMetric.EXPERIMENT_METRIC_REFUND_RATE, tolerance=0.1)],
    minimum_effect=0.1,
    alpha=0.1,
    power=0.9,
)
RULE = Rule(
    rule_id="r",
    description="d",
    filter="price < 1",
    boost=BoostAction(factor=2),
    condition=RuleCondition(
        placement_ids=["p"],
        page_types=[PageType.PAGE_TYPE_HOME],
        segments=["s"],
        hours=[WeeklyHours(weekdays=[1])],
        time_zone="UTC",
    ),
)
FILTERS = [
    RecommendationFilter(expression="price < 1", categories=["c"], min_price=USD, exclude_product_ids=["p"]),
    RecommendationFilter(max_price=USD),
]
CLICK = Feedback(
    feedback_id="f",
    recommendation_id="r",
    customer_id="c",
    visitor_id="v",
    interaction_type=InteractionType.INTERACTION_TYPE_CLICK,
)


class _Answers:
    """Stands for the coordinator behind the servicer."""

    async def recommend(self, _: Any) -> bytes:
        return b""


def recommend(request: pb.GetRecommendationsRequest) -> None:
    rpcs = RecommendationRpcs()
    rpcs._agent = _Answers()  # type: ignore[assignment]
    asyncio.run(rpcs.GetRecommendations(request, None))


def list_products(request: pb.ListProductsRequest) -> None:
    product_convert.page_query(product_pb.ListProductsRequest.FromString(request.SerializeToString()))


def list_offers(request: pb.ListOffersRequest) -> None:
    product_convert.product_id(request.product_id)
    product_convert.offers_page(product_pb.ListOffersRequest.FromString(request.SerializeToString()))


def related(request: pb.GetSimilarProductsRequest) -> None:
    product_convert.product_id(request.product_id)
    product_convert.related_limit(product_pb.GetRelatedProductsRequest.FromString(request.SerializeToString()))


def customers(request: Customer) -> None:
    customer_convert.to_customers(customer_pb.UpsertCustomersRequest(customers=[request]))


def batch(request: pb.BatchGetRecommendationsRequest) -> None:
    with suppress(NotFound):  # what is long enough is no placement
        to_queries(inner.BatchRecommendRequest.FromString(request.SerializeToString()), NO_MERCHANDISING)


def rank(request: pb.RankProductsRequest) -> None:
    to_rank_query(inner.RankProductsRequest.FromString(request.SerializeToString()))


def preview(request: pb.PreviewRulesRequest) -> None:
    to_preview_request(inner.PreviewRulesRequest.FromString(request.SerializeToString()))


def evaluation(request: pb.EvaluateConfigurationRequest) -> None:
    asked = inner.EvaluateConfigurationRequest.FromString(request.SerializeToString())
    with suppress(NotFound):
        to_evaluation_request(asked, NO_MERCHANDISING, datetime.now(UTC))


def placement_id(request: Any) -> None:
    check_name(request.placement_id, "placement_id")


def rule_id(request: Any) -> None:
    check_name(request.rule_id, "rule_id")


def end_experiment(request: Any) -> None:
    check_name(request.experiment_id, "experiment_id")
    check_text(request.reason, "reason", MAX_NOTE)
    if isinstance(request, pb.ConcludeExperimentRequest):
        check_name(request.arm_id, "arm_id")


def definitions_token(request: Any) -> None:
    check_name(request.page_token, "page_token")


def models_page(request: operations.ListModelsRequest) -> None:
    recommendation_convert.to_models_page(inner.ListModelVersionsRequest.FromString(request.SerializeToString()))


def model_version(request: Any) -> None:
    check_id(request.version, "version", required=isinstance(request, operations.ActivateModelRequest))


def attribution(request: operations.GetAttributionRequest) -> None:
    with suppress(NotFound):  # what is long enough is no recommendation
        operations_convert.to_attribution(request, TokenKeys([bytes(KEY_BYTES)]))


def weights(request: operations.SetWeightsRequest) -> None:
    feedback_convert.to_weights_change(operations_convert.to_weights_update(request))


def tuning(request: pb.OptimizeAlgorithmsRequest) -> None:
    coordinator_convert.to_tuning(request, 1.0)


def product_id(request: Any) -> None:
    product_convert.product_id(request.product_id)


def list_customers(request: pb.ListCustomersRequest) -> None:
    customer_convert.to_page_query(customer_pb.ListCustomersRequest.FromString(request.SerializeToString()))


def visitor_id(request: Any) -> None:
    customer_convert.to_who(customer_pb.EraseCustomerRequest(visitor_id=request.visitor_id))


def visitor_consent(request: Any) -> None:
    customer_convert.to_visitor_consent(
        customer_pb.SetVisitorConsentRequest(visitor_id=request.visitor_id, consent=request.consent)
    )


def receipt_id(request: Any) -> None:
    customer_convert.to_receipt_id(customer_pb.GetErasureReceiptRequest(receipt_id=request.receipt_id))


def customer_id(request: Any) -> None:
    customer_convert.to_customer_id(request.customer_id)


def job_kind(request: Any) -> None:
    check_id(request.kind, "kind")


def jobs_page(request: pb.ListJobsRequest) -> None:
    job_rpcs._page(request)


def job_id(request: Any) -> None:
    check_id(request.job_id, "job_id")


LISTS_OF_DEFINITIONS = (pb.ListPlacementsRequest, pb.ListRulesRequest, pb.ListExperimentsRequest)
LISTED = pb.ListProductsRequest(page_token="t", category="c", name_contains="n", group_id="g", brand="b")  # noqa: S106
PRICE = PriceUpdate(product_id="p", place_id="b", price=USD)
STATUS = InventoryUpdate(product_id="p", place_id="b", inventory_status=InventoryStatus.INVENTORY_STATUS_IN_STOCK)
BY_PRODUCT = (pb.GetProductRequest, pb.GetProductPerformanceRequest, pb.DeleteProductRequest)
BY_VERSION = (operations.ActivateModelRequest, operations.GetModelQualityRequest)
SAMPLES: list[tuple[Message, Callable[[Any], Any]]] = [
    *((each, check_event) for each in EVENTS),
    (CUSTOMER, customers),
    (PRODUCT, lambda product: patches([product])),
    (CLICK, submit_feedback),
    *(
        (
            pb.GetRecommendationsRequest(
                customer_id="c",
                visitor_id="v",
                context=CONTEXT,
                filter=each,
                placement_id="product",
                strategy="ease",
                page_token="t",  # noqa: S106
            ),
            recommend,
        )
        for each in FILTERS
    ),
    (pb.RecommendationOptions(placement_id="p"), placement_id),
    (
        pb.BatchGetRecommendationsRequest(
            customer_id="c",
            visitor_id="v",
            requests=[PlacementRequest(placement_id="home", page_token="t", strategy="ease")],  # noqa: S106
        ),
        batch,
    ),
    (pb.RankProductsRequest(customer_id="c", visitor_id="v", product_ids=["p"]), rank),
    (Placement(placement_id="p", description="d", strategy="ease", filter="price < 1"), to_placement),
    (PLACEMENT, to_placement),
    (EXPERIMENT, to_experiment),
    (
        pb.EstimateSampleSizeRequest(minimum_effect=0.1, arms=2, alpha=0.1, power=0.5, traffic=0.5, days=2),
        lambda request: to_sample_plan(feedback_pb.EstimateSampleSizeRequest.FromString(request.SerializeToString())),
    ),
    (pb.StopExperimentRequest(experiment_id="e", reason="r"), end_experiment),
    (pb.ConcludeExperimentRequest(experiment_id="e", arm_id="a", reason="r"), end_experiment),
    *(
        (kind(experiment_id="e"), lambda request: check_name(request.experiment_id, "experiment_id"))
        for kind in (pb.GetExperimentRequest, pb.DeleteExperimentRequest, pb.GetExperimentResultsRequest)
    ),
    (RULE, to_rule),
    (Rule(rule_id="r", pin=PinAction(product_id="p", position=1)), to_rule),
    (Rule(rule_id="r", boost=BoostAction(factor=2)), to_rule),
    (Rule(rule_id="r", limit=LimitAction(group=LimitGroup.LIMIT_GROUP_BRAND, most=1)), to_rule),
    (pb.PreviewRulesRequest(rules=[RULE]), preview),
    (pb.EvaluateConfigurationRequest(placement_id="home", variant_id="v", currency_code="EUR"), evaluation),
    (pb.EvaluateConfigurationRequest(placement_id="home", arm={"experiment_id": "e", "arm_id": "a"}), evaluation),
    (pb.EvaluateConfigurationRequest(placement_id="home", variant=VARIANT, max_lists=1, max_seconds=1), evaluation),
    *((kind(placement_id="p"), placement_id) for kind in (pb.GetPlacementRequest, pb.DeletePlacementRequest)),
    *((kind(rule_id="r"), rule_id) for kind in (pb.GetRuleRequest, pb.DeleteRuleRequest)),
    *((kind(page_token="t"), definitions_token) for kind in LISTS_OF_DEFINITIONS),  # noqa: S106
    (pb.GetSimilarProductsRequest(product_id="p"), related),
    (LISTED, list_products),
    (pb.UpdatePricesRequest(updates=[PRICE]), lambda request: price_changes(request.updates)),
    (pb.UpdateInventoryRequest(updates=[STATUS]), lambda request: inventory_changes(request.updates)),
    (pb.ListOffersRequest(product_id="p", page_token="t"), list_offers),  # noqa: S106
    (pb.OptimizeAlgorithmsRequest(algorithms=["ease"], max_trials=1, tune_minutes=1), tuning),
    (operations.ListModelsRequest(page_token=page_token(1)), models_page),
    *((kind(version="v"), model_version) for kind in BY_VERSION),
    (operations.SetWeightsRequest(weights=[{"algorithm": "ease", "weight": 1}], reason="r"), weights),
    (improvement.ListImprovementRunsRequest(page_token="t"), improvement_convert.to_page),  # noqa: S106
    (improvement.GetImprovementRunRequest(run_id="r"), improvement_convert.to_run_id),
    (improvement.PauseImprovementRequest(reason="r"), improvement_convert.to_reason),
    (improvement.ResumeImprovementRequest(reason="r"), improvement_convert.to_reason),
    (improvement.SetShadowModelRequest(version="v"), improvement_convert.to_version),
    (improvement.SetShadowModelRequest(share=0.5), improvement_convert.to_share),
    (improvement.DeleteShadowModelRequest(version="v"), improvement_convert.to_version),
    (operations.GetAttributionRequest(recommendation_id="r"), attribution),
    (operations.GetAttributionRequest(purchase_id="o"), attribution),
    (operations.GetAttributionRequest(attribution_token="l"), attribution),  # noqa: S106 - no secret
    *((kind(product_id="p"), product_id) for kind in BY_PRODUCT),
    *(
        (kind(customer_id="c"), customer_id)
        for kind in (
            pb.GetCustomerRequest,
            pb.GetCustomerProfileRequest,
            pb.DeleteCustomerRequest,
            pb.ExportCustomerRequest,
        )
    ),
    *((kind(job_id="j"), job_id) for kind in (pb.GetJobRequest, pb.WatchJobRequest, pb.CancelJobRequest)),
    *((kind(kind="k"), job_kind) for kind in (pb.UpdateScheduleRequest, pb.RunScheduleRequest)),
    (pb.ListJobsRequest(kinds=["maintenance"], states=[JobState.JOB_STATE_FAILED]), jobs_page),
    (pb.ListJobsRequest(page_token="t"), jobs_page),  # noqa: S106
    (
        event_log_pb2.PurgeEventsRequest(
            filter=event_log_pb2.EventFilter(
                kinds=["search"], customer_id="c", visitor_id="v", product_id="p", attributes={"a": "b"}
            )
        ),
        to_filter,
    ),
    *((kind(visitor_id="v"), visitor_id) for kind in (pb.DeleteVisitorRequest, pb.ExportVisitorRequest)),
    (pb.SetVisitorConsentRequest(visitor_id="v", consent=Consent(train=2)), visitor_consent),
    (pb.GetErasureReceiptRequest(receipt_id="r"), receipt_id),
    (pb.ListCustomersRequest(page_token="t", segment_name="s"), list_customers),  # noqa: S106
    *(
        (kind(request_id="r"), key_of)
        for kind in (
            pb.RecordEventRequest,
            pb.BatchRecordEventsRequest,
            pb.ImportEventsRequest,
            pb.RecordFeedbackRequest,
            pb.RegisterCustomerRequest,
            pb.DeleteCustomerRequest,
            pb.DeleteVisitorRequest,
            pb.RefreshCatalogRequest,
            pb.OptimizeAlgorithmsRequest,
            pb.TrainModelsRequest,
            pb.RunScheduleRequest,
            event_log_pb2.PurgeEventsRequest,
            event_log_pb2.RebuildProjectionRequest,
            operations.RollBackModelRequest,
            operations.SetWeightsRequest,
        )
    ),
]
"""Valid requests with all their fields, and what checks them."""
ELSEWHERE = {
    "quintet.coordinator.v1.RankProductsRequest.product_ids",
    "quintet.coordinator.v1.BatchRecordEventsRequest.events",
    "quintet.coordinator.v1.BatchUpsertCustomersRequest.customers",
    "quintet.coordinator.v1.BatchUpsertProductsRequest.products",
    "quintet.coordinator.v1.SetWeightsRequest.weights",
    "quintet.type.v1.Bandit.variants",
    "quintet.type.v1.MetricQuery.metrics",
    "quintet.type.v1.MetricQuery.dimensions",
    "quintet.type.v1.MetricQuery.filters",
    "quintet.type.v1.MetricFilter.dimension",
    "quintet.type.v1.MetricFilter.values",
    "quintet.type.v1.Experiment.arms",
    "quintet.type.v1.Placement.weights",
    "quintet.type.v1.Variant.weights",
    "quintet.coordinator.v1.ListFailedEventsRequest.agent",
    "quintet.coordinator.v1.ListFailedEventsRequest.page_token",
    "quintet.coordinator.v1.RebuildProjectionRequest.agent",
    "quintet.coordinator.v1.ReplayFailedEventsRequest.agent",
    "quintet.coordinator.v1.ReplayFailedEventsRequest.sequences",
}
"""Batches, and lists of distinct elements: how many there may be is tested where the list is taken.
What is asked of failed events, and of metrics, is checked by the tests of these calls."""
CHOSEN = ("algorithms", "kinds", "states", "page_types", "weekdays")
"""Lists of names and numbers that are chosen from a list."""
NOT_BY_LENGTH = {
    "quintet.type.v1.AlgorithmWeight.algorithm",
    "quintet.coordinator.v1.EvaluateConfigurationRequest.currency_code",
    "quintet.type.v1.Money.currency_code",
    "quintet.coordinator.v1.GetRecommendationsRequest.strategy",
    "quintet.type.v1.Placement.strategy",
    "quintet.type.v1.PlacementRequest.strategy",
    "quintet.type.v1.RuleCondition.time_zone",
    "quintet.type.v1.Variant.strategy",
}
"""Texts that are chosen from a list."""


@dataclass(frozen=True)
class Place:
    """A field in a valid request: the path to it, and how the whole is checked."""

    sample: Message
    check: Callable[[Any], Any]
    path: tuple[str | int, ...]
    field: FieldDescriptor

    @property
    def name(self) -> str:
        return f"{self.field.containing_type.full_name}.{self.field.name}"

    @property
    def comment(self) -> str:
        return comments()[self.name]

    def passes(self, value: Any) -> None:
        self.check(self._with(value))

    def refuses(self, value: Any, reason: Any, **facts: str) -> None:
        with pytest.raises(InvalidArgument) as caught:
            self.check(self._with(value))
        assert caught.value.reason == reason, caught.value.message
        assert self.field.name in caught.value.metadata["field"]
        assert facts.items() <= caught.value.metadata.items()

    def _with(self, value: Any) -> Message:
        changed = type(self.sample)()
        changed.CopyFrom(self.sample)
        owner: Any = changed
        for step in self.path:
            owner = owner[step] if isinstance(step, int) else getattr(owner, step)
        name = self.field.name
        if isinstance(value, dict):
            getattr(owner, name).clear()
            for key, each in value.items():
                _set(getattr(owner, name), key, each)
        elif isinstance(value, list):
            del getattr(owner, name)[:]
            getattr(owner, name).extend(value)
        else:
            setattr(owner, name, value)
        return changed


def _set(entries: Any, key: str, text: str) -> None:
    """Set an entry of a map, of texts or of attributes, to a text."""
    if hasattr(entries, "get_or_create"):
        entries[key].text = text
    else:
        entries[key] = text


def places() -> Iterator[Place]:
    """Yield each field that is set in one of the samples."""
    for sample, check in SAMPLES:
        yield from _places(sample, check, sample, ())


def _places(sample: Message, check: Callable[[Any], Any], message: Message, path: tuple[str | int, ...]) -> Any:
    for field, value in message.ListFields():
        yield Place(sample, check, path, field)
        if field.message_type is None or _is_map(field):
            continue
        if field.is_repeated:
            yield from _places(sample, check, value[0], (*path, field.name, 0))
        else:
            yield from _places(sample, check, value, (*path, field.name))


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


PLACES = list(places())


def number(text: str) -> int:
    return int(text.replace(",", ""))


def stated(pattern: re.Pattern[str], place: Place, group: int = 1) -> int:
    found = pattern.search(place.comment)
    assert found, f"{place.name}: its comment says no limit: {place.comment}"
    return number(found.group(group))


def ids(place: Place) -> str:
    return ".".join(map(str, (*place.path, place.field.name)))


def of_type(*types: int, repeated: bool = False) -> list[Place]:
    return [each for each in PLACES if each.field.cpp_type in types and each.field.is_repeated == repeated]


BEGINNINGS = {"email": "a@", "expression": "price < 1", "filter": "price < 1"}
FILLING = {"price < 1": " "}
"""How a right value begins, and what it may be filled up with."""
TEXTS = [place for place in of_type(FieldDescriptor.CPPTYPE_STRING) if place.name not in NOT_BY_LENGTH]


@pytest.mark.parametrize("place", TEXTS, ids=ids)
def test_a_text_is_as_long_as_its_comment_says(place: Place) -> None:
    most = stated(TEXT, place)
    value = BEGINNINGS.get(place.field.name, "")
    if place.field.name != "page_token":  # none but a token that was made is right, whatever its length
        place.passes(value.ljust(most, FILLING.get(value, "x")))
    place.refuses(value.ljust(most + 1, FILLING.get(value, "x")), ErrorReason.FIELD_TOO_LONG, limit=str(most))


LISTS = [
    place for place in PLACES if place.field.is_repeated and not _is_map(place.field) and place.name not in ELSEWHERE
]


@pytest.mark.parametrize("place", LISTS, ids=ids)
def test_a_list_is_as_long_as_its_comment_says(place: Place) -> None:
    most = stated(ENTRIES, place)
    owner: Any = place.sample
    for step in place.path:
        owner = owner[step] if isinstance(step, int) else getattr(owner, step)
    one = list(getattr(owner, place.field.name))[:1]
    place.passes(one * most)
    place.refuses(one * (most + 1), ErrorReason.TOO_MANY_ELEMENTS, limit=str(most))
    if place.field.message_type is None and place.field.name not in CHOSEN:
        longest = stated(TEXT, place)
        place.passes(["x" * longest])
        place.refuses(["x" * (longest + 1)], ErrorReason.FIELD_TOO_LONG, limit=str(longest))


@pytest.mark.parametrize("place", [place for place in PLACES if _is_map(place.field)], ids=ids)
def test_a_map_is_as_large_as_its_comment_says(place: Place) -> None:
    most, longest_name, longest = (stated(pattern, place) for pattern in (ENTRIES, NAMES, VALUES))
    place.passes({str(each): "v" for each in range(most)})
    place.refuses({str(each): "v" for each in range(most + 1)}, ErrorReason.TOO_MANY_ELEMENTS, limit=str(most))
    place.passes({"n" * longest_name: "v" * longest})
    place.refuses({"n" * (longest_name + 1): "v"}, ErrorReason.FIELD_TOO_LONG, limit=str(longest_name))
    place.refuses({"n": "v" * (longest + 1)}, ErrorReason.FIELD_TOO_LONG, limit=str(longest))


@pytest.mark.parametrize("place", of_type(*NUMBERS), ids=ids)
def test_a_number_is_within_what_its_comment_says(place: Place) -> None:
    if RANGE.search(place.comment) is None:
        assert "not negative" in place.comment, f"{place.name}: its comment says no range"
        place.refuses(-1, ErrorReason.FIELD_OUT_OF_RANGE, minimum="0")
        return
    low, high = stated(RANGE, place), stated(RANGE, place, 2)
    if place.path and place.path[-1] == "price":
        high = number(comments()[place.name].partition("a product's price at most ")[2].partition(" ")[0].rstrip(";"))
    place.passes(high)
    whole = place.field.cpp_type != FieldDescriptor.CPPTYPE_DOUBLE
    facts = {"minimum": str(low), "maximum": str(high)}
    place.refuses(high + 1 if whole else nextafter(high, 2 * high), ErrorReason.FIELD_OUT_OF_RANGE, **facts)
    place.refuses(low if "above" in place.comment else low - 1, ErrorReason.FIELD_OUT_OF_RANGE, **facts)


@pytest.mark.parametrize(
    ("name", "default", "most"),
    [
        ("GetRecommendationsRequest.limit", DEFAULT_LIMIT, MAX_LIMIT),
        ("RecommendationOptions.limit", DEFAULT_LIMIT, MAX_LIMIT),
        ("GetSimilarProductsRequest.limit", DEFAULT_RELATED, MAX_RELATED),
        ("ListProductsRequest.page_size", DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE),
    ],
)
def test_a_page_is_as_large_as_its_comment_says(name: str, default: int, most: int) -> None:
    found = PAGES.search(comments()[f"quintet.coordinator.v1.{name}"])
    assert found, name
    assert [number(each) for each in found.groups()] == [default, most, most]


def test_every_text_and_list_that_a_platform_sends_is_checked_here() -> None:
    wanted = {
        field.full_name
        for method in pb.DESCRIPTOR.services_by_name["CoordinatorService"].methods
        for field in settable_fields(method.input_type, set())
        if field.is_repeated or field.cpp_type == FieldDescriptor.CPPTYPE_STRING
    }
    missing = wanted - {place.name for place in PLACES} - ELSEWHERE
    assert not missing, f"add them to SAMPLES, and a limit to their comments: {sorted(missing)}"
