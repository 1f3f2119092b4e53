"""Trials are kept once each, and one decision an algorithm is in force, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from shared.db import tuning
from shared.db.engine import Database
from shared.db.tuning import Trial, Tuned, params_hash

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRIAL = Trial("100-10-5-7-abc", "ease", {"l2": 500.0, "top_k": 200}, np.array([0.5, 0.0, 1.0], np.float32), 1.5, NOON)
TUNED = Tuned("ease", {"l2": 1000.0}, {"default": 0.1, "difference": [0.01, 0.02]}, 100, NOON)


def stored(database: Database, *trials: Trial) -> list[bool]:
    with database.write() as connection:
        return [tuning.save_trial(connection, trial) for trial in trials]


def test_a_trial_comes_back_as_it_was(database: Database) -> None:
    assert stored(database, TRIAL) == [True]
    with database.read() as connection:
        found = tuning.trials(connection, TRIAL.fingerprint, "ease")
    trial = found[params_hash({"top_k": 200, "l2": 500.0})]
    assert (trial.params, trial.seconds, trial.created_at) == (TRIAL.params, 1.5, NOON)
    assert trial.gains.tolist() == [0.5, 0.0, 1.0]
    assert trial.gains.dtype == np.float32
    assert trial.value == pytest.approx(0.5)


def test_a_trial_is_unique_in_data_algorithm_and_parameters(database: Database) -> None:
    others = [
        replace(TRIAL, fingerprint="101-10-5-7-abc"),
        replace(TRIAL, algorithm="item_knn"),
        replace(TRIAL, params={"l2": 600.0, "top_k": 200}),
    ]
    again = replace(TRIAL, gains=np.ones(3, np.float32))
    assert stored(database, TRIAL, *others, again) == [True, True, True, True, False]
    with database.read() as connection:
        found = tuning.trials(connection, TRIAL.fingerprint, "ease")
    assert [trial.value for trial in found.values()] == pytest.approx([0.5, 0.5])


def test_old_trials_are_forgotten(database: Database) -> None:
    stored(database, TRIAL, replace(TRIAL, algorithm="popular", created_at=NOON + timedelta(days=1)))
    with database.write() as connection:
        assert tuning.forget_trials(connection, NOON + timedelta(hours=1)) == 1
        assert not tuning.trials(connection, TRIAL.fingerprint, "ease")
        assert tuning.trials(connection, TRIAL.fingerprint, "popular")


def test_nothing_is_tuned_in_a_new_database(database: Database) -> None:
    with database.write() as connection:
        assert tuning.all_tuned(connection) == {}
        assert not tuning.reset(connection, "ease", NOON)


def test_a_later_decision_takes_the_place_of_the_earlier_one(database: Database) -> None:
    later = replace(TUNED, params={"l2": 2000.0}, events=200, tuned_at=NOON + timedelta(days=1))
    other = replace(TUNED, algorithm="content", params={})
    with database.write() as connection:
        for tuned in (TUNED, other, later):
            tuning.set_tuned(connection, tuned)
    with database.read() as connection:
        assert list(tuning.all_tuned(connection).values()) == [other, later]


def test_a_reset_keeps_the_decision_as_one_for_the_defaults(database: Database) -> None:
    with database.write() as connection:
        tuning.set_tuned(connection, TUNED)
        assert tuning.reset(connection, "ease", NOON + timedelta(days=1))
    with database.read() as connection:
        tuned = tuning.all_tuned(connection)["ease"]
    assert (tuned.params, tuned.events, tuned.tuned_at) == ({}, 100, NOON + timedelta(days=1))
    assert tuned.evidence == {"decision": "reset by hand"}
