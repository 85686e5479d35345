"""Accounts wherever state goes: from a node alone to a cluster, to a node that was wiped, into backups; upgrades."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final

from rmq.storage.account_records import ACCOUNT_LEVEL
from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.members import events, status, typed, until
from tests.integration.http_api.http import Http
from tests.support.broker_process import interpreter
from tests.support.cluster_processes import ClusterProcesses, Member

KEYS: Final = "/api/v1/api_keys"
OLDER_BUILD: Final = Path(__file__).parents[2] / "support" / "older_build.py"


def make(member: Member, name: str) -> dict[str, str]:
    """The headers of a new key."""
    answer = Http.of(member).ask("POST", KEYS, {"name": name})
    assert answer.status == 200, answer.text
    both = f"{name}:{answer.json['secret']}".encode()
    return {"Authorization": "Basic " + base64.b64encode(both).decode()}


def opens(member: Member, headers: dict[str, str]) -> bool:
    return Http.of(member).ask("GET", "/api/v1/brokers", headers=headers).status == 200


def at_level(member: Member, level: int) -> None:
    until(member, f"at level {level}", lambda: status(member).get("operation_level") == level)


def started(cluster: ClusterProcesses) -> ClusterProcesses:
    cluster.start()
    for member in cluster:
        at_level(member, ACCOUNT_LEVEL)
    return cluster


def test_the_keys_of_a_node_alone_are_those_of_its_cluster(set_up: SetUp) -> None:
    cluster = set_up()
    one, two, three = cluster
    listed, one.arguments = one.arguments, []
    one.start()
    cluster.wait_until_serving(1)
    key = make(one, "from-before")
    one.stop()
    one.arguments = listed
    for member in (two, three, one):
        member.start()
    cluster.wait_until_serving()
    assert all(opens(member, key) for member in cluster)
    at_level(two, ACCOUNT_LEVEL)
    assert Http.of(two).ask("DELETE", f"{KEYS}/from-before").status == 200
    assert not any(opens(member, key) for member in cluster)


def test_a_node_that_was_wiped_has_them_again(set_up: SetUp) -> None:
    cluster = started(set_up("storage.snapshot_after=1MB"))
    one, two, three = cluster
    key, gone = make(one, "stays"), make(two, "goes")
    assert Http.of(three).ask("DELETE", f"{KEYS}/goes").status == 200
    three.kill()
    three.wipe()
    three.start()
    cluster.wait_until_serving()
    assert opens(three, key) and not opens(three, gone)
    newer = make(three, "newer")
    assert opens(one, newer) and opens(two, newer)
    assert not any(status(member)["alarms"] for member in cluster)


def test_a_backup_has_them(set_up: SetUp) -> None:
    cluster = started(set_up())
    one, two, three = cluster
    key = make(one, "in-the-backup")
    backup = cluster.directory / "a backup"
    assert typed(two, "backup", str(backup)).startswith(f"{backup}: ")
    later = make(one, "later")
    for member in cluster:
        member.kill()
        member.wipe()
    one.start()
    cluster.wait_for_control(one)
    assert typed(one, "restore", str(backup), "--yes") == "restored\n"
    two.start()
    three.start()
    cluster.wait_until_serving()
    for member in cluster:
        assert opens(member, key) and not opens(member, later)


def test_none_is_made_before_every_member_knows_them(set_up: SetUp) -> None:
    cluster = set_up()
    one, two, three = cluster
    python, _ = interpreter()
    three.before_command = [python, "-P", str(OLDER_BUILD)]
    cluster.start()
    at_level(one, ACCOUNT_LEVEL - 1)
    for member in (one, two):
        answer = Http.of(member).ask("POST", KEYS, {"name": "k"})
        assert (answer.status, answer.json["code"]) == (503, "NOT_KNOWN_EVERYWHERE"), answer.text
        assert "upgrade" in answer.json["message"] and answer.headers["retry-after"]
    assert three.serves() and not events(three, "this node steps out of the cluster")
    three.stop()
    three.before_command = []
    three.start()
    cluster.wait_until_serving()
    at_level(one, ACCOUNT_LEVEL)
    key = make(one, "k")
    assert opens(two, key) and opens(three, key)
