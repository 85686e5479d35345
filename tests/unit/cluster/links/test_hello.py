"""The messages of the handshake: what is refused, and that a proof is good for one handshake, side and channel only."""

from __future__ import annotations

import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rmq_cluster.links.hello import (
    DIALLER,
    LISTENER,
    MAGIC,
    MAX_FIELDS,
    MAX_REASON,
    WIRE_VERSION,
    Hello,
    Refused,
    check_dialler,
    check_listener,
    check_proof,
    check_ready,
    make_key,
    make_ready,
    pack_fields,
    pack_rejection,
    prove,
    read_hello,
    say_hello,
)

from rmq.storage.packing import pack

KEY = make_key(b"secret")
RUN = b"r" * 16


def hellos(dialler: int = 2, listener: int = 1, channel: int = 0, attempt: int = 1) -> tuple[Hello, Hello]:
    return (
        say_hello(dialler, DIALLER, listener, channel, RUN, attempt),
        say_hello(listener, LISTENER, dialler, channel, RUN, attempt),
    )


def refusal(function: Any, *arguments: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        function(*arguments)
    return caught.value


def test_a_hello_is_read_as_it_was_said() -> None:
    said = say_hello(7, DIALLER, 3, 1, RUN, 42)
    read = read_hello(said.packed, DIALLER)
    for name in ("node", "side", "to", "channel", "nonce", "run", "attempt", "packed"):
        assert getattr(read, name) == getattr(said, name)


def test_each_hello_has_a_nonce_of_its_own() -> None:
    assert say_hello(2, DIALLER, 1, 0, RUN, 1).nonce != say_hello(2, DIALLER, 1, 0, RUN, 1).nonce


def test_another_version_is_named_beside_ours() -> None:
    """Its HELLO may be anything behind the first three fields."""
    found = refusal(read_hello, pack([MAGIC, WIRE_VERSION + 1, 9, {"all": "new"}]), DIALLER)
    assert found.kind == "wire_version"
    assert "node 9" in str(found)
    assert f"version {WIRE_VERSION + 1} " in str(found)
    assert str(found).endswith(f"this node {WIRE_VERSION}")


GOOD: list[Any] = [MAGIC, WIRE_VERSION, 2, DIALLER, 1, 0, b"n" * 32, RUN, 1]


def test_the_good_one_is_good() -> None:
    assert read_hello(pack(GOOD), DIALLER).node == 2


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, "mqtt"),
        (1, "1"),
        (1, True),
        (2, -1),
        (2, 1 << 63),
        (2, None),
        (3, LISTENER),
        (3, "0"),
        (4, 1.0),
        (5, 2),
        (5, b""),
        (6, b"n" * 31),
        (6, "n" * 32),
        (7, b""),
        (8, -1),
    ],
)
def test_no_hello(at: int, value: object) -> None:
    fields = [*GOOD]
    fields[at] = value
    assert refusal(read_hello, pack(fields), DIALLER).kind == "malformed"


@pytest.mark.parametrize("fields", [[], [MAGIC], GOOD[:-1], [*GOOD, 0]])
def test_no_hello_by_length(fields: list[object]) -> None:
    assert refusal(read_hello, pack(fields), DIALLER).kind == "malformed"


@given(st.binary(max_size=200))
def test_bytes_of_strangers_are_refused_and_nothing_else(data: bytes) -> None:
    assert refusal(read_hello, data, DIALLER).kind == "malformed"
    assert refusal(check_ready, data + b"\xc1").kind == "malformed"


@pytest.mark.parametrize("data", [b"\x91" * 4096, b"\xdd\xff\xff\xff\xff", b"\x81\x90\x00", b"\xc6\xff\xff\xff\xff"])
def test_deep_and_huge_lists_are_refused(data: bytes) -> None:
    assert refusal(read_hello, data, DIALLER).kind == "malformed"


def test_a_listener_looks_who_dials() -> None:
    check_dialler(hellos(2, 1)[0], 1)
    assert refusal(check_dialler, hellos(1, 1)[0], 1).kind == "wrong_peer"
    assert refusal(check_dialler, hellos(2, 3)[0], 1).kind == "wrong_peer"
    assert refusal(check_dialler, hellos(2, 3)[0], 3).kind == "wrong_direction"


