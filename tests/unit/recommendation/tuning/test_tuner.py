"""Tuning finds what is better, keeps what is not beaten, and goes on where it was cut off."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from services.recommendation.algorithms.base import Algorithm
from services.recommendation.holdout.tasks import Protocol
from services.recommendation.tuning.objective import Objective
from services.recommendation.tuning.store import MemoryStore
from services.recommendation.tuning.tuner import Tuner, TuningResult
from shared.db.tuning import Trial, Tuned
from tests.unit.recommendation.tuning.toys import Broken, Fragile, Said, Settled, Toy, silent, tuning_data


@pytest.fixture(scope="module")
def objective() -> Objective:
    return tuning_data().objective(Protocol.TOP_N_DISCOVERY)


class Killed(Exception):
    """The process went away."""


class ShortLived(MemoryStore):
    """Is killed after so many trials."""

    def __init__(self, lives: int) -> None:
        super().__init__()
        self.lives = lives

    def save(self, trial: Trial) -> None:
        super().save(trial)
        self.lives -= 1
        if not self.lives:
            raise Killed


def tuned(algorithm: type[Algorithm], objective: Objective, most: int = 20) -> TuningResult:
    outcome = Tuner(MemoryStore(), most).tune(algorithm, objective, silent)
    assert outcome is not None
    return outcome


def decided(outcome: TuningResult) -> Tuned:
    return Tuned(outcome.algorithm, outcome.params, outcome.evidence, 0, datetime(2026, 3, 1, tzinfo=UTC))


def test_the_known_optimum_is_found_with_its_evidence(objective: Objective) -> None:
    outcome = tuned(Toy, objective)
    assert outcome.params == {"other": 0.0}
    evidence = outcome.evidence
    assert evidence["decision"] == "better than the defaults beyond chance"
    assert evidence["default"] < evidence["chosen"] == evidence["best"]["value"]
    assert evidence["difference"]["value"] == pytest.approx(evidence["chosen"] - evidence["default"], abs=1e-5)
    assert 0 < evidence["difference"]["low"] < evidence["difference"]["high"]
    assert evidence["questions"] == len(objective)
    assert (evidence["protocol"], evidence["target"], evidence["metric"]) == ("top-n-discovery", "purchase", "ndcg@20")
    assert evidence["search_finished"]
    assert (outcome.found, outcome.made, outcome.failed) == (0, evidence["trials"], 0)


def test_defaults_that_nothing_beats_stay(objective: Objective) -> None:
    outcome = tuned(Settled, objective)
    assert outcome.params == {}
    assert outcome.evidence["decision"].startswith("the defaults stay")
    assert outcome.evidence["chosen"] == outcome.evidence["default"]


def test_with_few_customers_nothing_is_tried() -> None:
    few = tuning_data(n_customers=40).objective(Protocol.TOP_N_DISCOVERY)
    Toy.fits = 0
    outcome = tuned(Toy, few)
    assert (outcome.params, Toy.fits, outcome.evidence["trials"]) == ({}, 0, 0)
    assert "only 40 customers" in outcome.evidence["decision"]


@pytest.mark.parametrize("lives", [1, 2, 4])
def test_what_was_cut_off_goes_on_and_repeats_nothing(objective: Objective, lives: int) -> None:
    whole = tuned(Toy, objective)
    store = ShortLived(lives)
    Toy.fits = 0
    with pytest.raises(Killed):
        Tuner(store).tune(Toy, objective, silent)
    said = Said()
    outcome = Tuner(store).tune(Toy, objective, said)
    assert outcome is not None
    assert (outcome.params, outcome.evidence) == (whole.params, whole.evidence)
    assert (outcome.found, outcome.made) == (lives, whole.made - lives)
    assert Toy.fits == whole.made
    assert f"{lives} found" in said.stages[-1]


@pytest.mark.parametrize("algorithm", [Toy, Settled])
@pytest.mark.parametrize("most", [2, 3, 20])
def test_the_same_data_gives_the_same_decision_however_often_it_is_tuned(
    objective: Objective, algorithm: type[Algorithm], most: int
) -> None:
    "what was chosen is where the next search starts: neither its trials nor its evidence may depend on that"
    store = MemoryStore()
    first = Tuner(store, most).tune(algorithm, objective, silent)
    assert first is not None
    again = Tuner(store, most).tune(algorithm, objective, silent, in_force=decided(first))
    assert again is not None
    assert (again.params, again.found, again.made) == (first.params, first.made, 0)
    assert again.evidence == first.evidence


def test_trials_of_earlier_searches_count_in_the_evidence(objective: Objective) -> None:
    store = MemoryStore()
    Tuner(store, 2).tune(Toy, objective, silent)
    more = Tuner(store, 20).tune(Toy, objective, silent, in_force=decided(TuningResult("toy", {"other": 0.0}, {})))
    assert more is not None
    assert more.found == 2
    assert more.evidence["trials"] == more.found + more.made == len(store.trials(objective.fingerprint, "toy"))


def test_on_other_data_trials_are_made_anew(objective: Objective) -> None:
    store = MemoryStore()
    Tuner(store).tune(Toy, objective, silent)
    outcome = Tuner(store).tune(Toy, tuning_data(seed=1).objective(Protocol.TOP_N_DISCOVERY), silent)
    assert outcome is not None
    assert outcome.found == 0


def test_trials_are_limited(objective: Objective) -> None:
    outcome = tuned(Toy, objective, most=2)
    assert outcome.evidence["trials"] == 2
    assert not outcome.evidence["search_finished"]


def test_what_is_in_force_is_tried_after_the_defaults(objective: Objective) -> None:
    outcome = Tuner(MemoryStore(), 2).tune(
        Toy, objective, silent, in_force=decided(TuningResult("toy", {"other": 0.0, "gone": 1}, {}))
    )
    assert outcome is not None
    assert outcome.params == {"other": 0.0}


def test_parameters_that_cannot_be_trained_with_are_passed_over(objective: Objective) -> None:
    outcome = tuned(Fragile, objective)
    assert (outcome.params, outcome.failed, outcome.made) == ({"other": 0.0}, 1, 2)


def test_defaults_that_cannot_be_trained_with_are_an_error(objective: Objective) -> None:
    with pytest.raises(ValueError, match="other"):
        tuned(Broken, objective)


def ticking(step: float) -> Iterator[float]:
    return itertools.count(0.0, step)


def test_no_trial_is_begun_that_would_not_end_in_time(objective: Objective) -> None:
    store = MemoryStore()
    hurried = Tuner(store, clock=ticking(1.0).__next__)
    assert hurried.tune(Toy, objective, silent, until=3.0) is None
    assert len(store.trials(objective.fingerprint, "toy")) == 1
    outcome = hurried.tune(Toy, objective, silent, until=11.0)
    assert outcome is not None
    assert (outcome.found, outcome.evidence["search_finished"]) == (1, False)


def test_all_are_tuned_each_in_its_share_of_the_time() -> None:
    said = Said()
    done = dict(Tuner(MemoryStore(), 3).tune_all([Toy, Settled], tuning_data(), said))
    assert [each.name for each in done] == ["toy", "settled"]
    assert all(outcome is not None for outcome in done.values())
    assert said.fractions == sorted(said.fractions)
    assert said.stages[0] == "holding out questions: top-n-discovery"
    hurried = Tuner(MemoryStore(), clock=ticking(1.0).__next__).tune_all(
        [Toy, Settled], tuning_data(), said, seconds=9.0
    )
    assert [outcome for _, outcome in hurried] == [None, None]
