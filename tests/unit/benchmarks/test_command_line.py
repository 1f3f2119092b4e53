"""Running `quintet` from a benchmark."""

import pytest

from benchmarks.command import TooSlow, quintet


def test_json_is_read_and_text_is_given_as_it_is(tmp_path):
    url = {"QUINTET_DATABASE_URL": f"sqlite:///{tmp_path / 'q.db'}"}
    assert "revision" in quintet(url, "migrate", "--json")
    assert "Usage" in quintet({}, "migrate", "--help")


def test_a_failure_ends_the_benchmark():
    with pytest.raises(SystemExit, match="quintet nonsense failed with exit code 2"):
        quintet({}, "nonsense")


def test_a_command_that_takes_too_long_is_interrupted():
    with pytest.raises(TooSlow, match="quintet migrate took more than 0 minutes"):
        quintet({}, "migrate", "--help", minutes=0)
