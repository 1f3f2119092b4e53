"""Model versions as bytes."""

import numpy as np
import pytest

from services.recommendation.algorithms.interactions import Interactions
from services.recommendation.algorithms.popular import Popular
from services.recommendation.models.bundle import Bundle, dump, load
from services.recommendation.models.container import ArtifactError
from services.recommendation.models.groups import GroupCodes
from services.recommendation.training.fit import train


@pytest.fixture
def bundle() -> Bundle:
    data = Interactions.of([0, 1], [0, 2], n_customers=2, n_products=3, now=1_000_000)
    model = train(data, [Popular()], threads=1)
    return Bundle(model, np.array([7, 3, 9]), GroupCodes({"region": ("North",), "age": ()}))


def test_what_goes_in_comes_out(bundle: Bundle) -> None:
    again = load(dump(bundle))
    assert again.product_keys.tolist() == [7, 3, 9]
    assert again.groups == bundle.groups
    np.testing.assert_array_equal(again.model.algorithms["popular"].overall, bundle.model.algorithms["popular"].overall)  # type: ignore[attr-defined]
    assert dump(again) == dump(bundle)


def test_arrays_are_views_of_the_bytes(bundle: Bundle) -> None:
    content = memoryview(dump(bundle))
    assert np.shares_memory(load(content).product_keys, np.frombuffer(content, np.uint8))


@pytest.mark.parametrize("broken", [b"", b"x" * 100])
def test_other_bytes_are_refused(broken: bytes) -> None:
    with pytest.raises(ArtifactError):
        load(broken)


def test_keys_must_fit_the_rows(bundle: Bundle) -> None:
    with pytest.raises(ArtifactError, match="2 product keys for 3"):
        load(dump(Bundle(bundle.model, bundle.product_keys[:2], bundle.groups)))
