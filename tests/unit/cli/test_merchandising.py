"""Files of placements and rules are read or refused with their place; commands apply, list, preview and delete."""

import json
import re
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.placement_pb2 import (
    Placement,
    PlacementPreview,
    PreviewExample,
    PreviewItem,
    Rule,
    RulesPreview,
)
from typer.testing import CliRunner

from cli.definition_files import read_definitions
from cli.main import app
from shared.errors import InvalidArgument
from shared.merchandising.convert import to_rule

COMMANDS = [
    *(["placements", name] for name in ("list", "apply", "export", "delete")),
    *(["rules", name] for name in ("list", "apply", "export", "delete", "preview")),
]


class Door(pb_grpc.CoordinatorServiceServicer):
    """Stands for a coordinator: keeps rules and placements in dictionaries, one a page."""

    def __init__(self) -> None:
        self.rules: dict[str, Rule] = {}
        self.placements = {"home": Placement(placement_id="home", built_in=True, count=10)}

    def UpdateRule(self, request: pb.UpdateRuleRequest, context: Any) -> pb.UpdateRuleResponse:
        if request.rule.rule_id not in self.rules:
            context.abort(grpc.StatusCode.NOT_FOUND, "there is none")
        self.rules[request.rule.rule_id] = request.rule
        return pb.UpdateRuleResponse(rule=request.rule)

    def CreateRule(self, request: pb.CreateRuleRequest, context: Any) -> pb.CreateRuleResponse:
        self.rules[request.rule.rule_id] = request.rule
        return pb.CreateRuleResponse(rule=request.rule)

    def ListRules(self, request: pb.ListRulesRequest, context: Any) -> pb.ListRulesResponse:
        names = [name for name in sorted(self.rules) if name > request.page_token]
        token = names[0] if len(names) > 1 else ""
        return pb.ListRulesResponse(rules=[self.rules[name] for name in names[:1]], next_page_token=token)

    def DeleteRule(self, request: pb.DeleteRuleRequest, context: Any) -> pb.DeleteRuleResponse:
        del self.rules[request.rule_id]
        return pb.DeleteRuleResponse()

    def PreviewRules(self, request: pb.PreviewRulesRequest, context: Any) -> pb.PreviewRulesResponse:
        item = PreviewItem(product_id="b", applied_rules=[rule.rule_id for rule in request.rules])
        example = PreviewExample(placement_id="home", before=["a", "b"], after=[item, PreviewItem(product_id="a")])
        tally = PlacementPreview(placement_id="home", lists=request.days, changed=1, moved=2)
        return pb.PreviewRulesResponse(preview=RulesPreview(placements=[tally], examples=[example], incomplete=True))

    def ListPlacements(self, request: pb.ListPlacementsRequest, context: Any) -> pb.ListPlacementsResponse:
        return pb.ListPlacementsResponse(placements=self.placements.values())

    def CreatePlacement(self, request: pb.CreatePlacementRequest, context: Any) -> pb.CreatePlacementResponse:
        self.placements[request.placement.placement_id] = request.placement
        return pb.CreatePlacementResponse(placement=request.placement)

    def UpdatePlacement(self, request: pb.UpdatePlacementRequest, context: Any) -> pb.UpdatePlacementResponse:
        self.placements[request.placement.placement_id] = request.placement
        return pb.UpdatePlacementResponse(placement=request.placement)


