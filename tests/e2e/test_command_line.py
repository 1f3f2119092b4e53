"""The operator's commands against five real agents."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.journey import Journey
from cli.main import app
from shared.config import AGENTS
from tests.e2e import small_shop
from tests.support.cluster import Cluster, cluster_settings, coordinator_stub, free_ports, running_cluster


@pytest.fixture(scope="module")
def cluster(trained_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Five agents with a small shop, trained."""
    file = shutil.copy(trained_shop, tmp_path_factory.mktemp("shop") / "quintet.db")
    with running_cluster(f"sqlite:///{file}") as cluster:
        yield cluster


def run(cluster: Cluster, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--address", cluster.address], env={"COLUMNS": "160"})


def test_status_says_that_all_serve(cluster: Cluster) -> None:
    result = run(cluster, "status", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert [each["agent"] for each in said["agents"]] == list(AGENTS)
    assert said["model_version"]
    assert "model" in run(cluster, "status").stdout


def test_events_and_recommendations(cluster: Cluster) -> None:
    customer = small_shop.customers(random.Random(1))[0].customer_id
    event = json.dumps({"event_id": "cli-1", "customer_id": customer, "product_view": {"product_id": "tea-1"}})
    first = run(cluster, "event", event, "--recommend", "3", "--json")
    assert first.exit_code == 0, first.output
    assert len(json.loads(first.stdout)["recommendations"]["recommendations"]) == 3
    assert "recorded before" in run(cluster, "event", event, "--recommend", "3").stdout
    assert "checked" in run(cluster, "event", event, "--validate-only").stdout
    shown = run(cluster, "recommend", customer, "--limit", "4", "--json")
    assert len(json.loads(shown.stdout)["recommendations"]) == 4
    assert "strategy" in run(cluster, "recommend", customer).stdout
    unknown = run(cluster, "recommend", "nobody")
    assert unknown.exit_code == 1
    assert "NOT_FOUND" in unknown.output


def test_export_prints_every_row(cluster: Cluster) -> None:
    customer = small_shop.customers(random.Random(1))[0].customer_id
    result = run(cluster, "export", customer)
    tables = {json.loads(line)["table"] for line in result.stdout.splitlines()}
    assert {"customers", "purchases", "event_log"} <= tables


def test_jobs_by_the_coordinator(cluster: Cluster) -> None:
    optimized = run(cluster, "optimize", "--json")
    assert optimized.exit_code == 0, optimized.output
    assert sum(json.loads(optimized.stdout)["weights"].values()) == pytest.approx(1.0)
    assert "unchanged" in json.loads(optimized.stdout)["tuning"]
    tuned = run(cluster, "tune", "--algorithm", "popular", "--trials", "2", "--json")
    assert tuned.exit_code == 0, tuned.output
    assert list(json.loads(tuned.stdout)["algorithms"]) == ["popular"]
    assert "popular" in run(cluster, "optimize").stdout
    trained = run(cluster, "train", "--quick", "--json")
    assert trained.exit_code == 0, trained.output
    assert {"catalogue", "models", "customers"} <= json.loads(trained.stdout).keys()


def test_the_journey_holds_what_it_promises(cluster: Cluster) -> None:
    printed: list[object] = []
    with coordinator_stub(cluster.address) as stub:
        journey = Journey(stub, printed.append, region="store 367", age=50, limit=4)
        profile = journey.play()
    assert journey.failures == []
    assert len(journey.steps) >= 9
    assert profile.preferences.categories
    assert profile.segments
    assert printed


def test_up_serves_until_interrupted_and_stops_all(tmp_path: Path) -> None:
    settings = cluster_settings(f"sqlite:///{tmp_path / 'new.db'}")
    environment = {f"QUINTET_{name.upper()}": str(value) for name, value in settings.model_dump().items()}
    command = [sys.executable, "-m", "cli.main", "up", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **environment}, text=True) as process:
        assert process.stdout is not None
        lines = [json.loads(line) for line in _until_ready(process.stdout)]
        assert any(line.get("agent") == "customer" for line in lines)
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(timeout=30) == 0
    assert sum('"stopped"' in line for line in rest.splitlines()) == len(AGENTS)


@pytest.mark.parametrize("name", ["coordinator_port", "http_port"])
def test_a_taken_port_is_told_at_once(cluster: Cluster, tmp_path: Path, name: str) -> None:
    taken = {name: cluster.settings.coordinator_port}
    settings = cluster_settings(f"sqlite:///{tmp_path / 'new.db'}", **taken)
    environment = {f"QUINTET_{name.upper()}": str(value) for name, value in settings.model_dump().items()}
    command = [sys.executable, "-m", "cli.main", "up"]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert f"QUINTET_{name.upper()}" in done.stderr


def test_an_agent_that_is_killed_is_started_again(cluster: Cluster) -> None:
    before = cluster.restarts("product")
    cluster.kill("product")
    until = time.monotonic() + 30
    while cluster.restarts("product") == before:
        assert time.monotonic() < until
        time.sleep(0.02)
    cluster.wait_ready("product")
    while run(cluster, "status").exit_code:  # the coordinator connects again within a second
        assert time.monotonic() < until


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(5))) == 5


def _until_ready(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line
        if '"ready": true' in line:
            return
