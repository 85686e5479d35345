"""Users and login tokens on real nodes: they outlive a kill, and what one node makes or ends counts on all."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rmq.storage.account_records import ACCOUNT_LEVEL
from tests.integration.cluster.members import until
from tests.integration.http_api.conftest import wait_until_down
from tests.integration.http_api.http import Answer, Http
from tests.support.broker_process import BrokerProcess
from tests.support.cluster_processes import ClusterProcesses

API_ONLY = ('plugins.default_startups=["rmq-http-api"]',)
SECRETS = ("secret-of-anna", "secret-of-admin", "another-secret", "rmq_login.")


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


ADMIN = basic("admin", "public")


def log_in(api: Http, name: str, password: str) -> Answer:
    return api.ask("POST", "/api/v5/login", {"username": name, "password": password})


def token_of(api: Http, name: str, password: str) -> dict[str, str]:
    answer = log_in(api, name, password)
    assert answer.status == 200, answer.text
    return {"Authorization": f"Bearer {answer.json['token']}"}


def make(api: Http, name: str, password: str, headers: dict[str, str] = ADMIN, **fields: Any) -> None:
    body = {"username": name, "password": password, **fields}
    answer = api.ask("POST", "/api/v5/users", body, headers)
    assert answer.status == 200, answer.text


def opens(api: Http, headers: dict[str, str]) -> bool:
    """Whether it does in every dialect."""
    paths = ("/api/v5/nodes", "/api/v4/brokers", "/api/v2/management/nodes", "/api/v1/brokers")
    found = {api.ask("GET", path, headers=headers).status for path in paths}
    assert found in ({200}, {401}), found
    return found == {200}


def names(api: Http) -> list[str]:
    return [user["name"] for user in api.get("/api/v1/users")]


def test_users_outlive_a_kill(tmp_path: Path) -> None:
    node = BrokerProcess(tmp_path, API_ONLY)
    try:
        api = Http.of(node)
        make(api, "anna", "secret-of-anna", role="viewer")
        token = token_of(api, "anna", "secret-of-anna")
        ended = token_of(api, "admin", "public")
        change = {"old_pwd": "public", "new_pwd": "secret-of-admin"}
        assert api.ask("PUT", "/api/v2/change_pwd/admin", change, ADMIN).json == {"code": 0, "result": []}
        node.kill()
        node = node.start_again()
        api = Http.of(node)
        assert names(api) == ["admin", "anna"]
        assert opens(api, basic("anna", "secret-of-anna")) and opens(api, basic("admin", "secret-of-admin"))
        assert opens(api, token) and not opens(api, ADMIN) and not opens(api, ended)
        assert node.stop() == 0
        node = node.start_again()
        assert opens(Http.of(node), token)
    finally:
        node.stop()
    written = node.log_path.read_text()
    assert "Traceback" not in written
    assert not any(secret in written for secret in SECRETS)


def test_no_password_is_known_to_all_beyond_this_machine(tmp_path: Path) -> None:
    """On a listener that isn't bound to loopback, though the question comes from there."""
    node = BrokerProcess(tmp_path, (*API_ONLY, "plugins.rmq-http-api.listener=[{addr='0.0.0.0:0'}]"))
    try:
        line = until_listening(node, "0.0.0.0:")
        elsewhere = Http(int(line.partition("0.0.0.0:")[2].partition(" ")[0]))
        loopback = Http.of(node)
        for _ in range(3):
            assert elsewhere.ask("GET", "/api/v5/nodes", headers=ADMIN).status == 401
            assert log_in(elsewhere, "admin", "public").status == 401
        assert elsewhere.ask("GET", "/api/v5/nodes", headers=token_of(loopback, "admin", "public")).status == 401
        change = {"old_pwd": "public", "new_pwd": "secret-of-admin"}
        assert loopback.ask("POST", "/api/v5/users/admin/change_pwd", change, ADMIN).status == 204
        assert opens(elsewhere, basic("admin", "secret-of-admin"))
        assert log_in(loopback, "admin", "public").status == 401
    finally:
        assert node.stop() == 0
    warnings = [line for line in node.log.splitlines() if "the password that everybody knows" in line]
    assert len(warnings) == 1 and "rmq-ctl users password admin" in warnings[0]


