"""The users as hook handlers: who is let in, what that costs, what is remembered, and what a reload changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
import structlog
import trio
from trio.testing import wait_all_tasks_blocked

from rmq.hooks.chains import HookChains
from rmq.hooks.registry import HookRegistry
from rmq.hooks.verdicts import ALLOW, DENY, LATER, AuthRequest, AuthResult, EnhancedAuthRequest
from rmq.metrics.counters import Counters
from rmq.session.client_info import ClientInfo
from rmq.users import Users, UsersFileError, hashing
from rmq.users.scram import fake_verifier
from tests.support.scram_client import METHOD, ScramClient
from tests.support.users import FILE_SECRET, HEAD, cheap_hash, user, write

BAD_LOGIN: Final = 0x86
BUSY: Final = 0x89

Verified = Callable[[str, bytes], bool]


class Bench:
    """Users of a file that tests write; ``checked`` are the hashes that passwords were held against."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counters = Counters()
        self.time = 0.0
        self.checked: list[str] = []

    def users(self, threads: int = 1, queue_limit: int = 10, cache_ttl_s: float = 100.0) -> Users:
        return Users(self.path, self.counters, lambda: self.time, threads, queue_limit, cache_ttl_s)


def client(name: str | None) -> ClientInfo:
    return ClientInfo(1, "c", name, 5, "192.0.2.1", 5000, "tcp.external", 1883)


def request(name: str | None, password: bytes | None = None) -> AuthRequest:
    return AuthRequest(client(name), password)


async def verdict(users: Users, name: str, password: bytes | None) -> tuple[int, int, bool]:
    result = await users.authenticate(request(name, password))
    assert result is not None
    return result.verdict, 0 if result.verdict == ALLOW else result.reason_code, result.superuser


LET_IN: Final = (ALLOW, 0, False)
REFUSED: Final = (DENY, BAD_LOGIN, False)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path / "users")
    write(made.path, user("alice", "secret"), user("root", "toor", superuser=True), user("plain", "text", scram=False))
    real = hashing.verified

    def watched(written: str, password: bytes) -> bool:
        made.checked.append(written)
        return real(written, password)

    monkeypatch.setattr(hashing, "verified", watched)
    return made


async def test_by_user_name_and_password(bench: Bench) -> None:
    users = bench.users()
    assert len(users) == 3
    assert await verdict(users, "alice", b"secret") == LET_IN
    assert await verdict(users, "root", b"toor") == (ALLOW, 0, True)
    for name, password in (("alice", b"Secret"), ("alice", b""), ("alice", None), ("Alice", b"secret"), ("", b"")):
        assert await verdict(users, name, password) == REFUSED
    assert bench.counters.logins_failed == 5


async def test_a_client_without_a_user_name_is_not_our_business(bench: Bench) -> None:
    users = bench.users()
    assert await users.authenticate(request(None, b"secret")) is None
    assert bench.checked == []


async def test_an_unknown_user_is_told_the_same_after_the_same_work(bench: Bench) -> None:
    users = bench.users()
    known = await users.authenticate(request("alice", b"guess"))
    unknown = await users.authenticate(request("nobody", b"guess"))
    assert known is not None and unknown is not None
    assert (known.verdict, known.reason_code, known.reason_string) == (
        unknown.verdict,
        unknown.reason_code,
        unknown.reason_string,
    )
    real, made_up = bench.checked
    assert real != made_up
    assert hashing.cost_of(real) == hashing.cost_of(made_up)
    assert len(real) == len(made_up)


async def test_a_right_login_is_checked_once(bench: Bench) -> None:
    users = bench.users(cache_ttl_s=10.0)
    for _ in range(3):
        assert await verdict(users, "root", b"toor") == (ALLOW, 0, True)
    assert (len(bench.checked), bench.counters.logins_from_cache) == (1, 2)
    bench.time = 10.0
    await verdict(users, "root", b"toor")
    assert len(bench.checked) == 2


async def test_a_wrong_login_is_checked_each_time(bench: Bench) -> None:
    users = bench.users()
    for _ in range(3):
        assert await verdict(users, "alice", b"wrong") == REFUSED
    assert len(bench.checked) == 3


async def test_nothing_is_remembered_when_that_is_wanted(bench: Bench) -> None:
    users = bench.users(cache_ttl_s=0.0)
    for _ in range(2):
        await verdict(users, "alice", b"secret")
    assert len(bench.checked) == 2


