"""docker-compose.yml, the image, the balancer: only loopback is open, nothing is privileged, names agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from rmq.config import check_plugins, load
from rmq.node import PLUGINS
from rmq.plugin_host.catalog import Catalog
from scripts.compose import NODES, PROFILES
from tests.integration.deploy.files import (
    DEPLOY,
    NUMBERS,
    ROOT,
    UID,
    compose,
    dockerfile,
    image_health_check,
    last,
    services,
    with_defaults,
)

each_service = pytest.mark.parametrize(("name", "service"), services().items(), ids=services().keys())
each_node = pytest.mark.parametrize("number", NUMBERS)
each_config = pytest.mark.parametrize("path", [DEPLOY / "compose" / "rmq.toml", DEPLOY / "image" / "rmq.toml"])


@each_service
def test_ports_are_on_loopback_only(name: str, service: dict[str, Any]) -> None:
    assert service["ports"], name
    for port in service["ports"]:
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", with_defaults(port)), port
    assert "network_mode" not in service


def test_no_two_ports_are_the_same() -> None:
    ports = [with_defaults(port).split(":")[1] for service in services().values() for port in service["ports"]]
    assert len(set(ports)) == len(ports)


@each_service
def test_nothing_is_privileged(name: str, service: dict[str, Any]) -> None:
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "userns_mode"} & service.keys(), name
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@each_service
def test_resources_are_limited(name: str, service: dict[str, Any]) -> None:
    assert {"mem_limit", "cpus", "pids_limit"} <= service.keys(), name


@each_service
def test_what_is_mounted_from_here_is_here_and_read_only(name: str, service: dict[str, Any]) -> None:
    for volume in service["volumes"]:
        source, _, mode = volume.partition(":")
        if source.startswith("./"):
            assert mode.endswith(":ro"), volume
            assert (DEPLOY / source).exists(), volume
        else:
            assert source in compose()["volumes"], volume


@each_service
def test_foreign_images_have_a_version(name: str, service: dict[str, Any]) -> None:
    image = with_defaults(service["image"])
    assert image == "rmq:latest" or re.fullmatch(r"[a-z/]+:v?\d+\.\d+[\w.-]*", image), image


def test_profiles_are_those_of_the_program() -> None:
    assert sorted({profile for each in services().values() for profile in each.get("profiles", [])}) == sorted(PROFILES)


@each_node
def test_a_node_is_one_of_the_image(number: int) -> None:
    node = services()[f"node{number}"]
    assert node["user"] == f"{UID}:{UID}" == last("USER")
    assert node["read_only"] is True
    assert node["environment"]["RMQ_NODE__ID"] == str(number)
    check = node["healthcheck"]["test"]
    assert check[0] == "CMD" and [word.replace("\n", " ") for word in check[1:]] == image_health_check()
    assert "/health/ready" in check[-1] and "6060" in check[-1]
    assert f"node{number}:{last('VOLUME')}" in node["volumes"]
    assert f"./compose/rmq.toml:{environment_of_the_image()['RMQ_CONFIG']}:ro" in node["volumes"]


def test_the_nodes_are_those_of_the_configuration_the_balancer_and_the_program() -> None:
    listed = tomllib.loads((DEPLOY / "compose" / "rmq.toml").read_text())["plugins"]["rmq-cluster-raft"]["nodes"]
    assert listed == [f"{number}@node{number}:5363" for number in NUMBERS]
    assert [name for name, each in services().items() if not each.get("profiles")] == list(NODES)
    balanced = re.findall(r"server (\w+) (\w+):(\d+)", (DEPLOY / "haproxy" / "haproxy.cfg").read_text())
    assert balanced == [(node, node, port) for port in ("1893", "6060") for node in NODES]


def test_the_balancer_listens_where_it_is_published_and_tells_addresses_where_they_are_read() -> None:
    config = (DEPLOY / "haproxy" / "haproxy.cfg").read_text()
    inside = {with_defaults(port).split(":")[2] for port in services()["balancer"]["ports"]}
    assert set(re.findall(r"bind :(\d+)", config)) == inside
    listeners = tomllib.loads((DEPLOY / "compose" / "rmq.toml").read_text())["listener"]["tcp"]
    behind_proxy = {each["addr"].rpartition(":")[2] for each in listeners.values() if each.get("proxy_protocol")}
    assert set(re.findall(r"server \w+ \w+:(\d+) send-proxy-v2", config)) == behind_proxy == {"1893"}
    published = {with_defaults(port).split(":")[2] for node in NODES for port in services()[node]["ports"]}
    assert published == {"1883", "6060"}  # whoever reaches the balancer's way in can claim any address


@each_config
def test_a_configuration_is_one_that_a_node_starts_with(path: Path) -> None:
    environment = {"RMQ_NODE__ID": "1", "RMQ_CLUSTER_SECRET": "0" * 64}
    environment["RMQ_PLUGINS__RMQ_HTTP_API__HTTP_BEARER_TOKEN"] = "0" * 64
    settings = load(path, environ=environment)
    assert settings.node.data_dir == last("VOLUME") == last("WORKDIR")
    plugins = check_plugins(settings, Catalog.installed(PLUGINS).models())
    # Open is what the compose file publishes on loopback only; the image by itself is closed.
    is_open = path.parent.name == "compose"
    assert (settings.listeners["tcp.external"].allow_anonymous is True) == is_open
    assert plugins["rmq-http-api"].model_dump()["anonymous_may_read"] == is_open


def test_the_api_may_be_read_by_the_names_that_services_have_for_each_other() -> None:
    config = tomllib.loads((DEPLOY / "compose" / "rmq.toml").read_text())["plugins"]["rmq-http-api"]
    scraped = re.findall(r"- (\w+):6060", (DEPLOY / "compose" / "prometheus.yml").read_text())
    assert scraped == list(NODES)
    assert sorted(config["host_names"]) == sorted([*scraped, "balancer"])
    assert config["host_names"] == [name for name in services() if name in config["host_names"]]


def test_the_image_is_made_in_two_stages_and_runs_as_a_number() -> None:
    names = [name for name, _ in dockerfile()]
    assert dockerfile()[0] == ("ARG", "BASE_IMAGE=debian:bookworm-slim")
    assert [value for name, value in dockerfile() if name == "FROM"] == ["${BASE_IMAGE} AS builder", "${BASE_IMAGE}"]
    final = names[len(names) - names[::-1].index("FROM") :]
    assert final.index("USER") > max(position for position, name in enumerate(final) if name in ("RUN", "COPY"))
    assert set(last("EXPOSE").split()) == {"1883", "6060", "5363"}
    assert last("ENTRYPOINT") == '["/opt/rmq/bin/rmq-node"]'


def test_only_what_is_named_gets_into_an_image() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert not [path for path in allowed if not (ROOT / path).exists()]
    copied = {word for name, value in dockerfile() if name == "COPY" for word in value.split()[:-1]}
    copied -= {"--from=builder", "/opt/rmq"}
    assert {path if path in allowed else str(Path(path).parent) for path in copied} == allowed


def environment_of_the_image() -> dict[str, str]:
    pairs = [word.partition("=") for name, value in dockerfile() if name == "ENV" for word in value.split()]
    return {name: value for name, _, value in pairs}
