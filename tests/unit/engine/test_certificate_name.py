"""The user name that a client's certificate gives it: it wins over CONNECT, and everybody sees it and no other."""

from __future__ import annotations

import pytest

from rmq.hooks.verdicts import AuthRequest, AuthResult
from rmq.net.connection import Connection
from tests.support.engine import Engine
from tests.support.packet_notation import V5, V311


class CertifyingEngine(Engine):
    """``names`` is what the certificate of every client says."""

    name: str | None = None

    def certificate_name(self, connection: Connection) -> str | None:
        """As a listener with TLS."""
        return self.name


@pytest.mark.parametrize(("said", "level"), [(None, V5), ("mallory", V5), ("mallory", V311), ("alice", V311)])
def test_it_replaces_what_connect_says_before_any_hook_sees_it(said: str | None, level: int) -> None:
    engine = CertifyingEngine()
    engine.name = "alice"
    heard: list[str | None] = []

    def authenticate(request: AuthRequest) -> AuthResult | None:
        heard.append(request.client.username)
        assert request.password == (b"secret" if said else None)
        return None

    engine.hooks.register("client_connect", lambda info, packet: heard.extend((info.username, packet.username)), "t", 1)
    engine.hooks.register("client_authenticate", authenticate, "t", 1)
    client = engine.connect("c", level, username=said, password=b"secret" if said else None)
    assert heard == ["alice"] * 3
    assert client.channel.info is not None and client.channel.info.username == "alice"
    assert engine.counters.client_auth_anonymous == 0


@pytest.mark.parametrize(("level", "code"), [(V5, 0x87), (V311, 5)])
def test_a_certificate_without_the_name_is_refused(level: int, code: int) -> None:
    engine = CertifyingEngine()
    engine.name = ""
    engine.connect("c", level, username="alice", password=b"x", code=code)
    assert engine.counters.client_connack_auth_error == 1


def test_where_names_are_not_taken_from_certificates_connect_has_the_word() -> None:
    client = CertifyingEngine().connect("c", username="bob")
    assert client.channel.info is not None and client.channel.info.username == "bob"
