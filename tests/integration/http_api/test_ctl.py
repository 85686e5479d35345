"""rmq-ctl and a node alone: every command with real clients, who asks, and everything that can be in the way."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.integration.http_api.ctl import Ctl
from tests.integration.http_api.http import Http
from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.certificates import Certificates
from tests.support.client import Client
from tests.support.users import cheap_hash

ODD_NAMES = ("..", "a/online", "offlines", "日本 語", "a%2Fb", "\x1b[2J")


@pytest.fixture(scope="module")
def ctl(node: BrokerProcess) -> Ctl:
    return Ctl.of(node)


@contextmanager
def clients(node: BrokerProcess, *names: str) -> Iterator[dict[str, Client]]:
    """Connected clients."""
    made = {name: Client(node.address, name) for name in names}
    try:
        for client in made.values():
            client.connect()
        yield made
    finally:
        for client in made.values():
            client.close()


def test_the_node(ctl: Ctl) -> None:
    status = ctl.good("status")
    assert ["cluster", "none,", "this", "node", "is", "alone"] in status.lines
    assert ["health", "can", "serve"] in status.lines
    assert ctl.good("status", "--json").json["cluster"] is None
    assert ctl.good("nodes").lines[1][:3] == ["1", "1", "Running"]
    assert ctl.good("nodes", "1", "--json").json["node_id"] == 1
    assert ctl.good("health").lines[1] == ["1", "yes", "-", "-"]
    assert ctl.good("health", "--node", "1", "--quiet").out == ""
    assert ctl.run("nodes", "9").code == 1


def test_clients_by_any_name(ctl: Ctl, node: BrokerProcess) -> None:
    with clients(node, *ODD_NAMES):
        rows = ctl.good("clients", "--json").json
        assert {row["clientid"] for row in rows} == set(ODD_NAMES)
        listed = ctl.good("clients", "--quiet").out
        assert "\x1b" not in listed and r"\x1b[2J" in listed.splitlines()
        assert len(ctl.good("clients", "--limit", "2").lines) == 3
        assert [row["clientid"] for row in ctl.good("clients", "--like", "onl", "--json").json] == ["a/online"]
        for name in ODD_NAMES:
            assert ctl.good("client", "--json", "--", name).json["clientid"] == name
        assert ["connected", "yes"] in ctl.good("client", "..").lines
        kicked = ctl.good("kick", "--", *ODD_NAMES)
        assert len(kicked.lines) == len(ODD_NAMES) and "\x1b" not in kicked.out
    assert ctl.good("clients", "--quiet").out == ""
    assert ctl.run("client", "..").code == ctl.run("kick", "..").code == 1


def test_every_filter_is_one_of_the_api(ctl: Ctl) -> None:
    args = "--like-user u --user-name u --address ::1 --connected --clean-start --resumed --protocol 3.1.1"
    args += " --created-from 2026-01-01 --created-to 2026-01-01 --connected-from 2026-01-01 --connected-to 2026-01-01"
    assert ctl.good("clients", *args.split(), "--queue-from", "0", "--queue-to", "1", "--json").json == []
    args = "--client c --topic t --match t --qos 1 --share g"
    assert ctl.good("subs", *args.split(), "--json").json == []


def test_messages(ctl: Ctl, node: BrokerProcess) -> None:
    with clients(node, "reader") as found:
        reader = found["reader"]
        reader.subscribe(("t/#", 1), ("$share/g/s", 0))
        assert ctl.good("subs", "--match", "t/x").lines[1][:3] == ["reader", "t/#", "1"]
        assert ctl.good("subs", "--share", "g", "--json").json[0]["clientid"] == "reader"
        assert ctl.good("routes", "t/x").lines[1] == ["t/#", "1"]
        assert len(ctl.good("routes", "--json").json) == 2
        assert ctl.good("routes", "nowhere").lines == [["topic", "filter", "node"]]
        args = ("--qos", "1", "--retain", "--client-id", "me", "--expiry", "90", "--content-type", "text/plain")
        more = ("--response-topic", "r", "--correlation-data", "id", "--text", "--property", "k=v")
        assert ctl.good("publish", "t/x", "hé", *args, *more).out == "published\n"
        message = reader.receive_publish("hé".encode())
        assert message.qos == 1
        assert dict(message.properties)[38] == ("k", "v")
        assert {3: "text/plain", 8: "r", 9: b"id", 1: 1}.items() <= dict(message.properties).items()
        ctl.good("publish", "t/y", "-", "-q", typed=b"\x00\xff")
        assert reader.receive_publish().payload == b"\x00\xff"
        assert ctl.good("publish", "t/y", "x", "--json").json == "ok"
    assert ctl.run("publish", "t/#", "x").code == 2
    assert ctl.run("publish", "$SYS/x", "x").code == 3
    table = ctl.good("retained", "t/#").lines
    assert table[1][:4] == ["t/x", "1", "3", "B"] and table[1][-1] == "hé"
    assert ctl.good("retained", "t/x", "--delete").out == "1 deleted\n"
    assert ctl.run("retained", "t/x", "--delete").code == 1
    for topic in ("t/1", "t/2"):
        ctl.good("publish", topic, "x", "--retain", "-q")
    assert ctl.run("retained", "t/+", "--delete").code == 2
    assert ctl.good("retained", "t/+", "--delete", "--yes").out == "2 deleted\n"
    assert ctl.good("retained", "t/#", "--json").json == []


def test_figures(ctl: Ctl, node: BrokerProcess) -> None:
    with clients(node, "one"):
        assert ["connections.count", "1"] in ctl.good("stats", "connections").lines
        assert ["connections.count", "1"] in ctl.good("stats", "connections", "--sum").lines
    assert "client.connected" in ctl.good("metrics", "--json").json[0]["metrics"]
    assert "client.connected" in ctl.good("metrics", "--sum", "--json").json
    assert ctl.good("metrics", "--node", "1", "--json").json["node"]["id"] == 1
    watched = ctl.good("metrics", "--sum", "--watch", "--count", "2", "--every", "0.1", "--json")
    assert len([json.loads(line) for line in watched.out.splitlines()]) == 2


def test_plugins(ctl: Ctl) -> None:
    names = [line[1] for line in ctl.good("plugins", "list").lines[1:]]
    assert {"rmq-acl", "rmq-http-api"} <= set(names)
    assert ["active", "yes"] in ctl.good("plugins", "show", "rmq-acl").lines
    assert ctl.good("plugins", "config", "rmq-http-api", "--node", "1", "--json").json["workers"] == 1
    for command, said in (("unload", "is stopped"), ("unload", "didn't run"), ("load", "runs")):
        assert ctl.good("plugins", command, "rmq-acl").out == f"node 1: rmq-acl {said}\n"
    assert ctl.good("plugins", "reload", "rmq-acl").out == "node 1: rmq-acl has read its configuration\n"
    assert ctl.run("plugins", "load", "no-such").code == ctl.run("plugins", "show", "no-such").code == 1
    assert ctl.run("plugins", "load", "rmq-acl", "--node", "9").code == 1


@pytest.mark.parametrize(
    "args",
    [
        "status",
        "join 1@127.0.0.1:1",
        "leave",
        "remove 2 --yes",
        "transfer-leader",
        "bootstrap --nodes 1",
        "backup /nowhere",
        "restore /nowhere --yes",
        "rescue --yes",
        "rebuild --yes",
        "drain 1",
        "undrain 1",
    ],
)
def test_a_node_alone_is_in_no_cluster(ctl: Ctl, args: str) -> None:
    ended = ctl.run("cluster", *args.split())
    assert ended.code == 1
    assert ended.err.splitlines()[-1] == "rmq-ctl: this node isn't in a cluster"


def test_who_asks(tmp_path: Path) -> None:
    """A certificate that has to be known, a token, a user who may only look, a password that is asked for."""
    certificates = Certificates(tmp_path)
    pair, authority = certificates.authority.server, certificates.authority.cafile
    user = f'[{{name="anna", password_hash="{cheap_hash("s3cret-of-anna")}", role="viewer"}}]'
    keys = {"tls.cert": pair.certfile, "tls.key": pair.keyfile, "http_bearer_token": "s3cret-of-tests", "users": user}
    node = BrokerProcess(tmp_path, [f"plugins.rmq-http-api.{key}={value}" for key, value in keys.items()])
    try:
        port = Http.of(node).port
        file = tmp_path / "token"
        file.write_text("s3cret-of-tests\n")
        url = f"https://localhost:{port}"
        known = Ctl(url)
        assert known.run("nodes").code == 4  # an authority that this machine doesn't know
        assert "certificate" in known.run("nodes").err.lower()
        trusted = ("--ca-file", authority)
        assert known.run("nodes", *trusted).code == 3
        assert known.run("nodes", "--insecure").code == 3
        assert known.run("nodes", *trusted, "--token", "wrong").code == 3
        assert known.good("nodes", *trusted, "--token-file", str(file)).lines[1][2] == "Running"
        assert Ctl(url, {"RMQ_API_TOKEN": "s3cret-of-tests"}).good(*trusted, "nodes").lines
        anna = Ctl(url, {"RMQ_API_PASSWORD": "s3cret-of-anna", "RMQ_API_USER": "anna"})
        assert anna.good("nodes", *trusted).lines
        assert anna.run("kick", "x", *trusted).code == 3
        asked = known.on_a_terminal(
            "nodes", *trusted, "--user", "anna", answer=("Password of anna:", "s3cret-of-anna\n")
        )
        assert asked.code == 0 and "Running" in asked.out and "s3cret" not in asked.out
        assert Ctl(f"http://localhost:{port}").run("nodes").code == 4  # plain HTTP to TLS
    finally:
        assert node.stop() == 0
    assert "s3cret" not in node.log and "Traceback" not in node.log


class _Stranger(http.server.BaseHTTPRequestHandler):
    """A web server that is somebody else's."""

    def do_GET(self) -> None:
        body = {"/html": b"<h1>It works</h1>", "/half": b'{"a": '}[self.path.removesuffix("/api/v1/nodes")]
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if body.startswith(b"<") else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the base has it
        """Nothing."""


