"""The compose files: keys and TLS on, containers that may do little, two replicas of every agent, two shops."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from shared.config import AGENTS, Settings
from shared.rpc.exposure import require_guarded

ROOT = Path(__file__).parents[3]
FILE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = FILE["services"]
ONCE = ("certs", "keys", "migrate")


def settings(service: str) -> Settings:
    environment = SERVICES[service]["environment"]
    names = {f"QUINTET_{name.upper()}": name for name in Settings.model_fields}
    given = {names[name]: value for name, value in environment.items() if name in names}
    given |= {"database_url": "sqlite:///quintet.db", "log_level": "info"}  # these have defaults of the shell
    return Settings(_env_file=None, bind_host="0.0.0.0", **given)  # noqa: S104 - as the image sets it


@pytest.mark.parametrize("agent", AGENTS)
def test_agents_in_containers_ask_who_calls(agent: str) -> None:
    require_guarded(agent, settings(agent))  # type: ignore[arg-type]
    assert "QUINTET_BIND_HOST=0.0.0.0" in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("service", SERVICES)
def test_containers_may_do_little(service: str) -> None:
    given = SERVICES[service]
    assert given["read_only"] is True
    assert given["cap_drop"] == ["ALL"]
    assert "cap_add" not in given
    assert given.get("privileged", False) is False
    assert given["security_opt"] == ["no-new-privileges:true"]
    assert given["mem_limit"]


def test_images_do_not_run_as_root() -> None:
    assert "USER 10001:10001" in (ROOT / "Dockerfile").read_text()
    assert SERVICES["postgres"]["user"] == "postgres"


def test_only_the_coordinator_is_published_and_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"coordinator"}
    assert all(port.startswith("127.0.0.1:") for port in published["coordinator"])


@pytest.mark.parametrize("agent", AGENTS)
def test_the_probe_asks_the_agent_of_its_container(agent: str) -> None:
    assert SERVICES[agent]["healthcheck"]["test"][-1] == agent


def test_trainings_run_in_a_container_that_answers_no_shopper() -> None:
    assert settings("coordinator").training_address == "dns:///trainer:50053"
    differs = {name for name in SERVICES["trainer"] if SERVICES["trainer"][name] != SERVICES["recommendation"][name]}
    assert differs == {"mem_limit"}


def test_secrets_are_written_by_those_that_make_them_alone() -> None:
    writers = {name for name, service in SERVICES.items() if "secrets:/secrets" in service.get("volumes", [])}
    assert writers == {"certs", "keys"}


@pytest.mark.parametrize("agent", AGENTS)
def test_agents_wait_for_certificates_and_schema(agent: str) -> None:
    waits = SERVICES[agent]["depends_on"]
    for once in ONCE:
        if once != "keys" or agent == "coordinator":
            assert waits[once]["condition"] == "service_completed_successfully"


PINNED = r"[\w.:-]+@sha256:[0-9a-f]{64}"


def test_images_are_pinned_by_digest_and_can_be_replaced() -> None:
    base = re.search(rf"^ARG BASE=({PINNED})$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert base is not None
    assert SERVICES["coordinator"]["build"]["args"]["BASE"] == f"${{QUINTET_BASE:-{base[1]}}}"
    assert re.fullmatch(rf"\$\{{QUINTET_POSTGRES_IMAGE:-{PINNED}\}}", SERVICES["postgres"]["image"])
    stand_in = (ROOT / "deploy" / "postgres" / "Dockerfile").read_text()
    assert re.search(rf"^ARG BASE={PINNED}$", stand_in, re.MULTILINE)


class OverrideLoader(yaml.SafeLoader):
    """Reads what Compose's `!override` marks as if it were not marked."""


OverrideLoader.add_constructor("!override", lambda loader, node: loader.construct_sequence(node))
TEXT = (ROOT / "deploy" / "replicas.yml").read_text()
REPLICAS: dict[str, Any] = yaml.load(TEXT, OverrideLoader)["services"]  # noqa: S506 - a safe one with one more tag


def test_every_agent_has_two_replicas() -> None:
    scaled = {name: service["scale"] for name, service in REPLICAS.items() if "scale" in service}
    assert scaled == {agent: 2 for agent in AGENTS if agent != "coordinator"}
    assert REPLICAS["coordinator-2"]["extends"] == {"file": "docker-compose.yml", "service": "coordinator"}


def test_the_second_coordinator_is_published_on_loopback_at_other_ports() -> None:
    first, second = (
        published(ports) for ports in (SERVICES["coordinator"]["ports"], REPLICAS["coordinator-2"]["ports"])
    )
    assert [inner for _, inner in first] == [inner for _, inner in second]
    assert not {outer for outer, _ in first} & {outer for outer, _ in second}


def published(ports: list[str]) -> list[tuple[str, str]]:
    """Return the default port of the machine and that of the container, of mappings like `127.0.0.1:${NAME:-1}:2`."""
    found = [re.fullmatch(r"127\.0\.0\.1:\$\{\w+:-(\d+)\}:(\d+)", port) for port in ports]
    return [(each[1], each[2]) for each in found if each]


def test_two_shops_share_nothing() -> None:
    garden, books = (dotenv_values(ROOT / "deploy" / "two-shops" / f"{name}.env") for name in ("garden", "books"))
    assert list(garden) == list(books)
    own = {name for name in garden if garden[name] != books[name]}
    assert own == set(garden) - {"COMPOSE_PROFILES", "QUINTET_DATABASE_URL"}  # each project has a server of that name
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    assert set(garden) - used == {"COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES"}
