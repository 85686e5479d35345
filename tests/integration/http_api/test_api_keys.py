"""API keys on real nodes: they outlive a kill, and what one node makes or takes out counts on all."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rmq.storage.account_records import ACCOUNT_LEVEL
from tests.integration.cluster.members import until
from tests.integration.http_api.conftest import wait_until_down
from tests.integration.http_api.http import Answer, Http
from tests.support.broker_process import BrokerProcess
from tests.support.cluster_processes import ClusterProcesses

KEYS = "/api/v1/api_keys"
READ = "/api/v1/nodes"
SECRET = re.compile("rmq_[A-Za-z0-9_-]{43}")
API_ONLY = ('plugins.default_startups=["rmq-http-api"]',)


def basic(name: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


def make(api: Http, name: str, **fields: object) -> dict[str, str]:
    """The headers of a new key."""
    answer = api.ask("POST", KEYS, {"name": name, **fields})
    assert answer.status == 200, answer.text
    return basic(name, answer.json["secret"])


def secret_of(headers: dict[str, str]) -> str:
    return base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode().partition(":")[2]


def opens(api: Http, headers: dict[str, str]) -> bool:
    status = api.ask("GET", READ, headers=headers).status
    assert status in (200, 401), status
    return status == 200


def code(answer: Answer) -> tuple[int, Any]:
    return answer.status, answer.json["code"]


def names(api: Http) -> list[str]:
    return [key["name"] for key in api.get(KEYS)]


def test_keys_outlive_a_kill_and_a_snapshot(tmp_path: Path) -> None:
    node = BrokerProcess(tmp_path, API_ONLY)
    try:
        api = Http.of(node)
        first, second = make(api, "first", role="administrator"), make(api, "second")
        assert api.ask("PUT", f"{KEYS}/second", {"description": "changed"}).status == 200
        gone = make(api, "gone")
        assert api.ask("DELETE", f"{KEYS}/gone").status == 200
        node.kill()
        node = node.start_again()
        api = Http.of(node)
        assert names(api) == ["first", "second"]
        assert opens(api, first) and opens(api, second) and not opens(api, gone)
        assert api.ask("DELETE", "/api/v1/clients/nobody", headers=first).status == 404
        assert api.ask("DELETE", "/api/v1/clients/nobody", headers=second).status == 403
        assert api.get(f"{KEYS}/second")["description"] == "changed"
        assert node.stop() == 0
        node = node.start_again()
        api = Http.of(node)
        assert names(api) == ["first", "second"] and opens(api, first)
    finally:
        node.stop()
    whole = node.log_path.read_text()
    assert SECRET.search(first_secret := secret_of(first)), first_secret
    assert not SECRET.search(whole) and "Traceback" not in whole


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterProcesses]:
    """Three nodes of this module's own: one of them is killed."""
    made = ClusterProcesses(tmp_path_factory.mktemp("keys"), API_ONLY)
    try:
        made.start()
        for member in made:
            until(member, "at the level of accounts", lambda: member.ask("status")["operation_level"] >= ACCOUNT_LEVEL)  # noqa: B023 -- called at once
        yield made
    finally:
        made.close()
    for member in made:
        assert "Traceback" not in member.whole_log and not SECRET.search(member.whole_log)


def apis(cluster: ClusterProcesses) -> list[Http]:
    return [Http.of(member) for member in cluster]


def test_a_key_of_one_node_is_a_key_of_all(three: ClusterProcesses) -> None:
    """From the moment on at which the answer is there, and so it is when it is changed or taken out."""
    one, two, three_ = apis(three)
    for number in range(2):  # each node takes ten wrong ones a minute
        headers = make(one, f"key-{number}")
        assert opens(two, headers) and opens(three_, headers) and opens(one, headers)
        assert three_.ask("PUT", f"{KEYS}/key-{number}", {"enabled": False}).status == 200
        assert not opens(one, headers) and not opens(two, headers)
        assert one.ask("PUT", f"{KEYS}/key-{number}", {"enabled": True}).status == 200
        assert opens(two, headers) and opens(three_, headers)
        assert two.ask("DELETE", f"{KEYS}/key-{number}").status == 200
        assert not opens(one, headers) and not opens(three_, headers) and not opens(two, headers)
        for api in (one, two, three_):
            assert code(api.ask("GET", f"{KEYS}/key-{number}")) == (404, "API_KEY_NOT_FOUND")
    assert names(one) == names(two) == names(three_) == []
    make(two, "same")
    assert code(three_.ask("POST", KEYS, {"name": "same"})) == (409, "API_KEY_EXISTS")
    assert one.ask("DELETE", f"{KEYS}/same").status == 200


def test_with_one_dead_they_go_on_and_it_catches_up(three: ClusterProcesses) -> None:
    old = make(Http.of(three[3]), "old")
    taken = make(Http.of(three[3]), "taken")
    three[3].kill()
    wait_until_down(three, 3, 1, 2)
    one, two = Http.of(three[1]), Http.of(three[2])
    assert opens(one, old) and opens(two, old)
    new = make(one, "new")
    assert opens(two, new)
    assert two.ask("DELETE", f"{KEYS}/taken").status == 200
    assert not opens(one, taken)
    three[3].start()
    three.wait_until_serving(3)
    back = Http.of(three[3])
    assert opens(back, old) and opens(back, new) and not opens(back, taken)
    assert names(back) == names(one) == ["new", "old"]


def test_without_a_majority_nothing_is_changed_and_what_is_known_is_read(three: ClusterProcesses) -> None:
    one = Http.of(three[1])
    known = make(one, "known")
    before = names(one)
    three[2].kill()
    three[3].kill()
    for method, path, body in (
        ("POST", KEYS, {"name": "more"}),
        ("PUT", f"{KEYS}/known", {"enabled": False}),
        ("DELETE", f"{KEYS}/known", None),
    ):
        answer = one.ask(method, path, body)
        assert answer.status == 503 and answer.headers["retry-after"], answer.text
        assert code(answer)[1] in ("STORAGE_UNAVAILABLE", "OUTCOME_UNKNOWN")
    assert opens(one, known) and names(one) == before