@pytest.fixture
def door() -> Iterator[tuple[Door, str]]:
    servicer, server = Door(), grpc.server(futures.ThreadPoolExecutor(1))
    pb_grpc.add_CoordinatorServiceServicer_to_server(servicer, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield servicer, address
    server.stop(None)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 0, result.output
    return re.sub(r"\x1b\[[0-9;]*m", "", result.output)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example_and_json(command: list[str]) -> None:
    text = run(*command, "--help")
    assert "Example:" in text
    assert "--json" in text


def test_rules_are_applied_listed_previewed_and_deleted(door: tuple[Door, str], tmp_path: Path) -> None:
    servicer, address = door
    file = tmp_path / "rules.json"
    file.write_text(json.dumps([{"rule_id": "up", "boost": {"factor": 2}}, {"rule_id": "down", "bury": {"factor": 0}}]))
    where = ("--address", address)
    assert run("rules", "apply", str(file), *where) == "2 created, 0 updated, 0 unchanged\n"
    again = json.loads(run("rules", "apply", str(file), "--json", *where))
    assert again == {"created": 0, "updated": 0, "unchanged": 2, "dry_run": False}
    assert [each["rule_id"] for each in json.loads(run("rules", "list", "--json", *where))["rules"]] == ["down", "up"]
    assert "boost" in run("rules", "list", *where)
    preview = run("rules", "preview", str(file), "--days", "3", *where)
    assert re.search(r"home\W+3\W+1\W+0\W+2\W+0", preview)
    assert "now b (up, down), a" in preview
    assert "time ended" in preview
    assert run("rules", "delete", "up", *where) == "deleted up\n"
    assert list(servicer.rules) == ["down"]


@pytest.mark.parametrize("name", ["rules.yaml", "rules.json"])
def test_what_is_exported_can_be_applied(door: tuple[Door, str], tmp_path: Path, name: str) -> None:
    servicer, address = door
    rule = Rule(rule_id="up", boost={"factor": 2}, filter='brand = "Käse"')
    rule.condition.start_time.FromJsonString("2026-03-01T00:00:00Z")
    servicer.rules = {"up": rule, "down": Rule(rule_id="down", bury={"factor": 0.5})}
    stored = dict(servicer.rules)
    rule.update_time.GetCurrentTime()
    file = tmp_path / name
    where = ("--address", address)
    assert run("rules", "export", str(file), *where) == "2 exported\n"
    assert run("rules", "apply", str(file), *where) == "0 created, 0 updated, 2 unchanged\n"
    servicer.rules = {"down": Rule(rule_id="down", bury={"factor": 0.1})}
    dry = run("rules", "apply", str(file), "--dry-run", *where)
    assert dry == "would create up\nwould update down\n1 created, 1 updated, 0 unchanged\n"
    assert set(servicer.rules) == {"down"}
    assert run("rules", "apply", str(file), *where) == "1 created, 1 updated, 0 unchanged\n"
    assert servicer.rules["down"] == stored["down"]
    assert servicer.rules["up"].condition == rule.condition


def test_built_in_placements_are_not_exported(door: tuple[Door, str], tmp_path: Path) -> None:
    file = tmp_path / "placements.yml"
    assert run("placements", "export", str(file), "--address", door[1]) == "0 exported\n"
    assert file.read_text() == "placements: []\n"


def test_placements_are_applied_and_listed(door: tuple[Door, str], tmp_path: Path) -> None:
    file = tmp_path / "placements.json"
    file.write_text(json.dumps({"placements": [{"placement_id": "home_top", "filter": "price < 20"}]}))
    assert run("placements", "apply", str(file), "--address", door[1]) == "1 created, 0 updated, 0 unchanged\n"
    listed = run("placements", "list", "--address", door[1])
    assert "price < 20" in listed
    assert "built in" in listed


@pytest.mark.parametrize(
    ("content", "field", "problem"),
    [
        ("{", "", "is no JSON"),
        ("3", "", "must be a list"),
        ('{"other": []}', "", "must be a list"),
        ('[{"rule_id": "a"}, {"colour": 1}]', ": rules[1]", "colour"),
        ("[3]", ": rules[0]", "is none"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, content: str, field: str, problem: str) -> None:
    file = tmp_path / "rules.json"
    file.write_text(content)
    with pytest.raises(InvalidArgument, match=problem) as caught:
        read_definitions(file, Rule, "rules")
    assert caught.value.violations[0].field == f"{file}{field}"


@pytest.mark.parametrize(
    ("content", "field", "problem"),
    [
        ("rules: [", "", "is no YAML"),
        ("rules: 3", "", "must be a list"),
        ("- rule_id: a\n  exclude: {}\n  filter: price <\n", ": rules[0].filter", "price <"),
        ("- rule_id: a\n  boost: {factor: 2}\n- rule_id: a\n  boost: {factor: 3}\n", ": rules[1]", "twice"),
    ],
)
def test_a_bad_yaml_file_is_refused_before_anything_is_stored(
    tmp_path: Path, content: str, field: str, problem: str
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(content)
    with pytest.raises(InvalidArgument, match=problem) as caught:
        read_definitions(file, Rule, "rules", to_rule)
    assert caught.value.violations[0].field == f"{file}{field}"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="cannot be read"):
        read_definitions(tmp_path / "none.json", Rule, "rules")
