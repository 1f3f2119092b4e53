import json

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from services.recommendation.algorithms.base import Interactions
from services.recommendation.algorithms.popular import Popular
from services.recommendation.algorithms.registry import BY_NAME
from services.recommendation.algorithms.trending import Trending
from services.recommendation.training.fit import train
from tests.contract.algorithms.synthetic_data import NOW, shop, shopper_of


def test_training_fits_every_algorithm_and_tells_each_step():
    steps = []
    model = train(shop(), progress=lambda *step: steps.append(step))
    assert list(model.algorithms) == list(BY_NAME)
    assert steps == [*((name, i, len(BY_NAME)) for i, name in enumerate(BY_NAME)), ("done", len(BY_NAME), len(BY_NAME))]
    assert model.n_products == 30
    assert model.trained_at == NOW
    assert model.metrics["events"] == 600
    assert model.metrics["seconds.ease"] > 0


def test_scores_are_those_of_the_algorithms():
    data = shop()
    model = train(data, [Popular(), Trending()])
    shopper = shopper_of(data, 2)
    scores = model.scores(shopper)
    assert list(scores) == ["popular", "trending"]
    np.testing.assert_array_equal(scores["popular"], model.algorithms["popular"].score(shopper))
    assert list(model.scores(shopper, ["trending"])) == ["trending"]


def test_an_algorithm_that_is_not_there_is_a_key_error():
    with pytest.raises(KeyError, match="ease"):
        train(shop(), [Popular()]).scores(shopper_of(shop(), 0), ["ease"])


def test_metadata_is_plain_json():
    metadata = train(shop(), [Popular(prior=3.0)]).metadata
    assert json.loads(json.dumps(metadata)) == metadata
    assert metadata["params"]["popular"]["prior"] == 3.0


def test_training_bounds_the_threads_and_gives_them_back():
    seen = []

    class Watcher(Popular):
        name = "watcher"

        def _fit(self, data: Interactions) -> None:
            seen.extend(pool["num_threads"] for pool in threadpool_info())
            super()._fit(data)

    before = [pool["num_threads"] for pool in threadpool_info()]
    train(shop(), [Watcher()], threads=1)
    assert seen
    assert set(seen) == {1}
    assert [pool["num_threads"] for pool in threadpool_info()] == before


@pytest.mark.parametrize(("names", "threads"), [([Popular(), Popular()], 1), ([Popular()], 0)])
def test_bad_arguments_are_refused(names, threads):
    with pytest.raises(ValueError, match="algorithms, threads"):
        train(shop(), names, threads=threads)
