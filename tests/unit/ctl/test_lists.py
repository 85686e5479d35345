"""Clients, subscriptions, routes and retained messages: filters, pages, tables, JSON, deleting."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.unit.ctl.desk import Desk


def client(client_id: str, **more: object) -> dict[str, Any]:
    return {
        "node_id": 1,
        "clientid": client_id,
        "username": "undefined",
        "superuser": False,
        "proto_ver": 5,
        "ip_address": "127.0.0.1",
        "port": 40_000,
        "connected": True,
        "connected_at": "2026-01-02 03:04:05",
        "disconnected_at": "",
        "disconnected_reason": "",
        "keepalive": 60,
        "clean_start": True,
        "session_present": False,
        "expiry_interval": 0,
        "created_at": "2026-01-02 03:04:05",
        "subscriptions_cnt": 2,
        "max_subscriptions": 0,
        "last_will": None,
        "inflight": 0,
        "max_inflight": 128,
        "mqueue_len": 0,
        "max_mqueue": 1000,
        **more,
    }


def retained(topic: str, payload: bytes = b"on", **more: object) -> dict[str, Any]:
    publish = {"qos": 1, "payload": base64.b64encode(payload).decode(), "create_time": 1_000_000_000_000}
    return {"topic": topic, "client_id": "c", "publish": publish, **more}


def queries(desk: Desk) -> list[dict[str, str]]:
    return [dict(parse_qsl(urlsplit(asked).query, keep_blank_values=True)) for asked in desk.asked]


def test_clients_is_a_table(desk: Desk) -> None:
    off = client(
        "日本", connected=False, connected_at="", disconnected_at="2026-01-02 03:04:06", ip_address="", mqueue_len=7
    )
    six = client("six\x1b]0;x", username="u", ip_address="::1", proto_ver=4, node_id=12)
    desk.answers("GET /clients", [off, six])
    result = desk.run("clients")
    assert result.stdout.splitlines() == [
        "client id    node  connected  since                address      user name  MQTT   subs  in flight  queued",
        "日本            1  no         2026-01-02 03:04:06  -            -          5.0       2          0       7",
        r"six\x1b]0;x    12  yes        2026-01-02 03:04:05  [::1]:40000  u          3.1.1     2          0       0",
    ]
    assert result.exit_code == 0


def test_all_pages_are_read(desk: Desk) -> None:
    """Where the next one is, the link says; whom to ask, it doesn't."""
    link = {"Link": '<http://elsewhere/api/v1/clients?_limit=1000&_cursor=a%2Bb>; rel="next"'}
    desk.answers("GET /clients", [client("a"), client("b")], headers=link)
    desk.answers("GET /clients", [client("c")])
    result = desk.run("clients", "-q")
    assert result.stdout.splitlines() == ["a", "b", "c"]
    assert queries(desk) == [{"_limit": "1000"}, {"_limit": "1000", "_cursor": "a+b"}]
    assert {request.url.host for request in desk.requests} == {"localhost"}


def test_a_page_is_printed_before_the_next_is_asked_for(desk: Desk) -> None:
    desk.answers("GET /clients", [client("a")], headers={"Link": '</api/v1/clients?_cursor=x>; rel="next"'})
    desk.refuses("GET /clients", 503, "NODE_UNREACHABLE")
    result = desk.run("clients", "--quiet")
    assert (result.exit_code, result.stdout) == (5, "a\n")


def test_a_limit(desk: Desk) -> None:
    link = {"Link": '</api/v1/clients?_cursor=x&_limit=3>; rel="next"'}
    desk.answers("GET /clients", [client("a"), client("b")], headers=link)
    assert desk.run("clients", "--limit", "3", "-q").stdout.splitlines() == ["a", "b", "a"]
    assert queries(desk)[0] == {"_limit": "3"}
    assert len(desk.requests) == 2


def test_nobody(desk: Desk) -> None:
    desk.answers("GET /clients", [])
    assert desk.run("clients").stdout.split()[:2] == ["client", "id"]
    assert desk.run("clients", "-q").stdout == ""
    assert desk.run("clients", "--json").stdout == "[]\n"


def test_clients_as_json(desk: Desk) -> None:
    """The API's rows as they are, although the terminal must not see some characters raw."""
    rows = [client("\x9b\u202e"), client("日本\n")]
    desk.answers("GET /clients", rows[:1], headers={"Link": '</api/v1/clients?_cursor=x>; rel="next"'})
    desk.answers("GET /clients", rows[1:])
    result = desk.run("clients", "--json")
    assert json.loads(result.stdout) == rows
    assert result.stdout.count("\n") == 4
    assert "\x9b" not in result.stdout and "\u202e" not in result.stdout and "日本" in result.stdout