def until_listening(node: BrokerProcess, address: str) -> str:
    Http.of(node)
    return next(line for line in node.log.splitlines() if f"listens  {address}" in line)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterProcesses]:
    """Three nodes of this module's own: one of them is killed."""
    made = ClusterProcesses(tmp_path_factory.mktemp("users"), API_ONLY)
    try:
        made.start()
        for member in made:
            until(member, "at the level of accounts", lambda: member.ask("status")["operation_level"] >= ACCOUNT_LEVEL)  # noqa: B023 -- called at once
        yield made
    finally:
        made.close()
    for member in made:
        assert "Traceback" not in member.whole_log
        assert not any(secret in member.whole_log for secret in SECRETS)


def apis(cluster: ClusterProcesses) -> list[Http]:
    return [Http.of(member) for member in cluster]


def test_two_nodes_make_the_first_secret_at_once(three: ClusterProcesses) -> None:
    """Whichever is faster: both tokens are good everywhere."""
    one, two, three_ = apis(three)
    with ThreadPoolExecutor(2) as pool:
        tokens = list(pool.map(lambda api: token_of(api, "admin", "public"), (one, two)))
    assert all(opens(api, token) for api in (one, two, three_) for token in tokens)


def test_a_user_of_one_node_is_a_user_of_all(three: ClusterProcesses) -> None:
    one, two, three_ = apis(three)
    make(one, "anna", "secret-of-anna", role="viewer")
    token = token_of(three_, "anna", "secret-of-anna")
    second = token_of(three_, "anna", "secret-of-anna")
    assert opens(one, token) and opens(two, token) and opens(three_, token)
    change = {"role": "administrator"}
    assert two.ask("PUT", "/api/v5/users/anna", change, ADMIN).status == 200
    assert one.ask("GET", "/api/v1/users", headers=token).status == 200
    assert three_.ask("POST", "/api/v5/logout", {"username": "anna"}, token).status == 204
    assert not opens(two, token) and not opens(one, token) and not opens(three_, token)
    assert opens(one, second) and opens(two, second) and opens(three_, second), "another login goes on"
    token = token_of(one, "anna", "secret-of-anna")
    change = {"old_pwd": "secret-of-anna", "new_pwd": "another-secret"}
    assert two.ask("POST", "/api/v5/users/anna/change_pwd", change, token).status == 204
    assert (
        not opens(three_, token) and not opens(three_, second) and log_in(one, "anna", "secret-of-anna").status == 401
    )
    token = token_of(one, "anna", "another-secret")
    assert three_.ask("DELETE", "/api/v5/users/anna", headers=ADMIN).status == 204
    assert not opens(two, token) and log_in(one, "anna", "another-secret").status == 401
    assert names(one) == names(two) == names(three_) == ["admin"]


def test_with_one_dead_they_go_on_and_it_catches_up(three: ClusterProcesses) -> None:
    make(Http.of(three[3]), "old", "secret-of-anna")
    token = token_of(Http.of(three[3]), "old", "secret-of-anna")
    three[3].kill()
    wait_until_down(three, 3, 1, 2)
    one, two = Http.of(three[1]), Http.of(three[2])
    assert opens(one, token)
    make(one, "new", "secret-of-anna")
    assert two.ask("POST", "/api/v5/logout", {"username": "old"}, token).status == 204
    assert not opens(one, token)
    three[3].start()
    three.wait_until_serving(3)
    back = Http.of(three[3])
    assert opens(back, token_of(one, "new", "secret-of-anna")) and not opens(back, token)
    assert names(back) == ["admin", "new", "old"]


def test_without_a_majority_who_is_known_logs_in_and_nothing_is_changed(three: ClusterProcesses) -> None:
    one = Http.of(three[1])
    make(one, "known", "secret-of-anna")
    token_of(one, "known", "secret-of-anna")
    three[2].kill()
    three[3].kill()
    body = {"username": "more", "password": "secret-of-anna"}
    answer = one.ask("POST", "/api/v5/users", body, ADMIN)
    assert answer.status == 503 and answer.headers["retry-after"], answer.text
    token = token_of(one, "known", "secret-of-anna")
    assert one.ask("GET", "/api/v1/users", headers=token).status == 200
    assert one.ask("POST", "/api/v5/logout", {"username": "known"}, token).status == 503
