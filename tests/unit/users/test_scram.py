"""SCRAM-SHA-256 as the server: the exchange of RFC 7677, and every message that must not do."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest

from rmq.users.saslprep import prepared_stored
from rmq.users.scram import LONGEST_MESSAGE, Exchange, ScramError, Verifier, fake_verifier, verifier
from tests.support.scram_client import ScramClient

# RFC 7677, section 3.
SALT = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
CLIENT_FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
SERVER_FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
CLIENT_FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
PENCIL = verifier("pencil", SALT, 4096)


def pencil(name: str) -> Verifier:
    return PENCIL


def begun(first: bytes = CLIENT_FIRST) -> Exchange:
    exchange = Exchange()
    exchange.first(first, pencil, SERVER_NONCE)
    return exchange


def test_the_exchange_of_rfc_7677() -> None:
    exchange = Exchange()
    assert exchange.first(CLIENT_FIRST, pencil, SERVER_NONCE) == SERVER_FIRST
    assert exchange.username == "user"
    assert exchange.final(CLIENT_FINAL) == SERVER_FINAL


@pytest.mark.parametrize("gs2", ["n,,", "y,,", "n,a=user,", "y,a=user,"])
def test_what_a_client_may_say_before(gs2: str) -> None:
    client = ScramClient("user", "pencil", gs2=gs2)
    exchange = Exchange()
    answer = client.final(exchange.first(client.first, pencil, SERVER_NONCE))
    assert exchange.final(answer) == client.signature


@pytest.mark.parametrize("name", ["a,b", "=", "a=2Cb", "a b", "#", "$SYS/x", "ü"])
def test_names_with_anything_in_them(name: str) -> None:
    client = ScramClient(name, "pencil")
    exchange = Exchange()
    asked: list[str] = []

    def known(user: str) -> Verifier:
        asked.append(user)
        return PENCIL

    assert exchange.final(client.final(exchange.first(client.first, known, SERVER_NONCE))) == client.signature
    assert asked == [exchange.username] == [name]


def test_names_are_prepared() -> None:
    assert begun("n,,n=I\u00adX,r=abc".encode()).username == "IX"


def test_extensions_that_may_be_ignored_are() -> None:
    client = ScramClient("user", "pencil", extension=",x=anything,y=else")
    exchange = Exchange()
    assert exchange.final(client.final(exchange.first(client.first, pencil, SERVER_NONCE))) == client.signature


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"n",
        b"n,",
        b"n,,",
        b"n,,n=user",
        b"n,,r=abc,n=user",
        b"n,,n=,r=abc",
        b"n,,n=user,r=",
        b"n,,n=user,r=a\x7fb",
        b"n,,n=user,r=a b",
        b"n,,n=user,r=" + b"x" * 257,
        b"n,,n=user,r=abc,",
        b"n,,n=user,r=abc,xx",
        b"n,,n=a=b,r=abc",
        b"n,,n=a=2c,r=abc",
        b"n,,n=a\0b,r=abc",
        b"n,,n=a\x07b,r=abc",
        b"n,,n=\xff,r=abc",
        b"n,,m=x,n=user,r=abc",
        b"p=tls-unique,,n=user,r=abc",
        b"p=tls-exporter,,n=user,r=abc",
        b"x,,n=user,r=abc",
        b",,n=user,r=abc",
        b"n,a=root,n=user,r=abc",
        b"n,user,n=user,r=abc",
        b"N,,n=user,r=abc",
        "n,,n=\u00ad,r=abc".encode(),
        b"n,,n=" + b"x" * LONGEST_MESSAGE + b",r=abc",
    ],
)
def test_first_messages_that_are_refused(first: bytes) -> None:
    with pytest.raises(ScramError):
        Exchange().first(first, pencil, SERVER_NONCE)


NONCE = b"rOprNGfwEbeRWgbNEkqO" + SERVER_NONCE.encode()
PROOF = b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="


@pytest.mark.parametrize(
    "final",
    [
        b"",
        b"c=biws",
        b"c=biws,r=" + NONCE,
        b"r=" + NONCE + b",p=" + PROOF,
        b"c=biws,p=" + PROOF,
        b"c=eSws,r=" + NONCE + b",p=" + PROOF,  # "y,," after "n,,": somebody in between changed it
        b"c=,r=" + NONCE + b",p=" + PROOF,
        b"c=biws,r=" + NONCE + b"x,p=" + PROOF,
        b"c=biws,r=" + NONCE[:-1] + b",p=" + PROOF,
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO,p=" + PROOF,
        b"c=biws,r=" + NONCE + b",p=",
        b"c=biws,r=" + NONCE + b",p=!",
        b"c=biws,r=" + NONCE + b",p=AAAA",
        b"c=biws,r=" + NONCE + b",p=" + PROOF + b"AAAA",
        b"c=biws,r=" + NONCE + b",xx,p=" + PROOF,
        b"\xff",
        b"c=biws,r=" + NONCE + b",x=" + b"y" * LONGEST_MESSAGE + b",p=" + PROOF,
    ],
)
def test_final_messages_that_are_refused(final: bytes) -> None:
    with pytest.raises(ScramError):
        begun().final(final)


def test_a_final_message_comes_second() -> None:
    with pytest.raises(ScramError):
        Exchange().final(CLIENT_FINAL)


@pytest.mark.parametrize("proof", [bytes(32), b64decode(PROOF)[:-1] + b"\0"])
def test_a_wrong_proof_is_no_error_but_no(proof: bytes) -> None:
    assert begun().final(b"c=biws,r=" + NONCE + b",p=" + b64encode(proof)) is None


def test_a_wrong_password() -> None:
    client = ScramClient("user", "Pencil")
    exchange = Exchange()
    assert exchange.final(client.final(exchange.first(client.first, pencil, SERVER_NONCE))) is None


def test_passwords_are_prepared_before_a_verifier_is_made() -> None:
    assert verifier(prepared_stored("p\u00adencil"), SALT, 4096).stored_key == PENCIL.stored_key


def test_an_unknown_user_has_the_same_salt_whenever_asked() -> None:
    first, again = (fake_verifier(b"k" * 32, "nobody", 4096) for _ in range(2))
    assert (first.salt, first.stored_key, first.iterations) == (again.salt, again.stored_key, 4096)
    assert len(first.salt) == len(SALT) and len(first.stored_key) == len(PENCIL.stored_key)
    others = [fake_verifier(b"k" * 32, "somebody", 4096), fake_verifier(b"l" * 32, "nobody", 4096)]
    assert len({first.salt, *(other.salt for other in others)}) == 3
    assert len({first.salt, first.stored_key[:16], first.server_key[:16]}) == 3