def test_whoever_isnt_there_or_isnt_rmq(node: BrokerProcess) -> None:
    (nobody,) = free_ports(1)
    refused = Ctl(f"http://127.0.0.1:{nobody}").run("nodes")
    assert (refused.code, refused.out) == (4, "")
    assert refused.err == f"rmq-ctl: http://127.0.0.1:{nobody}: [Errno 111] Connection refused\n"
    assert Ctl("http://name.invalid").run("nodes").code == 4
    host, port = node.address
    assert Ctl(f"http://{host}:{port}").run("nodes", "--timeout", "5").code == 4  # MQTT
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        slow = Ctl(f"http://127.0.0.1:{silent.getsockname()[1]}").run("nodes", "--timeout", "0.2")
    assert slow.code == 4 and slow.err.endswith("no answer within 0.2 s\n")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Stranger)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        for path in ("html", "half"):
            ended = Ctl(f"http://127.0.0.1:{server.server_port}/{path}").run("nodes")
            assert ended.code == 4 and "that isn't the HTTP API of rmq" in ended.err
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_terminal_is_asked_and_isnt_overrun(ctl: Ctl, node: BrokerProcess) -> None:
    ctl.good("publish", "t/1", "x", "--retain", "-q")
    asked = ctl.on_a_terminal("retained", "t/#", "--delete", answer=("Do it? [y/N]", "n\n"))
    assert asked.code == 1 and "nothing was done" in asked.out
    asked = ctl.on_a_terminal("retained", "t/#", "--delete", answer=("Do it? [y/N]", "y\n"))
    assert asked.code == 0 and asked.out.endswith("1 deleted\n")
    with clients(node, "x" * 200, "\x1b]0;title\x07"):
        lines = ctl.on_a_terminal("clients", columns=80).out.splitlines()
        assert len(lines) == 3 and all(len(line) <= 80 for line in lines)
        assert "…" in lines[2] and "\x1b" not in "".join(lines)
        assert "x" * 200 in ctl.good("clients").out


