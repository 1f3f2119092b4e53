"""Warming up touches every scorer and every reranker, and needs no product."""

import numpy as np

from services.recommendation.models.bundle import Bundle
from services.recommendation.models.groups import GroupCodes
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.warm_up import warm_up
from tests.unit.recommendation.models.test_artifact import learned_model


def test_an_empty_shop_is_warmed_up() -> None:
    warm_up(ServingState(Catalogue.of_keys(np.empty(0, np.int64))))


def test_a_model_is_warmed_up_without_failures() -> None:
    model = learned_model()
    keys = np.arange(1, model.n_products + 1)
    state = ServingState(Catalogue.of_keys(keys), Bundle(model, keys, GroupCodes({})), "v1")
    warm_up(state)
    popular = model.algorithms["popular"]
    assert "_ordered" in vars(popular), "what was derived is kept"
