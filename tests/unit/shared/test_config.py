"""Settings come from the environment, and the docs tell all of them."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.config import AGENTS, Settings

DOCS = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_ports_of_the_agents_are_the_documented_ones() -> None:
    settings = Settings(_env_file=None)
    assert [settings.port(agent) for agent in AGENTS] == [50050, 50051, 50052, 50053, 50054]
    assert [settings.metrics_port(agent) for agent in AGENTS] == [9090, 9091, 9092, 9093, 9094]
    assert settings.address("feedback") == "127.0.0.1:50054"


def test_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUINTET_CUSTOMER_ADDRESS", "dns:///customer:1")
    assert Settings().address("customer") == "dns:///customer:1"


def test_a_bad_value_names_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUINTET_CUSTOMER_PORT", "seven")
    with pytest.raises(ValidationError, match="customer_port"):
        Settings()


def test_responses_are_kept_for_as_long_as_clicks_take_credit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUINTET_RESPONSE_RETENTION_DAYS", "60")
    assert Settings().response_retention_days == 60
    monkeypatch.setenv("QUINTET_ATTRIBUTION_CLICK_DAYS", "61")
    with pytest.raises(ValidationError, match="response_retention_days must be at least 61"):
        Settings()


def test_an_unknown_attribution_rule_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUINTET_ATTRIBUTION_RULES", "linear,time_decay")
    with pytest.raises(ValidationError, match=r"(?s)attribution_rules.*got 'linear,time_decay'"):
        Settings()


@pytest.mark.parametrize(("cores", "agents"), [(1, 1), (2, 2), (64, 2)])
def test_two_agents_recommend_where_there_are_two_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int, agents: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    settings = Settings(_env_file=None)
    assert settings.replicas("recommendation") == agents
    assert settings.replicas("coordinator") == 1
    assert Settings(_env_file=None, recommendation_replicas=3).replicas("recommendation") == 3


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    field = Settings.model_fields[name]
    assert field.description
    assert f"| `QUINTET_{name.upper()}` | `{field.default}` | {field.description} |" in DOCS.read_text()
