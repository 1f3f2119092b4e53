"""Predictions go through the library as it is documented; what is missing, it or data, is said.

The library is no part of the tests' environment: a small one stands for it.
"""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from services.feedback.lifetime_values import model
from services.feedback.lifetime_values.model import Histories, predict, to_histories
from shared.db.lifetime_values import PurchaseHistory
from shared.errors import FailedPrecondition

BOUGHT = [PurchaseHistory(key, key % 3, 10 * (key % 3), 100, 500.0 if key % 3 else 0.0) for key in range(90)]


class Found(dict[str, float]):
    """What an estimate gives."""

    def to_dict(self) -> dict[str, float]:
        return dict(self)


class Fitted:
    """Stands for both models of the library; `fits` has what they were given."""

    fits: list[tuple[list[str], dict[str, Any]]]

    def __init__(self, data: dict[str, Any], model_config: dict[str, Any]) -> None:
        self.fits.append((sorted(data), model_config))
        self._names = list(model_config)

    def fit(self, method: str, progressbar: bool) -> None:
        assert (method, progressbar) == ("map", False)

    def fit_summary(self) -> Found:
        return Found(dict.fromkeys(self._names, 2.0))

    def expected_purchases(self, data: dict[str, Any], future_t: int) -> Any:
        return _draws(data["frequency"] * future_t / 100)

    def expected_probability_alive(self, data: dict[str, Any]) -> Any:
        return _draws(np.full(len(data["frequency"]), 0.5))

    def expected_customer_spend(self, data: dict[str, Any]) -> Any:
        return _draws(np.full(len(data["frequency"]), 2.0))


class Frame(dict[str, Any]):
    """Stands for a table of the library."""

    @property
    def loc(self) -> "Frame":
        return self

    def __getitem__(self, name: Any) -> Any:
        if isinstance(name, tuple):
            rows, columns = name
            return Frame({column: self[column][rows] for column in columns})
        return super().__getitem__(name)

    def drop(self, columns: str) -> "Frame":
        return Frame({name: values for name, values in self.items() if name != columns})


def _draws(values: np.ndarray) -> Any:
    return SimpleNamespace(to_numpy=lambda: values[None, None, :])


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> type[Fitted]:
    Fitted.fits = []
    models = SimpleNamespace(BetaGeoModel=Fitted, GammaGammaModel=Fitted)
    monkeypatch.setattr(model, "_library", lambda: (models, Frame, str))
    return Fitted


def test_orders_and_spending_are_predicted_for_everybody(library: type[Fitted]) -> None:
    predicted = predict(to_histories(BOUGHT), 50)
    assert predicted.orders.tolist() == [key % 3 / 2 for key in range(90)]
    # Twice the mean of a repeat, which is 500.
    assert predicted.spending.tolist() == [1000.0 * (key % 3) / 2 for key in range(90)]
    assert predicted.parameters == dict.fromkeys(("r", "alpha", "a", "b", "p", "q", "v"), 2.0)
    assert [columns for columns, _ in library.fits] == [
        ["T", "customer_id", "frequency", "recency"],
        ["customer_id", "frequency", "monetary_value"],
    ]
    assert {prior for _, config in library.fits for prior in config.values()} == {"HalfFlat"}


def test_too_few_who_bought_again_are_not_predicted_from(library: type[Fitted]) -> None:
    with pytest.raises(FailedPrecondition, match="2 customers bought again: it takes 50"):
        predict(to_histories(BOUGHT[:3]), 50)
    assert library.fits == []


def test_without_the_library_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymc_marketing", None)
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=dict))
    with pytest.raises(FailedPrecondition, match=r"quintet\[clv\]"):
        predict(to_histories(BOUGHT), 50)


def test_nobody_has_no_history() -> None:
    empty: Histories = to_histories([])
    assert empty.repeats.shape == (0,)
