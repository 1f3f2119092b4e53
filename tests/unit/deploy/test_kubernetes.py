"""The manifests of `deploy/kubernetes/` are valid, fit together and fit the settings; no cluster is asked."""

import shutil
import subprocess
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from shared.config import AGENTS, Agent, Settings

FOLDER = Path(__file__).parents[3] / "deploy" / "kubernetes"
KUSTOMIZATIONS = (FOLDER, FOLDER / "migrate")
VERSIONS = ("1.30", kubernetes_validate.latest_version())
PART = {"app.kubernetes.io/part-of": "quintet"}


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(FOLDER.rglob("*.yaml")):
        if path.name != "kustomization.yaml":
            for each in yaml.safe_load_all(path.read_text()):
                yield f"{path.stem}-{each['kind']}-{each['metadata']['name']}", each


DOCUMENTS = dict(documents())


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in DOCUMENTS.values() if each["kind"] == kind}


def pod(agent: str) -> dict[str, Any]:
    return dict(of_kind("Deployment")[agent]["spec"]["template"]["spec"])


def container(agent: str) -> dict[str, Any]:
    [only] = pod(agent)["containers"]
    return dict(only)


def labels(agent: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": agent} | PART


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_manifest_matches_its_schema(name: str, version: str) -> None:
    kubernetes_validate.validate(DOCUMENTS[name], version, strict=True)


def test_every_manifest_is_applied() -> None:
    for folder in KUSTOMIZATIONS:
        listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        assert sorted(listed) == sorted(each.name for each in folder.glob("*.yaml") if each.stem != "kustomization")


def rendered(folder: Path) -> list[dict[str, Any]]:
    """Return what `kubectl apply -k` sends: the resources with their images named, which is all that is asked for."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(kustomization) == {"apiVersion", "kind", "resources", "images"}, "this function knows no more"
    images = {each["name"]: f"{each['newName']}:{each['newTag']}" for each in kustomization["images"]}
    resources = [yaml.safe_load_all((folder / name).read_text()) for name in kustomization["resources"]]
    return [_with_images(each, images) for every in resources for each in every]


def _with_images(part: Any, images: Mapping[str, str]) -> Any:
    """Return a part of a manifest in which every `image` has its whole name."""
    if isinstance(part, list):
        return [_with_images(each, images) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        name: images.get(value, value) if name == "image" else _with_images(value, images)
        for name, value in part.items()
    }


@pytest.mark.parametrize("folder", KUSTOMIZATIONS, ids=lambda folder: folder.name)
@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_applied_is_valid_and_names_an_image_of_this_release(folder: Path, version: str) -> None:
    project = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text())["project"]
    manifests = rendered(folder)
    assert len({(each["kind"], each["metadata"]["name"]) for each in manifests}) == len(manifests)
    for each in manifests:
        kubernetes_validate.validate(each, version, strict=True)
    specs = [each["spec"]["template"]["spec"] for each in manifests if each["kind"] in ("Deployment", "Job")]
    images = {container["image"] for spec in specs for container in spec["containers"]}
    assert images == {f"registry.example/quintet:{project['version']}"}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl; no cluster is asked")
@pytest.mark.parametrize("folder", KUSTOMIZATIONS, ids=lambda folder: folder.name)
def test_kubectl_renders_the_same(folder: Path) -> None:
    made = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, check=True, text=True).stdout
    assert in_order(yaml.safe_load_all(made)) == in_order(rendered(folder))


def in_order(manifests: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(manifests, key=lambda each: (each["kind"], each["metadata"]["name"]))


def test_every_agent_has_what_keeps_it_up() -> None:
    for kind in ("Deployment", "Service", "PodDisruptionBudget"):
        assert sorted(set(of_kind(kind)) - {"trainer"}) == sorted(AGENTS)


def test_trainings_run_in_a_pod_that_answers_no_shopper() -> None:
    deployment, given = of_kind("Deployment")["trainer"]["spec"], of_kind("ConfigMap")["quintet"]["data"]
    assert deployment["template"]["metadata"]["labels"] == labels("trainer") == deployment["selector"]["matchLabels"]
    assert of_kind("Service")["trainer"]["spec"]["selector"] == labels("trainer")
    assert given["QUINTET_TRAINING_ADDRESS"] == "dns:///trainer:50053"
    same = ("image", "args", "envFrom", "ports", "volumeMounts", "securityContext", "readinessProbe")
    assert {name: container("trainer")[name] for name in same} == {
        name: container("recommendation")[name] for name in same
    }
    assert deployment["replicas"] == 1


@pytest.mark.parametrize("agent", AGENTS)
def test_names_of_one_agent_agree(agent: Agent) -> None:
    deployment = of_kind("Deployment")[agent]["spec"]
    assert deployment["template"]["metadata"]["labels"] == labels(agent) == deployment["selector"]["matchLabels"]
    assert of_kind("Service")[agent]["spec"]["selector"] == labels(agent)
    assert of_kind("PodDisruptionBudget")[agent]["spec"]["selector"]["matchLabels"] == labels(agent)
    assert container(agent)["args"] == ["python", "-m", f"services.{agent}.server"]


@pytest.mark.parametrize("agent", AGENTS)
def test_ports_are_those_of_the_settings(agent: Agent) -> None:
    settings = Settings(_env_file=None)
    ports = {each["name"]: each["containerPort"] for each in container(agent)["ports"]}
    assert ports["grpc"] == settings.port(agent)
    assert ports["metrics"] == settings.metrics_port(agent)
    assert {each["targetPort"] for each in of_kind("Service")[agent]["spec"]["ports"]} <= set(ports)
    if agent == "coordinator":
        assert ports["http"] == settings.http_port


@pytest.mark.parametrize("agent", AGENTS)
def test_probes_ask_the_agent_itself(agent: Agent) -> None:
    asked = ["python", "-m", "shared.rpc.probe", f"127.0.0.1:{Settings(_env_file=None).port(agent)}", agent]
    found = container(agent)
    assert found["readinessProbe"]["exec"]["command"] == asked
    for probe in ("livenessProbe", "startupProbe"):
        assert found[probe]["exec"]["command"] == [*asked, "liveness"]


@pytest.mark.parametrize("agent", AGENTS)
def test_a_pod_has_time_to_drain(agent: Agent) -> None:
    pause = int(container(agent)["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod(agent)["terminationGracePeriodSeconds"] > pause + Settings(_env_file=None).drain_seconds
    assert of_kind("Deployment")[agent]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_no_container_has_rights_that_it_does_not_need() -> None:
    specs = [pod(name) for name in (*AGENTS, "trainer")] + [of_kind("Job")["migrate"]["spec"]["template"]["spec"]]
    for spec in specs:
        assert spec["securityContext"]["runAsNonRoot"]
        assert not spec["automountServiceAccountToken"]
        for each in spec["containers"]:
            assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert each["securityContext"]["readOnlyRootFilesystem"]
            assert not each["securityContext"]["allowPrivilegeEscalation"]
            assert each["resources"]["limits"]["memory"]


def test_settings_exist_and_no_secret_is_among_them() -> None:
    given = of_kind("ConfigMap")["quintet"]["data"]
    fields = {f"QUINTET_{name.upper()}" for name in Settings.model_fields}
    assert set(given) <= fields
    assert not {"QUINTET_DATABASE_URL", "QUINTET_API_KEY", "QUINTET_TOKEN_KEYS"} & set(given)
    assert given["QUINTET_AUTH"] == "required"


def test_the_settings_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in of_kind("ConfigMap")["quintet"]["data"].items():
        monkeypatch.setenv(name, value)
    settings = Settings(_env_file=None)
    assert [settings.address(agent) for agent in AGENTS[1:]] == [
        f"dns:///{agent}:{settings.port(agent)}" for agent in AGENTS[1:]
    ]


def test_what_scales_by_itself_exists_and_names_no_fixed_number() -> None:
    for name, scaler in of_kind("HorizontalPodAutoscaler").items():
        assert scaler["spec"]["scaleTargetRef"]["name"] == name
        assert "replicas" not in of_kind("Deployment")[name]["spec"]
        assert container(name)["resources"]["requests"]["cpu"]


def test_the_agents_are_reached_by_the_coordinator_alone() -> None:
    policies = of_kind("NetworkPolicy")
    assert policies["quintet-nobody"]["spec"] == {"podSelector": {"matchLabels": PART}, "policyTypes": ["Ingress"]}
    agents = policies["quintet-agents"]["spec"]
    [names] = agents["podSelector"]["matchExpressions"]
    assert sorted(names["values"]) == sorted([*AGENTS[1:], "trainer"])
    [rule] = agents["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": labels("coordinator")}}]
    ports = [Settings(_env_file=None).port(agent) for agent in AGENTS[1:]]
    assert rule["ports"] == [{"port": min(ports), "endPort": max(ports)}]
