"""The Kubernetes manifests: valid by Kubernetes' own schemas, and one with each other, the image and the node."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from rmq.config import check_plugins, load
from rmq.node import PLUGINS
from rmq.plugin_host.catalog import Catalog
from tests.integration.deploy.files import NUMBERS, UID, last, manifest, manifests

# The oldest that the manifests are for, and a newer one.
VERSIONS = ("1.31", "1.34")
SELECTOR = {"app.kubernetes.io/name": "rmq"}


def stateful_set() -> dict[str, Any]:
    found: dict[str, Any] = manifest("StatefulSet", "rmq")["spec"]
    return found


def pod() -> dict[str, Any]:
    found: dict[str, Any] = stateful_set()["template"]["spec"]
    return found


def container() -> dict[str, Any]:
    (found,) = pod()["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("each", manifests(), ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_is_valid_by_the_schema(each: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(each, version, strict=True)


def test_the_schema_knows_a_misspelt_key() -> None:
    wrong = manifest("StatefulSet", "rmq")
    wrong["spec"]["replcas"] = 3
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_three_nodes_of_which_two_are_always_left() -> None:
    assert stateful_set()["replicas"] == len(NUMBERS)
    assert manifest("PodDisruptionBudget", "rmq")["spec"]["maxUnavailable"] == 1
    (rule,) = pod()["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert rule["topologyKey"] == "kubernetes.io/hostname"


def test_everything_means_the_same_pods() -> None:
    assert stateful_set()["template"]["metadata"]["labels"] == SELECTOR
    assert stateful_set()["selector"]["matchLabels"] == SELECTOR
    assert manifest("PodDisruptionBudget", "rmq")["spec"]["selector"]["matchLabels"] == SELECTOR
    assert manifest("NetworkPolicy", "rmq")["spec"]["podSelector"]["matchLabels"] == SELECTOR
    for name in ("rmq", "rmq-nodes"):
        assert manifest("Service", name)["spec"]["selector"] == SELECTOR


def test_nodes_find_each_other_before_they_are_ready() -> None:
    headless = manifest("Service", stateful_set()["serviceName"])["spec"]
    assert headless["clusterIP"] == "None" and headless["publishNotReadyAddresses"] is True
    # Founding takes all of them at once: with the other policy the first would wait for a second that waits for it.
    assert stateful_set()["podManagementPolicy"] == "Parallel"


def test_a_node_has_the_number_of_its_pod() -> None:
    assert stateful_set()["ordinals"]["start"] == NUMBERS[0]
    variables = {each["name"]: each for each in container()["env"]}
    path = variables["RMQ_NODE__ID"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert path == "metadata.labels['apps.kubernetes.io/pod-index']"
    nodes = tomllib.loads(configuration())["plugins"]["rmq-cluster-raft"]["nodes"]
    assert nodes == [f"{number}@rmq-{number}.{stateful_set()['serviceName']}:5363" for number in NUMBERS]


def test_probes_ask_what_they_are_for() -> None:
    paths = {name: container()[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {name: asked["path"] for name, asked in paths.items()} == {
        "startupProbe": "/health/live",
        "livenessProbe": "/health/live",
        "readinessProbe": "/health/ready",
    }
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert ports == {"mqtt": 1883, "api": 6060, "nodes": 5363}
    assert {asked["port"] for asked in paths.values()} == {"api"}


def test_secrets_are_referred_to_and_never_written() -> None:
    assert "Secret" not in {each["kind"] for each in manifests()}
    for variable in container()["env"]:
        assert "value" not in variable and "valueFrom" in variable
    referred = {each["valueFrom"]["secretKeyRef"]["key"] for each in container()["env"] if "SECRET" in each["name"]}
    assert referred == {"cluster-secret"}


def test_no_privileges() -> None:
    context = container()["securityContext"]
    assert context["privileged"] is False and context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True and context["capabilities"] == {"drop": ["ALL"]}
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert str(pod()["securityContext"]["runAsUser"]) == UID == last("USER").partition(":")[0]
    assert pod()["automountServiceAccountToken"] is False
    assert container()["resources"].keys() == {"requests", "limits"}


def test_the_configuration_is_one_that_a_node_starts_with(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.touch()
    file = tmp_path / "rmq.toml"
    file.write_text(configuration().replace("/etc/rmq/users/users", str(users)))
    settings = load(file, environ={"RMQ_NODE__ID": "3", "RMQ_CLUSTER_SECRET": "0" * 64})
    assert settings.node.id == 3
    plugins = check_plugins(settings, Catalog.installed(PLUGINS).models())
    assert plugins["rmq-http-api"].model_dump()["anonymous_may_read"] is False
    mounts = {each["name"]: each["mountPath"] for each in container()["volumeMounts"]}
    assert mounts["data"] == settings.node.data_dir == last("VOLUME")
    assert mounts["users"] in tomllib.loads(configuration())["auth"]["users_file"]


def configuration() -> str:
    text = manifest("ConfigMap", "rmq-config")["data"]["rmq.toml"]
    assert isinstance(text, str)
    return text
