"""Tokens of an issuer with a web server, judged by a real node: fetched keys, new keys, no keys."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.http_api.http import Http
from tests.support.broker_process import BrokerProcess
from tests.support.issuer import Issuer
from tests.support.signed_tokens import EC, OTHER_RSA, RSA, SECRET, signed

READ = "/api/v1/brokers"
WAIT_S = 20.0


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.close()


def keys(issuer: Issuer, *more: str) -> list[str]:
    jwt = {
        "algorithms": '["RS256","ES256"]',
        "jwks_url": issuer.url,
        "jwks_timeout": "1s",
        "audience": '["rmq"]',
        "issuer": issuer.url,
    }
    return [*(f"plugins.rmq-http-api.jwt.{key}={value}" for key, value in jwt.items()), *more]


def token(issuer: Issuer, key: object = RSA, name: str = "RS256", kid: str = "one", **claims: object) -> dict[str, str]:
    found = signed(key, name, {"kid": kid}, **{"iss": issuer.url, "aud": "rmq", **claims})
    return {"Authorization": f"Bearer {found}"}


def until(what: str, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.02)


def test_tokens_are_judged_by_what_their_issuer_publishes(tmp_path: Path, issuer: Issuer) -> None:
    issuer.publish(one=RSA, two=EC)
    node = BrokerProcess(tmp_path, keys(issuer))
    try:
        api = Http.of(node)
        assert api.ask("GET", READ).status == 401, "the loopback is closed"
        until("the keys are there", lambda: "the keys of tokens are there" in node.log)
        assert api.ask("GET", READ, headers=token(issuer)).status == 200
        assert api.ask("GET", READ, headers=token(issuer, EC, "ES256", "two")).status == 200
        assert api.ask("DELETE", "/api/v1/clients/a", headers=token(issuer)).status == 403
        assert api.ask("DELETE", "/api/v1/clients/a", headers=token(issuer, role="administrator")).status == 404
        for wrong in ({"aud": "other"}, {"iss": "other"}, {"exp": 1}, {"role": "root"}):
            assert api.ask("GET", READ, headers=token(issuer, **wrong)).status == 401, wrong
        for name in ("one", "three"):
            assert api.ask("GET", READ, headers=token(issuer, OTHER_RSA, kid=name)).status == 401
    finally:
        assert node.stop() == 0
    assert "Traceback" not in node.log
    config = [line for line in node.log.splitlines() if '"user":"anna"' in line]
    assert len(config) == 1 and '"how":"jwt"' in config[0], "what was changed is in the log in that name"


def test_a_reload_has_newer_keys_and_keeps_old_ones_that_are_not_to_be_had(tmp_path: Path, issuer: Issuer) -> None:
    issuer.publish(one=RSA)
    node = BrokerProcess(tmp_path, keys(issuer, "plugins.rmq-http-api.loopback_is_open=always"))
    try:
        api = Http.of(node)
        until("the keys are there", lambda: "the keys of tokens are there" in node.log)
        issuer.answer = lambda: (500, b"")
        assert api.ask("PUT", "/api/v1/plugins/1/rmq-http-api/config/reload").status == 200
        until("it was asked again", lambda: issuer.asked >= 2)
        assert api.ask("GET", READ, headers=token(issuer)).status == 200
        issuer.publish(three=OTHER_RSA)
        assert api.ask("PUT", "/api/v1/plugins/1/rmq-http-api/config/reload").status == 200
        until("it was asked once more", lambda: issuer.asked >= 3)
        newer = token(issuer, OTHER_RSA, kid="three")
        until("the new key counts", lambda: api.ask("GET", READ, headers=newer).status == 200)
        assert api.ask("GET", READ, headers=token(issuer)).status == 401
        shown = api.get("/api/v1/plugins/1/rmq-http-api/config")
        assert shown["jwt"]["jwks_url"] == issuer.url and shown["jwt"]["secret"] == ""
    finally:
        assert node.stop() == 0
    assert "Traceback" not in node.log


@pytest.mark.parametrize("trouble", ["silent", "too much", "elsewhere", "garbage", "gone"])
def test_an_issuer_in_trouble_stops_nobody(tmp_path: Path, issuer: Issuer, trouble: str) -> None:
    if trouble == "silent":
        issuer.be_silent()
    elif trouble == "too much":
        issuer.answer = lambda: (200, b" " * 300_000)
    elif trouble == "elsewhere":
        issuer.answer = lambda: (302, b"")
    elif trouble == "garbage":
        issuer.answer = lambda: (200, b"<html>")
    else:
        issuer.close()
    sets = keys(issuer, "plugins.rmq-http-api.http_bearer_token=s3cret-of-tests")
    node = BrokerProcess(tmp_path, sets)
    try:
        api = Http.of(node)
        for _ in range(12):  # more than failures may be
            answer = api.ask("GET", READ, headers=token(issuer))
            assert (answer.status, answer.json["code"]) == (503, "KEYS_UNAVAILABLE") and answer.headers["retry-after"]
        assert api.ask("GET", READ, headers={"Authorization": "Bearer s3cret-of-tests"}).status == 200
        reasons = {
            "silent": "no answer within 1 s",
            "too much": "more than 262144 bytes",
            "elsewhere": "the answer is 302",
            "garbage": "isn't JSON",
            "gone": f"connect to 127.0.0.1:{issuer.port} failed",
        }
        until("it is told", lambda: "the keys of tokens can't be fetched" in node.log)
        assert reasons[trouble] in node.log
        assert node.log.count("the keys of tokens can't be fetched") == 1
    finally:
        assert node.stop() == 0
    assert "Traceback" not in node.log


def test_a_secret_in_a_file_and_what_is_shown_of_it(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    sets = ['plugins.rmq-http-api.jwt.algorithms=["HS256"]', f"plugins.rmq-http-api.jwt.secret_file={file}"]
    node = BrokerProcess(tmp_path, sets)
    try:
        api = Http.of(node)
        good = {"Authorization": f"Bearer {signed(role='administrator')}"}
        shown = api.ask("GET", "/api/v1/plugins/1/rmq-http-api/config", headers=good).json
        assert shown["jwt"]["secret_file"] == str(file) and shown["jwt"]["algorithms"] == ["HS256"]
        assert api.ask("GET", READ, headers={"Authorization": f"Bearer {signed(SECRET[:-1] + '!')}"}).status == 401
        file.write_text(SECRET[::-1])
        assert api.ask("GET", READ, headers=good).status == 200, "a change is seen at the next reload"
        assert api.ask("PUT", "/api/v1/plugins/1/rmq-http-api/config/reload", headers=good).status == 200
        assert api.ask("GET", READ, headers=good).status == 401
        file.write_text("short")
        newer = {"Authorization": f"Bearer {signed(SECRET[::-1], role='administrator')}"}
        refused = api.ask("PUT", "/api/v1/plugins/1/rmq-http-api/config/reload", headers=newer)
        assert (refused.status, refused.json["code"]) == (409, "PLUGIN_REFUSED")
        assert "jwt.secret_file: a secret has at least 32 bytes" in refused.json["message"]
        assert api.ask("GET", READ, headers=newer).status == 200, "it goes on as before"
    finally:
        assert node.stop() == 0
    assert SECRET not in node.log and "Traceback" not in node.log
