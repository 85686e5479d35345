"""Status, health, and figures once and watched."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.unit.ctl.desk import Desk
from tests.unit.ctl.test_changes import STATUS

BROKERS = [
    {
        "node_id": 1,
        "node_name": "one",
        "node_status": "Running",
        "version": "rmq/1",
        "uptime": "0 days 0 hours, 0 minutes, 0 seconds",
    },
    {"node_id": 3, "node_name": "three", "node_status": "Down", "error": "no \x1blink"},
]
SUM = {"connections.count": 5, "sessions.count": 7, "subscriptions.count": 9, "retained.count": 2, "connections.max": 6}
HEALTH = {"running": True, "descr": "Ok", "nodes": [{"node_id": 1, "running": True, "leader_id": 1}]}
DOWN = {"X-RMQ-Missing-Nodes": "3"}


def test_status(desk: Desk) -> None:
    desk.answers("GET /health/check", HEALTH, headers=DOWN)
    desk.answers("GET /brokers", BROKERS, headers=DOWN)
    desk.answers("GET /stats/sum", {"nodes": {}, "stats": SUM}, headers=DOWN)
    desk.answers("GET /cluster", STATUS)
    result = desk.run("status")
    assert (result.exit_code, result.stderr) == (6, "rmq-ctl: incomplete: nothing from node 3\n")
    assert result.stdout.splitlines() == [
        "cluster        4 members, node 2 leads, quorum",
        r"ALARM          disk \x1bfull",
        "clients        5",
        "sessions       7",
        "subscriptions  9",
        "retained       2",
        "health         can serve",
        "",
        "node  name   status   version  up for",
        "   1  one    Running  rmq/1    0s",
        r"   3  three  Down     -        no \x1blink",
    ]
    found = json.loads(desk.run("status", "--json").stdout)
    assert found == {
        "health": HEALTH,
        "brokers": BROKERS,
        "stats": {"nodes": {}, "stats": SUM},
        "cluster": STATUS,
    }


def test_status_of_a_node_alone_that_cant_serve(desk: Desk) -> None:
    desk.answers("GET /health/check", {**HEALTH, "running": False, "descr": "stopping"}, status=503)
    desk.answers("GET /brokers", BROKERS[:1])
    desk.answers("GET /stats/sum", {"nodes": {}, "stats": SUM})
    desk.refuses("GET /cluster", 409, "NOT_IN_A_CLUSTER")
    result = desk.run("status")
    assert result.exit_code == 1
    assert "cluster        none, this node is alone" in result.stdout
    assert "health         CAN'T SERVE: stopping" in result.stdout


def test_status_without_quorum(desk: Desk) -> None:
    desk.answers("GET /health/check", HEALTH)
    desk.answers("GET /brokers", BROKERS[:1])
    desk.answers("GET /stats/sum", {"nodes": {}, "stats": SUM})
    desk.answers("GET /cluster", {**STATUS, "leader": None, "has_quorum": False})
    assert "4 members, no leader known, NO QUORUM" in desk.run("status").stdout


def test_status_is_refused(desk: Desk) -> None:
    desk.refuses("GET /health/check", 401, "UNAUTHORIZED")
    assert desk.run("status").exit_code == 3


def test_one_node(desk: Desk) -> None:
    desk.refuses("GET /nodes/7", 404, "NODE_NOT_FOUND")
    assert desk.run("nodes", "7").exit_code == 1
    assert desk.run("nodes", "x").exit_code == 2


@pytest.mark.parametrize(
    ("nodes", "headers", "exit_code"),
    [
        ([{"node_id": 1, "running": True}], {}, 0),
        ([{"node_id": 1, "running": True}, {"node_id": 2, "running": False, "descr": "drained"}], {}, 1),
        ([{"node_id": 1, "running": True}, {"node_id": 3, "running": False, "descr": "silent"}], DOWN, 6),
    ],
)
def test_health(desk: Desk, nodes: list[Any], headers: dict[str, str], exit_code: int) -> None:
    desk.answers("GET /health/check", {"running": True, "descr": "Ok", "nodes": nodes}, headers=headers)
    result = desk.run("health")
    assert result.exit_code == exit_code
    assert len(result.stdout.splitlines()) == 1 + len(nodes)
    assert desk.run("health", "-q").stdout == ""
    assert json.loads(desk.run("health", "--json").stdout)["nodes"] == nodes


def test_the_node_that_is_asked_cant_serve(desk: Desk) -> None:
    body = {"running": False, "descr": "no quorum", "nodes": [{"node_id": 1, "running": False, "descr": "no quorum"}]}
    desk.answers("GET /health/check", body, status=503)
    result = desk.run("health")
    assert result.exit_code == 1
    assert result.stderr == "rmq-ctl: the node that was asked can't serve: no quorum\n"


def test_health_of_one_node(desk: Desk) -> None:
    desk.answers("GET /health/check/2", {"node_id": 2, "running": True, "leader_id": 1})
    desk.answers("GET /health/check/3", {"node_id": 3, "running": False, "descr": "drained"}, status=503)
    desk.refuses("GET /health/check/4", 503, "NODE_UNREACHABLE", "node 4: no link")
    assert [desk.run("health", "--node", number).exit_code for number in "234"] == [0, 1, 1]


def node(number: int, kind: str, **values: int) -> dict[str, Any]:
    return {"node": {"id": number, "name": str(number)}, kind: {key.replace("_", "."): n for key, n in values.items()}}


def test_figures_of_each_node(desk: Desk) -> None:
    down = {"node": {"id": 3, "name": "3", "status": "Down"}, "stats": {}, "error": "no link"}
    rows = [node(1, "stats", a_count=1, b_count=20), node(2, "stats", a_count=300), down]
    desk.answers("GET /stats", rows, headers=DOWN)
    result = desk.run("stats")
    assert result.exit_code == 6
    assert result.stdout.splitlines() == [
        "stats    node 1  node 2  node 3",
        "a.count       1     300       -",
        "b.count      20       -       -",
    ]
    assert desk.run("stats", "b.", "x").stdout.splitlines()[1:] == ["b.count      20       -       -"]
    assert desk.run("stats", "x").exit_code == 2
    assert json.loads(desk.run("stats", "--json").stdout) == rows


def test_figures_of_one_node_and_of_all(desk: Desk) -> None:
    desk.answers("GET /metrics/2", node(2, "metrics", a=4))
    desk.answers("GET /metrics/sum", {"a": 5})
    desk.answers("GET /stats/sum", {"nodes": {}, "stats": {"a.count": 6}})
    assert desk.run("metrics", "--node", "2").stdout.splitlines() == ["metrics  node 2", "a             4"]
    assert desk.run("metrics", "--sum").stdout.splitlines() == ["metrics  sum", "a          5"]
    assert desk.run("stats", "--sum").stdout.splitlines() == ["stats    sum", "a.count    6"]
    assert desk.run("stats", "--sum", "--node", "1").exit_code == 2
    assert desk.run("stats", "--count", "1").exit_code == 2


def test_watching_says_what_has_changed(desk: Desk) -> None:
    for value in (5, 15, 12, 12):
        desk.answers("GET /metrics/sum", {"a": value, "b": 1})
    result = desk.run("metrics", "--sum", "--watch", "--count", "4", "--every", "7")
    assert [line for line in result.stdout.splitlines() if line.startswith("a")] == [
        "a          5",
        "a        +10 15",
        "a        -3 12",
        "a         12",
    ]
    assert (result.exit_code, desk.pauses) == (0, [7.0, 7.0, 7.0])


def test_watching_goes_on_when_nobody_answers_for_a_while(desk: Desk) -> None:
    desk.answers("GET /metrics/sum", {"a": 1}, headers=DOWN)
    desk.says("GET /metrics/sum", httpx.ConnectError("refused"))
    desk.refuses("GET /metrics/sum", 503, "NO_QUORUM", "wait")
    desk.answers("GET /metrics/sum", {"a": 3})
    result = desk.run("metrics", "--sum", "--watch", "--count", "4", "--json")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [{"a": 1}, {"a": 3}]
    assert result.stderr.splitlines() == ["rmq-ctl: http://localhost:6060: refused", "rmq-ctl: wait"]
    assert result.exit_code == 0


def test_watching_ends_when_it_may_not(desk: Desk) -> None:
    desk.answers("GET /metrics/sum", {"a": 1})
    desk.refuses("GET /metrics/sum", 401, "UNAUTHORIZED")
    assert desk.run("metrics", "--sum", "--watch").exit_code == 3


def test_watching_on_a_terminal_stays_in_its_place(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rmq.ctl.figures.room", lambda: 60)
    monkeypatch.setattr("rmq.ctl.figures.CLEAR", "<clear>")
    desk.answers("GET /metrics/sum", {"a": 1})
    result = desk.run("metrics", "--sum", "--watch", "--count", "2")
    assert result.stdout.count("<clear>metrics") == 2