class Gate:
    """Holds the threads that check passwords, until ``open``."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.running = 0
        self.most = 0
        self._lock = threading.Lock()

    def verified(self, written: str, password: bytes) -> bool:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.open.wait(20)
        with self._lock:
            self.running -= 1
        return True


@pytest.fixture
def gate(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    held = Gate()
    monkeypatch.setattr(hashing, "verified", held.verified)
    yield held
    held.open.set()


async def test_so_many_are_checked_so_many_wait_and_the_rest_is_refused(bench: Bench, gate: Gate) -> None:
    users = bench.users(threads=2, queue_limit=3)
    results: list[AuthResult | None] = []

    async def log_in(number: int) -> None:
        results.append(await users.authenticate(request("alice", b"%d" % number)))

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(log_in, number)
        await wait_all_tasks_blocked()
        assert results == []
        assert await verdict(users, "alice", b"one more") == (DENY, BUSY, False)
        assert bench.counters.logins_refused_busy == 1
        gate.open.set()
    assert [result.verdict for result in results if result is not None] == [ALLOW] * 5
    assert gate.most <= 2
    assert await verdict(users, "alice", b"later") == LET_IN  # there is room again


async def test_who_gives_up_waiting_leaves_its_place(bench: Bench, gate: Gate) -> None:
    users = bench.users(threads=1, queue_limit=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(users.authenticate, request("alice", b"1"))
        await wait_all_tasks_blocked()
        with trio.CancelScope() as waiting:
            nursery.start_soon(cancel_when_blocked, waiting)
            await users.authenticate(request("alice", b"2"))
        assert waiting.cancelled_caught
        with trio.CancelScope() as next_one:
            nursery.start_soon(cancel_when_blocked, next_one)
            await users.authenticate(request("alice", b"3"))
        assert next_one.cancelled_caught  # it waited, and wasn't refused
        gate.open.set()
    assert bench.counters.logins_refused_busy == 0


async def cancel_when_blocked(scope: trio.CancelScope) -> None:
    await wait_all_tasks_blocked()
    scope.cancel()


async def test_a_certificate_that_gives_the_name_is_proof_enough(bench: Bench) -> None:
    users = bench.users()
    for name, superuser in (("alice", False), ("root", True), ("not in the file", False)):
        result = await users.authenticate(AuthRequest(client(name), None, certificate_name=name))
        assert result is not None and (result.verdict, result.superuser) == (ALLOW, superuser)
    assert bench.checked == []


# Reading the file again


async def test_a_reload_takes_over_what_changed_and_forgets_only_that(bench: Bench) -> None:
    users = bench.users()
    await verdict(users, "alice", b"secret")
    await verdict(users, "root", b"toor")
    write(bench.path, user("alice", "secret"), user("root", "new"), user("bob", "1"))
    users.reload()
    bench.checked.clear()
    assert await verdict(users, "alice", b"secret") == LET_IN
    assert bench.checked == []  # still remembered
    assert await verdict(users, "root", b"toor") == REFUSED
    assert await verdict(users, "root", b"new") == LET_IN
    assert await verdict(users, "bob", b"1") == LET_IN
    assert await verdict(users, "plain", b"text") == REFUSED


async def test_a_user_who_is_no_superuser_any_more_is_none(bench: Bench) -> None:
    users = bench.users()
    await verdict(users, "root", b"toor")
    write(bench.path, user("root", "toor"))
    users.reload()
    assert await verdict(users, "root", b"toor") == LET_IN


async def test_a_bad_file_leaves_everything_as_it_was(bench: Bench) -> None:
    users = bench.users()
    await verdict(users, "alice", b"secret")
    bench.path.write_text(f"{HEAD}\nbad\n")
    with pytest.raises(UsersFileError, match="line 2"):
        users.reload()
    assert await verdict(users, "alice", b"secret") == LET_IN
    assert await verdict(users, "plain", b"text") == LET_IN
    assert bench.counters.logins_from_cache == 1


async def test_a_password_that_is_changed_while_it_is_checked_is_the_old_one(bench: Bench, gate: Gate) -> None:
    users = bench.users()
    results: list[AuthResult | None] = []

    async def log_in() -> None:
        results.append(await users.authenticate(request("alice", b"secret")))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(log_in)
        await wait_all_tasks_blocked()
        write(bench.path, user("alice", "new"))
        users.reload()
        gate.open.set()
    assert [result.verdict for result in results if result is not None] == [DENY]


async def test_unknown_users_follow_the_cost_of_the_new_file(bench: Bench) -> None:
    users = bench.users()
    dearer = user("alice", "secret")
    dearer.argon2 = cheap_hash("secret", passes=2)
    write(bench.path, dearer)
    users.reload()
    await verdict(users, "nobody", b"x")
    assert hashing.cost_of(bench.checked[-1]) == (8, 2, 1)


def test_a_file_that_cannot_be_used_is_told_at_once(bench: Bench) -> None:
    bench.path.unlink()
    with pytest.raises(UsersFileError, match="can't be read"):
        bench.users()


def test_a_file_that_others_may_read_is_warned_about(bench: Bench) -> None:
    bench.path.chmod(0o644)
    with structlog.testing.capture_logs() as logs:
        bench.users()
    assert [(line["log_level"], line["mend"]) for line in logs] == [("warning", f"chmod 600 {bench.path}")]


# SCRAM


def scram(
    users: Users, data: bytes | None, state: object = None, step: int = 0, method: str = METHOD
) -> AuthResult | None:
    return users.enhanced_auth(EnhancedAuthRequest(client(None), method, data, step, False, state))


def ends(users: Users, mine: ScramClient) -> AuthResult:
    """The answer to the last step of an exchange that went on until there."""
    begun = scram(users, mine.first)
    assert begun is not None and begun.verdict == LATER and begun.auth_data is not None
    ended = scram(users, mine.final(begun.auth_data), begun.state, 1)
    assert ended is not None
    return ended


def test_an_exchange(bench: Bench) -> None:
    mine = ScramClient("root", "toor")
    result = ends(bench.users(), mine)
    assert (result.verdict, result.username, result.superuser) == (ALLOW, "root", True)
    assert result.auth_data == mine.signature


def test_other_methods_are_left_to_others(bench: Bench) -> None:
    assert scram(bench.users(), b"n,,n=alice,r=x", method="SCRAM-SHA-1") is None


def test_the_client_may_let_the_server_begin(bench: Bench) -> None:
    users = bench.users()
    begun = scram(users, None)
    assert begun is not None and (begun.verdict, begun.auth_data, begun.state) == (LATER, None, None)
    again = scram(users, None, begun.state, 1)
    assert again is not None and (again.verdict, again.reason_code) == (DENY, 0x82)
    first = scram(users, ScramClient("alice", "secret").first, begun.state, 1)
    assert first is not None and first.verdict == LATER


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("nobody", "x"), ("plain", "text")])
def test_wrong_passwords_unknown_users_and_those_without_scram_look_alike(
    bench: Bench, name: str, password: str
) -> None:
    users = bench.users()
    mine = ScramClient(name, password)
    result = ends(users, mine)
    assert (result.verdict, result.reason_code, result.auth_data) == (DENY, BAD_LOGIN, None)
    assert result.reason_string == "bad user name or password"
    assert (len(mine.salt), mine.iterations) == (16, 4096)


def test_the_salt_of_an_unknown_user_is_the_same_after_a_restart(bench: Bench) -> None:
    salts = []
    for _ in range(2):
        mine = ScramClient("nobody", "x")
        ends(bench.users(), mine)
        salts.append(mine.salt)
    assert salts[0] == salts[1] == fake_verifier(FILE_SECRET, "nobody", 4096).salt


def test_a_broken_message_is_a_protocol_error(bench: Bench) -> None:
    users = bench.users()
    result = scram(users, b"p=tls-unique,,n=alice,r=x")
    assert result is not None and (result.verdict, result.reason_code) == (DENY, 0x82)
    assert result.reason_string == "SCRAM-SHA-256: channel binding is not supported"


def test_a_password_that_changes_between_the_steps_is_the_old_one(bench: Bench) -> None:
    users = bench.users()
    mine = ScramClient("alice", "secret")
    begun = scram(users, mine.first)
    assert begun is not None and begun.auth_data is not None
    final = mine.final(begun.auth_data)
    write(bench.path, user("alice", "new"))
    users.reload()
    ended = scram(users, final, begun.state, 1)
    assert ended is not None and ended.verdict == DENY


def test_both_ways_are_hooks_behind_every_plugin(bench: Bench) -> None:
    chains = HookChains()
    hooks = HookRegistry(chains, bench.counters, 1.0)
    bench.users().register(hooks)
    hooks.register("client_authenticate", lambda request: None, "plugin")
    assert [handle.plugin for handle in hooks.handles("client_authenticate")] == ["plugin", "users"]
    assert [handle.plugin for handle in hooks.handles("client_enhanced_auth")] == ["users"]
