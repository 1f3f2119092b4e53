import hashlib
import io
import json
from dataclasses import replace
from functools import cache

import grpc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recommendation.algorithms.base import Kind
from services.recommendation.algorithms.popular import Popular
from services.recommendation.algorithms.repurchase import Repurchase
from services.recommendation.models import artifact
from services.recommendation.models.artifact import MAGIC, ArtifactError
from services.recommendation.models.model import Model
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.contexts import NOTHING, RerankContext
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.model import score_by_algorithm
from services.recommendation.reranker.reranker_models import RerankerModels
from services.recommendation.training.fit import train
from tests.contract.algorithms.worlds import shop, shopper_of
from tests.unit.recommendation.reranker.trees import grown

SMALL = artifact.dump(train(shop(), [Popular(), Repurchase()]))


def learned_model() -> Model:
    """A model with hybrids for two contexts."""
    model = train(shop(), [Popular(), Repurchase()])
    hybrids = {
        RerankContext.DISCOVERY: grown(["popular", "repurchase"]),
        RerankContext.SESSION: grown(["repurchase"], Kind.VIEW, depth=5),
    }
    facts = {kind: ItemFeatures.of(shop(), kind, timed=True) for kind in (Kind.VIEW, Kind.PURCHASE)}
    return replace(model, learned=RerankerModels(hybrids, facts, rebuy_rate=0.25))