def test_every_filter_of_clients(desk: Desk) -> None:
    desk.answers("GET /clients", [])
    moment = "2026-01-31T18:30:00"
    seconds = str(int(datetime.fromisoformat(moment).timestamp()))
    args = (
        "--like a&b --like-user u --user-name n --address ::1 --connected --no-clean-start --resumed --protocol 3.1.1"
    )
    args += f" --created-from {moment} --created-to {moment} --connected-from {moment} --connected-to {moment}"
    assert desk.run("clients", *args.split(), "--queue-from", "0", "--queue-to", "9").exit_code == 0
    assert queries(desk) == [
        {
            "_like_clientid": "a&b",
            "_like_username": "u",
            "username": "n",
            "ip_address": "::1",
            "connected": "true",
            "clean_start": "false",
            "session_present": "true",
            "proto_ver": "4",
            "_gte_created_at": seconds,
            "_lte_created_at": seconds,
            "_gte_connected_at": seconds,
            "_lte_connected_at": seconds,
            "_gte_mqueue_len": "0",
            "_lte_mqueue_len": "9",
            "_limit": "1000",
        }
    ]


@pytest.mark.parametrize(
    ("client_id", "segment"),
    [
        ("a", "%61"),
        ("a/online", "%61%2Fonline"),
        ("a%2Fb", "%61%252Fb"),
        ("..", "%2E%2E"),
        ("offlines", "%6Ffflines"),
        ("a b?#&", "%61%20b%3F%23%26"),
        ("日x", "%E6%97%A5x"),
    ],
)
def test_a_client_by_any_name(desk: Desk, client_id: str, segment: str) -> None:
    desk.answers(f"GET /clients/{segment}", client(client_id))
    result = desk.run("client", "--", client_id)
    assert result.exit_code == 0, (desk.asked, result.output)
    assert result.stdout.splitlines()[0] == f"client id        {client_id}"
    assert desk.asked == [f"GET /api/v1/clients/{segment}"]


def test_a_client_with_all_it_has(desk: Desk) -> None:
    will = {"topic": "w\n", "qos": 1}
    one = client("a", last_will=will, inflight=3, max_subscriptions=5, proto_ver=3, disconnected_reason="x")
    desk.answers("GET /clients/%61", one)
    lines = [line.split("  ", 1) for line in desk.run("client", "a").stdout.splitlines()]
    shown = {name: value.strip() for name, value in lines}
    assert shown["will"] == r"w\n at QoS 1"
    assert (shown["in flight"], shown["subscriptions"], shown["MQTT"]) == ("3 of 128", "2 of 5", "3.1")
    assert json.loads(desk.run("client", "a", "--json").stdout) == one


def test_a_name_that_isnt_utf8_can_be_no_clients(desk: Desk) -> None:
    assert desk.run("client", "\udcff").exit_code == 2
    assert not desk.requests


def test_kick_goes_on_when_one_isnt_there(desk: Desk) -> None:
    desk.says("DELETE /clients/%61", httpx.Response(200, text="1@tcp/1.2.3.4:5/a/undefined"))
    desk.refuses("DELETE /clients/%62", 404, "CLIENT_NOT_FOUND", "there is no client 'b'")
    desk.says("DELETE /clients/%63", httpx.Response(200, text="c\x1b"))
    result = desk.run("kick", "a", "b", "c")
    assert result.exit_code == 1
    assert result.stdout == "kicked 1@tcp/1.2.3.4:5/a/undefined\nkicked c\\x1b\n"
    assert result.stderr == "rmq-ctl: there is no client 'b'\n"
    assert desk.run("kick", "a", "--quiet").output == ""
    assert desk.run("kick", "a", "--json").stdout == '"1@tcp/1.2.3.4:5/a/undefined"\n'


def test_kick_stops_where_going_on_makes_no_sense(desk: Desk) -> None:
    desk.refuses("DELETE /clients/%61", 403, "FORBIDDEN")
    assert desk.run("kick", "a", "b").exit_code == 3
    assert len(desk.requests) == 1


def test_subscriptions(desk: Desk) -> None:
    options = {"qos": 1, "no_local": True, "retain_as_published": False, "retain_handling": 2, "id": 5, "limit_subs": 1}
    rows = [
        {"node_id": 1, "clientid": "a", "topic": "t/#", "qos": 1, "share": None, "opts": options},
        {"node_id": 2, "clientid": "b", "topic": "t", "qos": 0, "share": "g", "opts": {"qos": 0}},
    ]
    desk.answers("GET /subscriptions", rows)
    args = ("--client", "a", "--topic", "t/#", "--match", "t/x", "--qos", "1", "--share", "g")
    assert desk.run("subs", *args).stdout.splitlines() == [
        "client id  topic filter  QoS  share  options                                     node",
        "a          t/#             1  -      no local, retain handling 2, limit 1, id 5     1",
        "b          t               0  g      -                                              2",
    ]
    assert queries(desk) == [
        {"clientid": "a", "topic": "t/#", "_match_topic": "t/x", "qos": "1", "share": "g", "_limit": "1000"}
    ]
    assert json.loads(desk.run("subs", "--json").stdout) == rows


