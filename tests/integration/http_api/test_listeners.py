"""Several listeners: the ports of other brokers, dialects, what comes, changes and goes while requests are made."""

from __future__ import annotations

import base64
import http.client
import re
import socket
import threading
from pathlib import Path
from typing import Final

import pytest

from tests.integration.http_api.http import Http
from tests.integration.node.node_command import failed_start
from tests.integration.node.watched_node import WatchedNode
from tests.support.broker_process import BrokerProcess, free_ports

FIRST: Final = {"Authorization": "Basic " + base64.b64encode(b"admin:public").decode()}
# A path of each dialect that says whether it is served.
PATHS: Final = {
    "rmqtt_v1": "/api/v1/brokers",
    "nanomq_v4": "/api/v4/brokers",
    "emqx_v2": "/api/v2/management/nodes",
    "emqx_v5": "/api/v5/error_codes",
}
COMPAT: Final = {8080: {"emqx_v2"}, 8081: {"nanomq_v4"}, 18083: {"emqx_v5"}}


def served(api: Http) -> set[str]:
    """The dialects that answer there."""
    found = set()
    for dialect, path in PATHS.items():
        status = api.ask("GET", path, headers=FIRST).status
        assert status in (200, 404), (dialect, status)
        if status == 200:
            found.add(dialect)
    return found


def is_taken(port: int) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def test_two_other_brokers_at_once(tmp_path: Path) -> None:
    if any(is_taken(port) for port in COMPAT):
        pytest.skip(f"somebody else has one of the ports {sorted(COMPAT)}")
    node = BrokerProcess(tmp_path, arguments=["--compat", "emqx", "--compat", "nanomq"])
    try:
        main = Http.of(node)
        addresses = re.findall(r"listens  (127\.0\.0\.1:\d+) \(rmq-http-api\)", node.log)
        assert sorted(addresses) == sorted(f"127.0.0.1:{port}" for port in (*COMPAT, int(addresses[0][10:])))
        assert served(Http(int(addresses[0][10:]))) == set(PATHS)
        for port, dialects in COMPAT.items():
            assert served(Http(port)) == dialects
            assert Http(port).ask("GET", "/health/ready").status == 200
        nanomq = Http(8081).send("POST", "/api/v1", b'{"req": 2, "seq": 7}', FIRST)
        assert nanomq.status == 200 and nanomq.json["seq"] == 7
        assert main.port in COMPAT, "the last line is one of theirs"
    finally:
        assert node.stop() == 0
    assert "Traceback" not in node.log


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        lines = failed_start(
            tmp_path,
            *("--data-dir", str(tmp_path / "data"), "--set", "listener.tcp.external.addr=127.0.0.1:0"),
            *("--set", "listener.ws.external.enable=false"),
            *("--set", f'plugins.rmq-http-api.listener=[{{addr="{address}"}}]'),
        )
    assert lines == [f"rmq-node: plugins.rmq-http-api: {address}: Address already in use"]


@pytest.mark.parametrize(
    ("flags", "key", "value", "text"),
    [
        ((), "listener", '[{addr="127.0.0.1:1", dialects=["emqx_v3"]}]', "emqx_v5"),
        ((), "listener", '[{addr="127.0.0.1:1", dialects=[]}]', "dialects"),
        ((), "listener", '[{addr="127.0.0.1:1", tls={cert="a.pem"}}]', "cert and key go together"),
        ((), "listener", '[{addr="127.0.0.1:9"}, {addr="127.0.0.1:9"}]', "127.0.0.1:9 is there twice"),
        (("--compat", "nanomq"), "listener", '[{addr="0.0.0.0:8081"}]', "127.0.0.1:8081 is there twice"),
        ((), "compat", '["rabbitmq"]', "nanomq"),
    ],
)
def test_a_bad_key_is_named(tmp_path: Path, flags: tuple[str, ...], key: str, value: str, text: str) -> None:
    lines = failed_start(
        tmp_path,
        *("--data-dir", str(tmp_path / "data"), "--set", "listener.tcp.external.addr=127.0.0.1:0"),
        *("--set", "listener.ws.external.enable=false", *flags),
        *("--set", f"plugins.rmq-http-api.{key}={value}"),
    )
    assert len(lines) == 1 and text in lines[0] and "rmq-http-api" in lines[0], lines


def written(ports: list[int], *dialects: str, token: str = "") -> str:
    """A configuration: the first port is that of everything, each further one has one dialect."""
    lines = [f'http_laddr = "127.0.0.1:{ports[0]}"', f'http_bearer_token = "{token}"', 'loopback_is_open = "always"']
    for port, dialect in zip(ports[1:], dialects, strict=True):
        lines += ["[[listener]]", f'addr = "127.0.0.1:{port}"', f'dialects = ["{dialect}"]']
    return "\n".join(lines) + "\n"


def test_listeners_come_change_and_go_while_requests_come(tmp_path: Path) -> None:
    main, second, third = free_ports(3)
    (tmp_path / "node.toml").write_text('[plugins]\ndefault_startups = ["rmq-http-api"]\n')
    keys = tmp_path / "plugins" / "rmq-http-api.toml"
    keys.parent.mkdir()
    keys.write_text(written([main, second], "emqx_v2"))
    node = WatchedNode(tmp_path, api_anywhere=False)
    api = Http(main)
    ended, answers = threading.Event(), []

    def ask_on() -> None:
        while not ended.is_set():
            answers.append(api.ask("GET", "/health/live").status)

    asking = threading.Thread(target=ask_on)
    kept = http.client.HTTPConnection("127.0.0.1", second, timeout=20)
    try:
        assert served(Http(second)) == {"emqx_v2"} and served(api) == set(PATHS)
        asking.start()
        kept.request("GET", PATHS["emqx_v2"], headers=FIRST)
        assert kept.getresponse().read().startswith(b'{"code":0')
        for text in (written([main, second, third], "emqx_v5", "emqx_v2"), written([main, third], "nanomq_v4")):
            keys.write_text(text)
            assert api.ask("PUT", "/api/v1/plugins/1/rmq-http-api/config/reload").text == "ok"
            if "emqx_v5" in text:
                # The connection that was there before has the new dialects too.
                kept.request("GET", PATHS["emqx_v5"], headers=FIRST)
                assert kept.getresponse().read().startswith(b"[")
                assert served(Http(second)) == {"emqx_v5"} and served(Http(third)) == {"emqx_v2"}
        assert served(Http(third)) == {"nanomq_v4"}
        with pytest.raises(OSError):
            Http(second).ask("GET", "/health/live")
        # Where one of them can't be had nothing changes at all.
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            keys.write_text(written([main, third, taken.getsockname()[1]], "emqx_v5", "emqx_v2"))
            refused = api.ask("PUT", "/api/v1/plugins/1/rmq-http-api/config/reload")
        assert (refused.status, refused.json["code"]) == (409, "PLUGIN_REFUSED")
        assert served(Http(third)) == {"nanomq_v4"}
        attrs = api.get("/api/v1/plugins/1/rmq-http-api")["attrs"]
        assert attrs["addresses"] == [f"127.0.0.1:{main}", f"127.0.0.1:{third}"]
        assert attrs["requests"] > len(answers) > 0
    finally:
        ended.set()
        if asking.is_alive():
            asking.join()
        kept.close()
        node.kill()
    assert set(answers) == {200}
    assert not any("Traceback" in line for line in node.lines)
