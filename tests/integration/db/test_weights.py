"""Weights start at the defaults and every change is a new version, on both databases."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.algorithms import ALGORITHM_NAMES, DEFAULT_WEIGHTS, KNOWN_ALGORITHMS, Family
from shared.db.engine import Database
from shared.db.weights import current_weights, set_weights, weights_version
from tests.integration.feedback.small_shop import NOON


def test_a_new_database_has_the_defaults(database: Database) -> None:
    with database.read() as connection:
        weights = current_weights(connection)
        assert weights_version(connection) == 0
    assert (weights.version, weights.weights, weights.updated_at) == (0, DEFAULT_WEIGHTS, None)


def test_the_last_weights_set_are_in_force_largest_first(database: Database) -> None:
    with database.write() as connection:
        set_weights(connection, {"ease": 1.0}, "first", NOON)
        set_weights(connection, {"ease": 0.3, "content": 0.7}, "second", NOON)
    with database.read() as connection:
        weights = current_weights(connection)
        assert weights_version(connection) == weights.version == 2
    assert list(weights.weights.items()) == [("content", 0.7), ("ease", 0.3)]
    assert (weights.rationale, weights.updated_at) == ("second", NOON)


def test_weights_set_at_once_get_a_version_each(database: Database) -> None:
    def set_one(number: int) -> int:
        with database.write() as connection:
            return set_weights(connection, {"ease": 1.0}, str(number), NOON).version

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(set_one, range(12))) == list(range(1, 13))


def test_no_weights_are_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="at least one"), database.write() as connection:
        set_weights(connection, {}, "", NOON)


def test_the_defaults_are_those_of_the_families() -> None:
    by_family = {
        family: sum(known.default_weight for known in KNOWN_ALGORITHMS if known.family is family) for family in Family
    }
    assert by_family[Family.COLLABORATIVE] == pytest.approx(0.4)
    assert by_family[Family.CONTENT] == pytest.approx(0.4)
    assert by_family[Family.SEQUENTIAL] == pytest.approx(0.2)
    assert sum(DEFAULT_WEIGHTS.values()) == pytest.approx(1.0)
    assert len(ALGORITHM_NAMES) == len(KNOWN_ALGORITHMS)
