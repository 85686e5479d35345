"""How a run ends: refusals, silence, strangers, interruptions; and who it says it is."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import httpx
import pytest

from rmq.ctl import main
from tests.unit.ctl.desk import Desk

NODE = {
    "node_id": 1,
    "node_name": "one",
    "node_status": "Running",
    "running": True,
    "uptime": "1 days 0 hours, 0 minutes, 2 seconds",
    "version": "rmq/1.2.3",
    "connections": 3,
    "load1": 0.5,
    "memory_used": 1024,
    "memory_total": 2048,
    "disk_free": 0,
    "disk_total": 2**40,
}


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (400, "BAD_PARAMETER", 2),
        (401, "UNAUTHORIZED", 3),
        (403, "FORBIDDEN", 3),
        (403, "PUBLISH_DROPPED", 1),
        (404, "CLIENT_NOT_FOUND", 1),
        (404, "PATH_NOT_FOUND", 4),
        (405, "METHOD_NOT_ALLOWED", 2),
        (409, "NOT_IN_A_CLUSTER", 1),
        (413, "BODY_TOO_LARGE", 2),
        (429, "TOO_MANY_FAILURES", 3),
        (500, "INTERNAL_ERROR", 5),
        (503, "NO_QUORUM", 5),
    ],
)
def test_a_refusal_is_one_line_and_an_exit_code(desk: Desk, status: int, code: str, exit_code: int) -> None:
    desk.refuses("GET /nodes", status, code, "not \x1b[31mnow")
    result = desk.run("nodes")
    assert (result.exit_code, result.stdout, result.stderr) == (exit_code, "", "rmq-ctl: not \\x1b[31mnow\n")


def test_when_to_try_again_is_said(desk: Desk) -> None:
    desk.refuses("GET /nodes", 503, "NO_QUORUM", "too few", {"Retry-After": "2"})
    assert desk.run("nodes").stderr == "rmq-ctl: too few (try again in 2 s)\n"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), "[Errno 111] Connection refused"),
        (httpx.ConnectTimeout("x"), "no connection within 10 s"),
        (httpx.ReadTimeout("x"), "no answer within 10 s"),
        (httpx.RemoteProtocolError("illegal status line"), "illegal status line"),
        (httpx.ReadError(""), "ReadError"),
    ],
)
def test_nobody_there(desk: Desk, error: Exception, text: str) -> None:
    desk.says("GET /nodes", error)
    result = desk.run("nodes")
    assert (result.exit_code, result.stderr) == (4, f"rmq-ctl: http://localhost:6060: {text}\n")


def test_a_change_without_an_answer_may_be_made(desk: Desk) -> None:
    desk.says("DELETE /clients/%61", httpx.ReadTimeout("x"))
    result = desk.run("--timeout", "3", "kick", "a")
    assert result.exit_code == 4
    assert result.stderr.endswith("no answer within 3 s; what was asked may have been done\n")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<h1>It works</h1>"),
        httpx.Response(200, content=b"{", headers={"content-type": "application/json"}),
        httpx.Response(200, content=b"\xff", headers={"content-type": "text/plain"}),
        httpx.Response(200, json={"status": "ok"}),
        httpx.Response(200, json=["nodes"]),
        httpx.Response(200, json=[{"node_id": 1}]),
        httpx.Response(200, json=7),
        httpx.Response(302, headers={"location": "http://elsewhere/"}),
        httpx.Response(404, html="nothing"),
        httpx.Response(404, json={"detail": "Not Found"}),
        httpx.Response(502, html="bad gateway"),
        httpx.Response(204),
    ],
)
def test_whoever_answers_otherwise_isnt_rmq(desk: Desk, answer: httpx.Response) -> None:
    desk.says("GET /nodes", answer)
    result = desk.run("nodes")
    assert result.exit_code == 4
    assert result.stderr.startswith("rmq-ctl: http://localhost:6060: that isn't the HTTP API of rmq (it answers ")
    assert result.stderr.count("\n") == 1 and len(desk.requests) == 1


@pytest.mark.parametrize("answer", [{"rows": []}, "x", None])
def test_a_list_that_is_none(desk: Desk, answer: object) -> None:
    desk.answers("GET /clients", answer)
    assert desk.run("clients").exit_code == 4


def test_a_proxy_that_wants_a_login(desk: Desk) -> None:
    desk.says("GET /nodes", httpx.Response(401, html="log in"))
    result = desk.run("nodes")
    assert (result.exit_code, result.stderr) == (
        3,
        "rmq-ctl: http://localhost:6060: refused with HTTP 401, and not by rmq\n",
    )


def test_nodes_that_are_missing_make_it_incomplete(desk: Desk) -> None:
    down = {"node_id": 3, "node_name": "three", "node_status": "Down", "running": False, "error": "no link"}
    desk.answers("GET /nodes", [NODE, down], headers={"X-RMQ-Missing-Nodes": "3"})
    result = desk.run("nodes")
    assert (result.exit_code, result.stderr) == (6, "rmq-ctl: incomplete: nothing from node 3\n")
    assert result.stdout.splitlines() == [
        "node  name   status   connections  load  memory              disk free       up for   version",
        "   1  one    Running            3  0.50  1.0 KiB of 2.0 KiB  0 B of 1.0 TiB  1d 2s    rmq/1.2.3",
        "   3  three  Down               -     -  -                   -               no link  -",
    ]


def test_a_no_counts_before_what_is_missing(desk: Desk) -> None:
    body = {"running": False, "descr": "no quorum", "nodes": [{"node_id": 1, "running": False, "descr": "no quorum"}]}
    desk.answers("GET /health/check", body, status=503, headers={"X-RMQ-Missing-Nodes": "2, 3"})
    result = desk.run("health")
    assert result.exit_code == 1
    assert "nothing from nodes 2, 3" in result.stderr


def test_the_options_may_stand_behind_the_command(desk: Desk) -> None:
    desk.answers("GET /nodes", [NODE])
    assert desk.run("--url", "http://first:1", "nodes").exit_code == 0
    assert desk.run("nodes", "--url", "http://second:2/", "--token", "t").exit_code == 0
    assert [str(request.url) for request in desk.requests] == [
        "http://first:1/api/v1/nodes",
        "http://second:2/api/v1/nodes",
    ]
    assert desk.requests[1].headers["authorization"] == "Bearer t"
    assert "authorization" not in desk.requests[0].headers


def test_an_api_below_a_path(desk: Desk) -> None:
    desk.environment["RMQ_API_URL"] = "https://proxy/mqtt/"
    desk.run("nodes")
    assert str(desk.requests[0].url) == "https://proxy/mqtt/api/v1/nodes"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("localhost:6060", "begins with http:// or https://"),
        ("http://", "begins with http:// or https://"),
        ("http://a:99999", "no such port"),
        ("http://a:b", "port"),
        ("http://me:secret@localhost", "RMQ_API_PASSWORD"),
        ("http://localhost/?a=b", "no ?"),
    ],
)
def test_a_url_that_is_none(desk: Desk, url: str, text: str) -> None:
    result = desk.run("--url", url, "nodes")
    assert result.exit_code == 2
    assert text in result.stderr and not desk.requests
    assert "secret" not in result.stderr


def test_a_user_has_a_password_from_the_environment(desk: Desk) -> None:
    desk.environment["RMQ_API_PASSWORD"] = "pä:ss"
    desk.run("--user", "anna", "nodes")
    given = desk.requests[0].headers["authorization"]
    assert given == "Basic " + base64.b64encode("anna:pä:ss".encode()).decode()


def test_a_password_is_asked_for_on_a_terminal_only(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    result = desk.run("--user", "anna", "nodes")
    assert (result.exit_code, desk.requests) == (2, [])
    assert "RMQ_API_PASSWORD" in result.stderr
    monkeypatch.setattr("rmq.ctl.connecting.is_terminal", lambda: True)
    result = desk.run("--user", "anna", "nodes", typed="asked\n")
    assert "Password of anna:" in result.stderr and "asked" not in result.output
    assert desk.requests[0].headers["authorization"] == "Basic " + base64.b64encode(b"anna:asked").decode()


def test_the_command_line_comes_before_the_environment(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("of-the-file\nmore\n")
    desk.environment |= {"RMQ_API_TOKEN": "of-the-environment", "RMQ_API_USER": "u", "RMQ_API_PASSWORD": "p"}
    for args in ([], ["--token-file", str(file)], ["--token", "given"], ["--user", "anna"]):
        desk.run(*args, "nodes")
    del desk.environment["RMQ_API_TOKEN"]
    desk.run("nodes")
    assert [request.headers["authorization"] for request in desk.requests] == [
        "Bearer of-the-environment",
        "Bearer of-the-file",
        "Bearer given",
        "Basic " + base64.b64encode(b"anna:p").decode(),
        "Basic " + base64.b64encode(b"u:p").decode(),
    ]


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--token", "a", "--user", "b"], "exclude each other"),
        (["--token-file", "/nowhere"], "/nowhere: No such file"),
        (["--token-file", "/dev/null"], "no token"),
        (["--token", "a b"], "characters that no token has"),
        (["--token", "ä"], "characters that no token has"),
        (["--user", "a:b"], "colon"),
        (["--timeout", "0"], "--timeout"),
        (["--ca-file", "/nowhere", "--url", "https://localhost"], "/nowhere: No such file"),
        (["--ca-file", "/dev/null", "--url", "https://localhost"], "/dev/null:"),
    ],
)
def test_bad_options(desk: Desk, args: list[str], text: str) -> None:
    result = desk.run(*args, "nodes")
    assert (result.exit_code, desk.requests) == (2, [])
    assert text in result.stderr


def test_without_a_check_of_the_certificate(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    contexts: list[ssl.SSLContext] = []
    client = httpx.Client

    def spy(*args: object, **kwargs: object) -> httpx.Client:
        context = kwargs["verify"]
        assert isinstance(context, ssl.SSLContext)
        contexts.append(context)
        return client(*args, **kwargs)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(httpx, "Client", spy)
    desk.run("--url", "https://localhost", "nodes")
    desk.run("--url", "https://localhost", "--insecure", "nodes")
    assert [(one.verify_mode, one.check_hostname) for one in contexts] == [
        (ssl.CERT_REQUIRED, True),
        (ssl.CERT_NONE, False),
    ]


def test_proxies_of_the_environment_are_passed_by(desk: Desk) -> None:
    desk.environment |= {"http_proxy": "http://proxy:1", "all_proxy": "nonsense://"}
    desk.answers("GET /nodes", [NODE])
    assert desk.run("nodes").exit_code == 0


def test_ctrl_c_ends_it_without_a_word(desk: Desk) -> None:
    def interrupted(_: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    desk.says("GET /nodes", interrupted)
    result = desk.run("nodes")
    assert (result.exit_code, result.output) == (130, "")


def test_usage(desk: Desk) -> None:
    assert desk.run("nodes", "x").exit_code == 2
    assert desk.run("no-such-command").exit_code == 2
    assert desk.run("client", "").exit_code == 2
    assert desk.run("--help").exit_code == 0
    assert not desk.requests


def test_every_command_has_help(desk: Desk) -> None:
    for name, command in main.commands.items():
        inner = getattr(command, "commands", None)
        for args in [[name]] if inner is None else [[name, one] for one in inner]:
            result = desk.run(*args, "-h")
            assert result.exit_code == 0 and result.stdout.startswith("Usage: rmq-ctl "), args
            assert ("--url" in result.stdout) == (args not in (["completion"], ["plugins", "new"])), args


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(desk: Desk, shell: str) -> None:
    result = desk.run("completion", shell)
    assert result.exit_code == 0 and "_RMQ_CTL_COMPLETE" in result.stdout
    assert not desk.requests