def test_routes(desk: Desk) -> None:
    rows = [{"topic": "t/#", "node_id": 1}, {"topic": "t/+", "node_id": 2}]
    desk.answers("GET /routes", rows)
    desk.answers("GET /routes/%74%2Fx", rows)
    table = ["topic filter  node", "t/#              1", "t/+              2"]
    assert desk.run("routes").stdout.splitlines() == table
    assert desk.run("routes", "t/x").stdout.splitlines() == table
    assert desk.run("routes", "t/x", "--limit", "1").stdout.splitlines() == table[:2]
    assert json.loads(desk.run("routes", "t/x", "--json").stdout) == rows
    assert json.loads(desk.run("routes", "--json").stdout) == rows


def test_retained_messages(desk: Desk) -> None:
    rows = [retained("a\n"), retained("b", b"\xff" * 2000, client_id=None, remaining_ttl=9)]
    desk.answers("GET /retains", {"items": rows, "has_more": False})
    lines = desk.run("retained").stdout.splitlines()
    assert lines[0].split("  ")[0] == "topic" and len(lines) == 3
    assert lines[1].startswith(r"a\n      1      2 B  c") and lines[1].endswith("-           on")
    assert "2.0 KiB" in lines[2] and "9 s" in lines[2] and lines[2].endswith(r"\xff" * 2000)
    assert queries(desk) == [{"topic_filter": "#", "offset": "0", "limit": "1000"}]
    assert json.loads(desk.run("retained", "--json").stdout) == rows


def test_retained_messages_page_by_page(desk: Desk) -> None:
    desk.answers("GET /retains", {"items": [retained("a"), retained("b")], "has_more": True})
    desk.answers("GET /retains", {"items": [retained("c")], "has_more": True})
    assert len(desk.run("retained", "t/#", "--limit", "3").stdout.splitlines()) == 4
    assert queries(desk) == [
        {"topic_filter": "t/#", "offset": "0", "limit": "3"},
        {"topic_filter": "t/#", "offset": "2", "limit": "1"},
    ]


def test_one_retained_message_is_deleted_without_asking(desk: Desk) -> None:
    desk.says("DELETE /retains", httpx.Response(200, text="ok"))
    result = desk.run("retained", "a/b+", "--delete")
    assert (result.exit_code, result.stdout, queries(desk)) == (0, "1 deleted\n", [{"topic": "a/b+"}])


@pytest.mark.parametrize("topic_filter", ["#", "+", "t/+/x", "t/#"])
def test_many_are_deleted_only_when_somebody_is_sure(
    desk: Desk, topic_filter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.answers("GET /retains", {"items": [retained(name) for name in "abcd"], "has_more": False})
    desk.says("DELETE /retains", httpx.Response(200, text="ok"))
    desk.refuses("DELETE /retains", 404, "RETAINED_NOT_FOUND")  # it has expired meanwhile
    desk.says("DELETE /retains", httpx.Response(200, text="ok"))
    result = desk.run("retained", topic_filter, "--delete", typed="y\n")
    assert (result.exit_code, len(desk.requests)) == (2, 1)
    assert "Retained messages to be deleted: 4 (a, b, c …)." in result.stderr
    assert "--yes" in result.stderr
    monkeypatch.setattr("rmq.ctl.asking.is_terminal", lambda: True)
    for typed in ("n\n", "\n"):
        assert desk.run("retained", topic_filter, "--delete", typed=typed).exit_code == 1
    assert desk.run("retained", topic_filter, "--delete", typed="").exit_code == 130
    assert not [asked for asked in desk.asked if asked.startswith("DELETE")]
    result = desk.run("retained", topic_filter, "--delete", "--yes")
    assert (result.exit_code, result.stdout) == (0, "3 deleted\n")
    assert [query["topic"] for query in queries(desk)[-4:]] == ["a", "b", "c", "d"]


def test_nothing_to_delete(desk: Desk) -> None:
    desk.answers("GET /retains", {"items": [], "has_more": False})
    assert desk.run("retained", "t/#", "--delete", "--yes").exit_code == 1
    desk.refuses("DELETE /retains", 404, "RETAINED_NOT_FOUND")
    assert desk.run("retained", "t", "--delete").exit_code == 1
