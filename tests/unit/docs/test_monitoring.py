"""Alert rules and the dashboard use metrics that exist, and each alert has its section in the runbook."""

import json
import os
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from prometheus_client import Histogram

from scripts.metrics_table import metrics
from tests.unit.docs.test_operations import ROOT, anchors

RULES, DASHBOARD = ROOT / "deploy" / "prometheus" / "alerts.yml", ROOT / "deploy" / "grafana" / "quintet.json"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
]
PANELS: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
EXPRESSIONS = {
    **{f"alert {alert['alert']}": alert["expr"] for alert in ALERTS},
    **{f"panel {panel['title']} {each['refId']}": each["expr"] for panel in PANELS for each in panel["targets"]},
}


def scraped() -> dict[str, set[str]]:
    """Return the labels of all series by their names."""
    found: dict[str, set[str]] = {}
    for name, metric in metrics().items():
        labels = set(metric._labelnames)
        series = [f"{name}_bucket", f"{name}_count", f"{name}_sum"] if isinstance(metric, Histogram) else [name]
        found |= {each: labels | ({"le"} if each.endswith("_bucket") else set()) for each in series}
    return found


@pytest.mark.parametrize("place", EXPRESSIONS)
def test_series_and_their_labels_exist(place: str) -> None:
    known = scraped()
    used = re.findall(r"(quintet_\w+)(?:\{([^}]*)\})?", EXPRESSIONS[place])
    for name, selector in used:
        assert name in known
        assert set(re.findall(r"(\w+)=~?\"", selector)) <= known[name]
    assert used or "process_" in EXPRESSIONS[place]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda each: each["alert"])
def test_an_alert_has_its_section_and_says_how_bad_it_is(alert: dict[str, Any]) -> None:
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert anchor in anchors(page)
    assert alert["annotations"]["summary"].endswith(".")
    assert alert["labels"]["severity"] in ("warning", "critical")


@pytest.mark.parametrize("command", [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]])
def test_promtool_finds_nothing_wrong(command: list[str]) -> None:
    if shutil.which("promtool") is None:
        pytest.fail("no promtool") if os.environ.get("CI") else pytest.skip("promtool is not installed")
    ended = subprocess.run(["promtool", *command], cwd=RULES.parent, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_panels_do_not_overlap() -> None:
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in PANELS}
    assert len(places) == len(PANELS)