def sealed(arrays: dict[str, np.ndarray]) -> bytes:
    """An artefact with a right checksum around any arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    body = buffer.getvalue()
    return MAGIC + hashlib.sha256(body).digest() + body


def sealed_manifest(**manifest: object) -> bytes:
    return sealed({"manifest": np.frombuffer(json.dumps(manifest).encode(), np.uint8)})


def test_a_model_comes_back_as_it_was():
    data = shop()
    model = train(data)
    restored = artifact.load(artifact.dump(model))
    assert restored.metadata == model.metadata
    for customer in range(0, 40, 7):
        shopper = shopper_of(data, customer)
        for name, scores in model.scores(shopper).items():
            np.testing.assert_array_equal(restored.algorithms[name].score(shopper), scores)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 8), st.integers(0, 30))
def test_any_world_comes_back(seed, n_customers, n_products, n_events):
    data = shop(seed, n_customers=n_customers, n_products=n_products, n_events=n_events)
    model = train(data, [Popular(), Repurchase()])
    restored = artifact.load(artifact.dump(model))
    for name, scores in model.scores(shopper_of(data, 0)).items():
        np.testing.assert_array_equal(restored.scores(shopper_of(data, 0))[name], scores)


def test_the_same_model_gives_the_same_bytes():
    model = artifact.load(SMALL)
    assert artifact.dump(model) == SMALL
    assert artifact.checksum(SMALL) == hashlib.sha256(SMALL).hexdigest()


@cache
def contents() -> dict[str, np.ndarray]:
    """The arrays of a model with hybrids."""
    body = artifact.dump(learned_model())[len(MAGIC) + 32 :]
    with np.load(io.BytesIO(body)) as archive:
        return dict(archive)


def test_hybrids_come_back_as_they_were():
    model = learned_model()
    restored = artifact.load(artifact.dump(model))
    assert artifact.dump(restored) == artifact.dump(model)
    assert restored.learned.rebuy_rate == 0.25
    assert restored.learned.hybrids.keys() == model.learned.hybrids.keys()
    shoppers = [shopper_of(shop(), customer) for customer in range(5)]
    for context, hybrid in restored.learned.hybrids.items():
        before = model.learned.hybrids[context]
        assert (hybrid.algorithms, hybrid.target, hybrid.depth) == (before.algorithms, before.target, before.depth)
        scores = score_by_algorithm(restored.algorithms, hybrid.algorithms, shoppers)
        candidates = Candidates.of(scores, [NOTHING] * 5, hybrid.depth)
        values = [
            each.learned.hybrids[context].values(candidates, shoppers, each.learned.facts[hybrid.target])
            for each in (model, restored)
        ]
        assert len(np.unique(values[0])) > 1
        np.testing.assert_array_equal(*values)


@pytest.mark.parametrize(
    ("array", "damaged"),
    [
        ("names", np.frombuffer(b"no names", np.uint8)),
        ("names", np.frombuffer(b"{}", np.uint8)),
        ("starts", np.array([0, 10**6])),
        ("masks", np.zeros(3, np.uint16)),
        ("values", np.zeros((1, 15))),
        ("thresholds", np.zeros(3)),
    ],
)
def test_trees_that_cannot_be_read_are_refused(array: str, damaged: np.ndarray):
    with pytest.raises(ArtifactError, match="do not fit together"):
        artifact.load(sealed(contents() | {f"hybrid.session/{array}": damaged}))


def test_trees_over_other_features_are_refused():
    other = grown(["popular", "repurchase", "ease"]).trees.state()
    with pytest.raises(ArtifactError, match="other features"):
        artifact.load(sealed(contents() | {f"hybrid.session/{name}": array for name, array in other.items()}))


def test_a_model_of_the_format_with_text_trees_is_refused():
    with pytest.raises(ArtifactError, match=r"format 1 is not known, this Quintet reads format 2; train again"):
        artifact.load(sealed_manifest(format=1))


def test_facts_of_other_products_are_refused():
    with pytest.raises(ArtifactError, match=r"facts: must have shape \(30, "):
        artifact.load(sealed(contents() | {"facts.VIEW/values": np.zeros((7, 9), np.float32)}))


@pytest.mark.parametrize("missing", ["hybrid.session/masks", "facts.VIEW/values"])
def test_what_is_named_must_be_there(missing):
    with pytest.raises(ArtifactError, match="do not fit together"):
        artifact.load(sealed({name: array for name, array in contents().items() if name != missing}))


def test_a_hybrid_is_stored_as_arrays():
    for name, array in learned_model().learned.hybrids[RerankContext.SESSION].trees.state().items():
        np.testing.assert_array_equal(contents()[f"hybrid.session/{name}"], array)


def test_a_model_without_algorithms_comes_back():
    assert artifact.load(artifact.dump(Model({}, 3, 5))).n_products == 3


@given(st.integers(0, len(SMALL) - 1), st.integers(1, 255))
def test_any_damaged_byte_is_found(at, change):
    damaged = bytearray(SMALL)
    damaged[at] ^= change
    with pytest.raises(ArtifactError):
        artifact.load(bytes(damaged))


@given(st.integers(0, len(SMALL) - 1))
def test_a_cut_artefact_is_refused(length):
    with pytest.raises(ArtifactError):
        artifact.load(SMALL[:length])


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused(data):
    with pytest.raises(ArtifactError, match="not a model of Quintet"):
        artifact.load(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (sealed_manifest(format=3), "format 3 is not known, this Quintet reads format 2"),
        (sealed_manifest(format="x"), "no readable manifest"),
        (sealed_manifest(), "no readable manifest"),
        (sealed({"other": np.zeros(1)}), "no readable manifest"),
        (sealed({"manifest": np.array([None])}), "not a NumPy archive"),
        (MAGIC + hashlib.sha256(b"x").digest() + b"x", "not a NumPy archive"),
        (sealed_manifest(format=2, algorithms={"magic": {}}), "do not fit together"),
        (sealed_manifest(format=2, algorithms={"popular": {}}), "do not fit together"),
        (sealed_manifest(format=2, algorithms={"popular": {"colour": 1}}), "do not fit together"),
        (sealed_manifest(format=2, algorithms=[]), "do not fit together"),
        (sealed_manifest(format=2, algorithms={}), "do not fit together"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(data, message):
    with pytest.raises(ArtifactError, match=message):
        artifact.load(data)


def test_the_error_is_data_loss():
    assert ArtifactError("x").code is grpc.StatusCode.DATA_LOSS
