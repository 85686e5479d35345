"""Published keys from a real web server; what time it is for them a test says."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog
import trio
from rmq_http_api.bearers import TokenRefused
from rmq_http_api.tokens import TokenRules, Tokens, keys_of_set

from rmq.plugin_api.fetching import MAX_BYTES, FetchFailed, fetcher
from rmq.plugin_api.published_keys import AT_MOST_EVERY_S, PublishedKeys
from tests.support.certificates import Certificates
from tests.support.issuer import Issuer
from tests.support.signed_tokens import EC, OTHER_RSA, RSA, signed

RULES = TokenRules(("RS256", "ES256"), (), "", 0.0, "sub", "role", {"viewer": "viewer"}, "")


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.close()


class Clock:
    """Goes on when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def judging(issuer: Issuer, clock: Clock) -> AsyncIterator[Tokens]:
    keys = PublishedKeys(fetcher(issuer.url, 10.0, ""), keys_of_set, 3600.0, 10.0, structlog.get_logger(), clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keys.run)
        yield Tokens(RULES, (), keys)
        keys.stop()


async def test_a_key_that_isnt_known_is_looked_for_but_not_all_the_time(issuer: Issuer) -> None:
    clock = Clock()
    issuer.publish(one=RSA)
    async with judging(issuer, clock) as tokens:
        assert (await tokens.identify(signed(RSA, "RS256", {"kid": "one"}))).name == "anna"
        assert issuer.asked == 1
        issuer.publish(two=OTHER_RSA, three=EC)
        newer = signed(OTHER_RSA, "RS256", {"kid": "two"})
        for _ in range(20):
            with pytest.raises(TokenRefused):
                await tokens.identify(newer)
        assert issuer.asked == 1
        clock.now += AT_MOST_EVERY_S
        assert (await tokens.identify(newer)).name == "anna"
        assert (await tokens.identify(signed(EC, "ES256", {"kid": "three"}))).name == "anna"
        with pytest.raises(TokenRefused):  # the issuer has taken it back
            await tokens.identify(signed(RSA, "RS256", {"kid": "one"}))
        assert issuer.asked == 2


async def test_while_the_address_is_down_old_keys_count(issuer: Issuer) -> None:
    clock = Clock()
    issuer.publish(one=RSA)
    async with judging(issuer, clock) as tokens:
        known = signed(RSA, "RS256", {"kid": "one"})
        await tokens.identify(known)
        issuer.answer = lambda: (500, b"")
        clock.now += AT_MOST_EVERY_S
        with pytest.raises(TokenRefused):
            await tokens.identify(signed(OTHER_RSA, "RS256", {"kid": "two"}))
        assert issuer.asked == 2
        assert (await tokens.identify(known)).name == "anna"


@pytest.mark.parametrize(
    ("status", "size", "reason"),
    [(200, MAX_BYTES + 1, "more than"), (204, 0, "204"), (302, 0, "302"), (404, 5, "404"), (500, 5, "500")],
)
async def test_what_is_no_answer(issuer: Issuer, status: int, size: int, reason: str) -> None:
    issuer.answer = lambda: (status, b"x" * size)
    with pytest.raises(FetchFailed, match=reason):
        await fetcher(issuer.url, 10.0, "")()
    assert issuer.asked == 1


async def test_an_answer_may_be_as_large_as_that(issuer: Issuer) -> None:
    issuer.answer = lambda: (200, b"x" * MAX_BYTES)
    assert len(await fetcher(issuer.url, 10.0, "")()) == MAX_BYTES


async def test_nobody_waits_longer_than_is_said(issuer: Issuer) -> None:
    issuer.be_silent()
    with pytest.raises(FetchFailed, match=r"0\.2 s"), trio.fail_after(10):
        await fetcher(issuer.url, 0.2, "")()


async def test_the_environments_proxies_are_for_others(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    issuer.answer = lambda: (200, b"{}")
    assert await fetcher(issuer.url, 10.0, "")() == b"{}"


async def test_only_certificates_that_are_trusted(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    pair = certificates.authority.server
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certfile, pair.keyfile)
    issuer = Issuer(tls)
    try:
        issuer.answer = lambda: (200, b"{}")
        assert await fetcher(issuer.url, 10.0, certificates.authority.cafile)() == b"{}"
        with pytest.raises(FetchFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await fetcher(issuer.url, 10.0, "")()
        assert issuer.asked == 1
    finally:
        issuer.close()
