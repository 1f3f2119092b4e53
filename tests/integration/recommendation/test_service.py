"""The agent over the wire: an in-process server with a real channel."""

from collections.abc import AsyncIterator

import pytest
from quintet.recommendation.v1 import recommendation_service_pb2 as pb
from quintet.recommendation.v1 import recommendation_service_pb2_grpc as pb_grpc
from quintet.type.v1.event_pb2 import PageType
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.recommendation_pb2 import ReasonKind, RecommendationContext, RecommendationFilter
from quintet.type.v1.request_pb2 import RequestKey

from services.recommendation.server import build
from shared.config import Settings
from shared.errors import InvalidArgument, NotFound
from shared.recommendation_tokens import Shopper
from shared.rpc.client import call, open_channel, stream
from shared.telemetry import ANSWERS, EMPTY_ANSWERS
from tests.integration.recommendation.conftest import Shop

Stub = pb_grpc.RecommendationServiceStub


@pytest.fixture
async def stub(coffee_shop: Shop) -> AsyncIterator[Stub]:
    settings = Settings(database_url=coffee_shop.database.url, recommendation_port=0, drain_seconds=0.0)
    server = build(settings, coffee_shop.agent)
    channel = open_channel(f"127.0.0.1:{await server.start()}")
    yield Stub(channel)
    await channel.close()
    await server.stop()


async def test_the_token_of_an_answer_names_its_recommendations(stub: Stub, coffee_shop: Shop) -> None:
    tokens, shopper = coffee_shop.agent.tokens, Shopper("c-lover-1")
    request = pb.RecommendRequest(customer_id="c-lover-1", limit=3)
    for _ in range(2):  # made anew, and kept from a moment ago
        answer = (await call(stub.Recommend, request, 10.0)).list
        numbers = [tokens.verify(each.recommendation_id, shopper, "id") for each in answer.recommendations]
        assert tokens.verify_list(answer.attribution_token, shopper, "token") == numbers
    nothing = pb.RecommendRequest(customer_id="c-lover-1", filter=RecommendationFilter(expression="price > 1000000"))
    assert (await call(stub.Recommend, nothing, 10.0)).list.attribution_token == ""


async def test_recommendations_come_with_all_a_product_card_needs(stub: Stub) -> None:
    context = RecommendationContext(page_type=PageType.PAGE_TYPE_PRODUCT, product_id="t1")
    request = pb.RecommendRequest(customer_id="c-lover-1", context=context, limit=3)
    answer = (await call(stub.Recommend, request, 10.0)).list
    assert (answer.strategy, list(answer.fallbacks)) == ("related", [])
    assert answer.model_version
    assert answer.generate_time.seconds > 0
    assert [each.position for each in answer.recommendations] == [1, 2, 3]
    first = answer.recommendations[0]
    assert len(first.recommendation_id) == 44
    assert first.product_name
    assert first.price.currency_code == "EUR"
    assert first.image_url.startswith("https://shop.example/")
    assert first.reason.kind != ReasonKind.REASON_KIND_UNSPECIFIED
    assert list(first.reason.product_ids)
    assert first.reason.text
    assert first.contributions[0].algorithm == first.algorithm
    assert sum(each.contribution for each in first.contributions) == pytest.approx(first.score, abs=1e-5)


async def test_answers_are_counted_by_strategy_and_empty_ones_apart(stub: Stub) -> None:
    related, empty = ANSWERS.labels("recommendation", "related"), EMPTY_ANSWERS.labels("recommendation")
    before = related._value.get(), empty._value.get()
    context = RecommendationContext(page_type=PageType.PAGE_TYPE_PRODUCT, product_id="t1")
    for expression in ("", "price > 1000000"):
        asked = pb.RecommendRequest(
            customer_id="c-lover-1", context=context, filter=RecommendationFilter(expression=expression)
        )
        await call(stub.Recommend, asked, 10.0)
    assert (related._value.get(), empty._value.get()) == (before[0] + 2, before[1] + 1)


async def test_a_bad_field_is_named(stub: Stub) -> None:
    low = Money(currency_code="EUR", amount_minor=500)
    high = Money(currency_code="EUR", amount_minor=100)
    request = pb.RecommendRequest(customer_id="c-lover-1", filter=RecommendationFilter(min_price=low, max_price=high))
    with pytest.raises(InvalidArgument) as caught:
        await call(stub.Recommend, request, 10.0)
    assert caught.value.violations[0].field == "filter.max_price.amount_minor"


async def test_an_unknown_customer_is_not_found(stub: Stub) -> None:
    with pytest.raises(NotFound, match="nobody"):
        await call(stub.Recommend, pb.RecommendRequest(customer_id="nobody"), 10.0)


async def test_versions_are_trained_listed_and_activated(stub: Stub) -> None:
    before = (await call(stub.ListModelVersions, pb.ListModelVersionsRequest(), 10.0)).models
    steps = [step.progress async for step in stream(stub.TrainModels, pb.TrainModelsRequest())]
    assert steps[-1].progress == 1.0
    assert steps[-1].train_models.version
    assert [step.progress for step in steps] == sorted(step.progress for step in steps)
    after = (await call(stub.ListModelVersions, pb.ListModelVersionsRequest(), 10.0)).models
    assert [each.active for each in after] == [True] + [False] * len(before)
    assert len(after[0].checksum) == 64
    assert after[0].products > 0
    assert after[0].training.algorithms
    request = pb.ActivateModelVersionRequest(version=before[0].version)
    assert (await call(stub.ActivateModelVersion, request, 10.0)).model.active
    answer = (await call(stub.Recommend, pb.RecommendRequest(customer_id="c-lover-1"), 10.0)).list
    assert answer.model_version == before[0].version
    forth = await call(stub.ActivateModelVersion, pb.ActivateModelVersionRequest(version=after[0].version), 10.0)
    back = pb.RollBackModelVersionRequest(request_key=RequestKey(request_id="r", digest=b"d"))
    assert [(await call(stub.RollBackModelVersion, back, 10.0)).model.version for _ in range(2)] == [
        before[0].version,
        before[0].version,
    ]
    quality = await call(stub.GetModelQuality, pb.GetModelQualityRequest(version=forth.model.version), 10.0)
    assert quality.compared_version == before[0].version


async def test_an_unknown_version_is_not_found(stub: Stub) -> None:
    with pytest.raises(NotFound):
        await call(stub.ActivateModelVersion, pb.ActivateModelVersionRequest(version="x"), 10.0)
    with pytest.raises(InvalidArgument):
        await call(stub.ActivateModelVersion, pb.ActivateModelVersionRequest(), 10.0)