def test_ctrl_c_and_a_closed_pipe_end_it_without_a_word(ctl: Ctl) -> None:
    watched = ctl.interrupted("metrics", "--watch", "--every", "60", "client.connected")
    assert (watched.code, watched.err) == (130, "")
    assert watched.lines[0] == ["metrics", "node", "1"]
    read, write = os.pipe()
    os.close(read)
    try:
        for args in (("metrics",), ("clients", "--json"), ("--help",)):
            ended = ctl.run_process(*args, stdout=write)
            assert (ended.code, ended.err) == (128 + signal.SIGPIPE, ""), args
    finally:
        os.close(write)


def test_a_full_disk(ctl: Ctl) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        for command in ("metrics", "--help"):
            ended = ctl.run_process(command, stdout=full)
            assert (ended.code, ended.err) == (7, "rmq-ctl: standard output: No space left on device\n")
    finally:
        os.close(full)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes(ctl: Ctl, tmp_path: Path) -> None:
    program = ctl.program(tmp_path)
    script = "source <(rmq-ctl completion bash) && COMP_WORDS=(rmq-ctl cl) COMP_CWORD=1"
    script += ' && _rmq_ctl_completion rmq-ctl && echo "${COMPREPLY[@]}"'
    variables = {**ctl.variables, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["client", "clients", "cluster"]


def test_the_api_can_be_stopped(tmp_path: Path) -> None:
    """The answer comes before the API ends; then nobody is there."""
    node = BrokerProcess(tmp_path, ['plugins.default_startups=["rmq-http-api"]'])
    try:
        ctl = Ctl.of(node)
        ended = ctl.good("plugins", "unload", "rmq-http-api", "--node", "1", "--yes")
        assert ended.out == "node 1: rmq-http-api is stopped\n"
    finally:
        assert node.stop() == 0
