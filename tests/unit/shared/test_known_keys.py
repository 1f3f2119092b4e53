"""Keys that were looked up once."""

from collections.abc import Collection
from typing import Any

import pytest

from shared.db import known_keys
from shared.db.known_keys import KnownKeys

CONNECTION: Any = None


def test_found_keys_are_remembered_and_missing_ones_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def look_up(connection: Any, ids: Collection[str]) -> dict[str, int]:
        asked.append(list(ids))
        return {each: int(each) for each in ids if each.isdigit()}

    keys = KnownKeys(look_up)
    assert keys.of(CONNECTION, ["1", "x", "", "1"]) == {"1": 1}
    assert keys.of(CONNECTION, ["1", "2", "x"]) == {"1": 1, "2": 2}
    assert asked == [["1", "x"], ["2", "x"]]
    keys.forget()
    assert keys.of(CONNECTION, ["1"]) == {"1": 1}
    monkeypatch.setattr(known_keys, "MOST_REMEMBERED", 0)
    assert keys.of(CONNECTION, ["1", "3"]) == {"1": 1, "3": 3}
    assert asked[2:] == [["1"], ["1", "3"]]
