"""The examples of RMQTT's documents, run by curl as they are written; only who answers at localhost:6060 is ours."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.integration.http_api.contract import CONTRACT
from tests.integration.http_api.http import Http
from tests.integration.node.watched_node import WatchedNode
from tests.support.client import Client


class Said:
    """What a watched node has written."""

    def __init__(self, node: WatchedNode) -> None:
        self._node = node

    @property
    def log(self) -> str:
        """All of it."""
        return "\n".join(self._node.lines)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Http, WatchedNode]]:
    """A node with the client and messages that the examples speak of."""
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    folder = tmp_path_factory.mktemp("documents")
    node = WatchedNode(folder)
    try:
        yield Http.of(Said(node)), node
    finally:
        node.kill()


def curl(api: Http, line: str) -> tuple[int, str]:
    """Run a line; status and body."""
    words = shlex.split(line)
    assert words[:2] == ["curl", "-i"], line
    command = ["curl", "-s", "--connect-to", f"localhost:6060:127.0.0.1:{api.port}", *words[1:]]
    done = subprocess.run(command, capture_output=True, timeout=20, check=True)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


BODIES = {
    "/api/v1/mqtt/publish": [
        '{"topic":"foo/1","payload":"Hello World","qos":1,"retain":false,"clientid":"example"}',
        '{"topic":"foo/1","payload":"SGVsbG8gV29ybGQ=","qos":1,"encoding":"base64"}',
    ],
    "/api/v1/mqtt/subscribe": ['{"topics":"foo/a,foo/b,foo/c","qos":1,"clientid":"example1"}'],
    "/api/v1/mqtt/unsubscribe": ['{"topic":"foo/a","clientid":"example1"}'],
}


def kind_of(value: Any) -> Any:
    """A value's shape, in the words of the contract."""
    if isinstance(value, dict):
        return {key: kind_of(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [kind_of(value[0])] if value else []
    names = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
    return names[type(value)]


def has_shape(value: Any, shape: Any) -> bool:
    """Whether everything of the example's shape is there; more may be."""
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(key in value and has_shape(value[key], shape[key]) for key in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and all(has_shape(one, shape[0]) for one in value)
    return kind_of(value) in str(shape).split("|") or (kind_of(value), shape) in {
        ("integer", "number"),
        ("string", "null"),  # the documents' examples know plugins that aren't loaded
    }


def test_every_example_runs_as_it_is_written(site: tuple[Http, WatchedNode]) -> None:
    api, node = site
    with closing(Client(node.address, "example1")) as client, closing(Client(node.address, "listener")) as listener:
        client.connect()
        client.subscribe(("foo/+", 2), ("$share/test/foo/#", 2))
        listener.connect()
        listener.subscribe(("foo/1", 1))
        run_examples(api)
        for _ in range(2):
            listener.receive_publish(b"Hello World")


def run_examples(api: Http) -> None:
    """All of them; the one that kicks the client comes last."""
    ran = 0
    kick: dict[str, Any] | None = None
    for operation in CONTRACT["operations"]:
        bodies = iter(BODIES.get(operation["path"], []))
        for example in operation["examples"]:
            if example["method"] == "DELETE":
                kick = example  # at the end: others are about this client
                continue
            query = "?" + "&".join(f"{name}=10" for name in example["query"]) if "query" in example else ""
            line = f'curl -i -X {example["method"]} "http://localhost:6060{example["path"]}{query}"'
            if example["method"] == "POST":
                line += f" --header 'Content-Type: application/json' -d '{next(bodies)}'"
            status, body = curl(api, line)
            assert status == 200, (line, body)
            shape = example["response"]
            if shape == "text":
                assert body == "ok", line
            else:
                assert has_shape(json.loads(body), _own(operation["path"], shape)), (line, body, shape)
            ran += 1
    assert kick is not None
    status, body = curl(api, f'curl -i -X DELETE "http://localhost:6060{kick["path"]}"')
    assert status == 200 and re.fullmatch(r"1@tcp\.external/127\.0\.0\.1:\d+/example1/undefined", body)
    assert ran == sum(len(operation["examples"]) for operation in CONTRACT["operations"]) - 1


def _own(path: str, shape: Any) -> Any:
    """Plugins that the documents show unloaded are loaded here: their attributes may be an object."""
    if not path.startswith("/api/v1/plugins") or path.endswith("config"):
        return shape
    text = json.dumps(shape).replace('"attrs": "null", ', "")
    return json.loads(text)


def test_the_first_line_of_the_issue(site: tuple[Http, WatchedNode]) -> None:
    api, _ = site
    status, body = curl(api, "curl -i http://localhost:6060/api/v1/stats/sum")
    assert status == 200 and "connections.count" in json.loads(body)["stats"]


def test_the_api_can_unload_itself(site: tuple[Http, WatchedNode]) -> None:
    """Unloading the plugin that answers is answered, and then the address is free."""
    api, node = site
    assert api.ask("PUT", "/api/v1/plugins/1/rmqtt-http-api/unload").json is True
    for _ in range(100):
        with closing(Client(node.address, "still-served")) as client:
            client.connect()
            client.disconnect()
        try:
            api.ask("GET", "/api/v1")
        except ConnectionError:
            return
    pytest.fail("the API goes on")