def test_a_dialler_looks_who_answers() -> None:
    ours, theirs = hellos(3, 1)
    check_listener(theirs, ours)
    found = refusal(check_listener, hellos(3, 2)[1], ours)
    assert found.kind == "wrong_peer"
    assert str(found) == "node 2 answered where node 1 should be"
    for other in (hellos(4, 1)[1], hellos(3, 1, channel=1)[1], hellos(3, 1, attempt=2)[1]):
        assert refusal(check_listener, other, ours).kind == "malformed"


@pytest.mark.parametrize("side", [DIALLER, LISTENER])
def test_a_proof_carries_what_the_node_tells(side: int) -> None:
    dialler, listener = hellos()
    proof = prove(KEY, side, dialler, listener, pack_fields(["cluster", 7, None]))
    assert check_proof(KEY, side, dialler, listener, proof) == ["cluster", 7, None]


def test_a_proof_is_good_for_nothing_else() -> None:
    """Another secret, the other side (a reflection), another handshake between the same nodes, another channel."""
    dialler, listener = hellos()
    proof = prove(KEY, DIALLER, dialler, listener, pack_fields([]))
    again, _ = hellos()
    _, other_answer = hellos()
    other_channel = hellos(channel=1)
    for key, side, one, two in [
        (make_key(b"Secret"), DIALLER, dialler, listener),
        (make_key(b""), DIALLER, dialler, listener),
        (KEY, LISTENER, dialler, listener),
        (KEY, DIALLER, again, listener),
        (KEY, DIALLER, dialler, other_answer),
        (KEY, DIALLER, *other_channel),
        (KEY, DIALLER, listener, dialler),
    ]:
        assert refusal(check_proof, key, side, one, two, proof).kind == "bad_proof"
    assert check_proof(KEY, DIALLER, dialler, listener, proof) == []


def test_each_byte_of_a_proof_counts() -> None:
    dialler, listener = hellos()
    proof = prove(KEY, DIALLER, dialler, listener, pack_fields(["x"]))
    for at in range(len(proof)):
        changed = bytearray(proof)
        changed[at] ^= 1
        assert refusal(check_proof, KEY, DIALLER, dialler, listener, bytes(changed)).kind == "bad_proof"
    for cut in (b"", proof[:31], proof[:32], proof[:-1], proof + b"\x00"):
        assert refusal(check_proof, KEY, DIALLER, dialler, listener, cut).kind == "bad_proof"


def test_nothing_behind_a_wrong_proof_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    dialler, listener = hellos()
    decoded: list[object] = []
    monkeypatch.setattr("rmq_cluster.links.hello.unpack", decoded.append)
    assert refusal(check_proof, KEY, DIALLER, dialler, listener, bytes(32) + pack([None, []])).kind == "bad_proof"
    assert decoded == []


def test_proofs_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []

    def compare(one: bytes, two: bytes) -> bool:
        compared.append(len(two))
        return False

    monkeypatch.setattr(hmac, "compare_digest", compare)
    dialler, listener = hellos()
    good = prove(KEY, DIALLER, dialler, listener, pack_fields([]))
    assert refusal(check_proof, KEY, DIALLER, dialler, listener, good).kind == "bad_proof"
    assert compared == [32]


def test_a_rejection_is_proved_too() -> None:
    dialler, listener = hellos()
    proof = prove(KEY, LISTENER, dialler, listener, pack_rejection("another cluster"))
    found = refusal(check_proof, KEY, LISTENER, dialler, listener, proof)
    assert (found.kind, str(found)) == ("rejected_by_peer", "refused by the peer: another cluster")


@pytest.mark.parametrize("told", [[], [None], [None, None], [None, [], 1], [1, []], ["x" * (MAX_REASON + 1), []]])
def test_a_proof_of_nonsense(told: list[object]) -> None:
    dialler, listener = hellos()
    proof = prove(KEY, LISTENER, dialler, listener, pack(told))
    assert refusal(check_proof, KEY, LISTENER, dialler, listener, proof).kind == "malformed"


def test_what_a_node_tells_is_bounded() -> None:
    pack_fields([b"x" * (MAX_FIELDS - 10)])
    with pytest.raises(ValueError, match="3072 are allowed"):
        pack_fields([b"x" * MAX_FIELDS])


def test_ready() -> None:
    check_ready(make_ready(None))
    assert refusal(check_ready, make_ready("no")).kind == "rejected_by_peer"
    assert refusal(check_ready, pack([None, 1])).kind == "malformed"


def test_a_key_does_not_show_its_secret() -> None:
    key = make_key(b"hush")
    assert "hush" not in repr(key) + str(vars(key) if hasattr(key, "__dict__") else "")
