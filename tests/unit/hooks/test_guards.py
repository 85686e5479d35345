"""The border: a handler that fails, dawdles or answers nonsense, and what the engine sees of it."""

import pytest
from structlog.testing import capture_logs

from rmq.hooks import chains
from rmq.hooks.verdicts import (
    ALLOW,
    DENY,
    DENY_AND_DISCONNECT,
    DENY_ONCE,
    LATER,
    UNDECIDED,
    AuthRequest,
    AuthResult,
    EnhancedAuthRequest,
)
from rmq.mqtt.codes import SERVER_UNAVAILABLE
from rmq.mqtt.message import Message
from rmq.mqtt.packets import Connect
from rmq.session.client_info import ClientInfo
from tests.unit.hooks.world import BUDGET_S, World, client, message


@pytest.fixture
def world() -> World:
    return World()


def fail(*args: object) -> object:
    raise RuntimeError("handler bug")


def test_a_failing_notify_handler_is_logged_with_plugin_point_and_traceback_and_the_others_run(world: World) -> None:
    told: list[str] = []
    world.registry.register("client_connected", fail, "bad-plugin", 1)
    world.registry.register("client_connected", lambda client: told.append(client.client_id), "good")
    with capture_logs() as lines:
        chains.client_connected(world.chains, client("c7"))
    assert told == ["c7"]
    assert world.counters.hook_errors == 1
    assert len(lines) == 1
    assert lines[0]["plugin"] == "bad-plugin" and lines[0]["point"] == "client_connected"
    assert isinstance(lines[0]["exc_info"], RuntimeError)


def test_every_error_is_counted_and_one_a_second_is_logged(world: World) -> None:
    world.registry.register("client_connected", fail, "p")
    with capture_logs() as lines:
        for _ in range(5):
            chains.client_connected(world.chains, client())
        world.clock.pass_s(1.0)
        chains.client_connected(world.chains, client())
    assert world.counters.hook_errors == 6
    assert [line["left_out"] for line in lines] == [0, 4]


@pytest.mark.parametrize(("deny_on_error", "verdict"), [(True, DENY_ONCE), (False, UNDECIDED)])
def test_a_failing_access_check_denies_unless_told_otherwise(world: World, deny_on_error: bool, verdict: int) -> None:
    for point in ("message_publish_check_acl", "client_subscribe_check_acl"):
        world.registry.register(point, fail, "p", deny_on_error=deny_on_error)
    assert chains.message_publish_check_acl(world.chains, client(), "t", 0, False) == verdict
    assert chains.client_subscribe_check_acl(world.chains, client(), "t", 0) == verdict


def test_a_failing_authentication_denies_and_asks_the_client_to_come_back(world: World) -> None:
    world.registry.register("client_authenticate", fail, "p")
    world.registry.register("client_enhanced_auth", fail, "p")
    for result in (
        chains.client_authenticate(world.chains, AuthRequest(client(), b"pw")),
        chains.client_enhanced_auth(world.chains, EnhancedAuthRequest(client(), "SCRAM", b"", 0, False)),
    ):
        assert result is not None
        assert (result.verdict, result.reason_code) == (DENY, SERVER_UNAVAILABLE)


def test_a_failing_authentication_leaves_it_to_the_next_when_told_so(world: World) -> None:
    answer = AuthResult(ALLOW)
    world.registry.register("client_authenticate", fail, "p", 1, deny_on_error=False)
    world.registry.register("client_authenticate", lambda request: answer, "q")
    assert chains.client_authenticate(world.chains, AuthRequest(client(), None)) is answer


def test_a_failing_connect_hook_has_no_opinion(world: World) -> None:
    world.registry.register("client_connect", fail, "p")
    assert chains.client_connect(world.chains, client(), Connect(5, "c1", True, 0)) is None


def test_a_failing_expiry_check_has_no_opinion(world: World) -> None:
    world.registry.register("message_expiry_check", fail, "p")
    assert chains.message_expiry_check(world.chains, client(), message()) == UNDECIDED


def test_a_failing_filter_leaves_the_value_as_it_was(world: World) -> None:
    def rename(client: ClientInfo | None, message: Message) -> Message:
        return Message("renamed", message.payload, 0, False, message.publisher)

    world.registry.register("message_publish", rename, "p", 2)
    world.registry.register("message_publish", fail, "p", 1)
    left = chains.message_publish(world.chains, None, message("a"))
    assert left is not None and left.topic == "renamed"


def test_a_filter_that_drops_ends_the_chain(world: World) -> None:
    seen: list[Message] = []
    world.registry.register("message_publish", lambda client, message: None, "p", 1)
    world.registry.register("message_publish", lambda client, message: seen.append(message), "q")
    assert chains.message_publish(world.chains, None, message()) is None
    assert seen == []


@pytest.mark.parametrize("answer", [None, True, False, "allow", LATER, 77, object()])
def test_what_is_no_verdict_is_an_error_and_denies(world: World, answer: object) -> None:
    world.registry.register("message_publish_check_acl", lambda client, topic, qos, retain: answer, "p")
    assert chains.message_publish_check_acl(world.chains, client(), "t", 0, False) == DENY_ONCE
    assert world.counters.hook_errors == 1


@pytest.mark.parametrize("answer", [ALLOW, DENY, DENY_AND_DISCONNECT])
def test_the_first_verdict_ends_the_chain(world: World, answer: int) -> None:
    world.registry.register("client_subscribe_check_acl", lambda client, topic, qos: UNDECIDED, "p", 2)
    world.registry.register("client_subscribe_check_acl", lambda client, topic, qos: answer, "p", 1)
    world.registry.register("client_subscribe_check_acl", fail, "p", 0)
    assert chains.client_subscribe_check_acl(world.chains, client(), "t", 0) == answer
    assert world.counters.hook_errors == 0


@pytest.mark.parametrize("answer", [ALLOW, "yes", AuthResult(LATER)])
def test_what_is_no_authentication_result_is_an_error_and_denies(world: World, answer: object) -> None:
    world.registry.register("client_authenticate", lambda request: answer, "p")
    result = chains.client_authenticate(world.chains, AuthRequest(client(), None))
    assert result is not None and result.verdict == DENY
    assert world.counters.hook_errors == 1


def test_an_undecided_result_passes_on(world: World) -> None:
    answer = AuthResult(ALLOW)
    world.registry.register("client_authenticate", lambda request: AuthResult(UNDECIDED), "p", 1)
    world.registry.register("client_authenticate", lambda request: answer, "q")
    assert chains.client_authenticate(world.chains, AuthRequest(client(), None)) is answer


def test_an_exchange_may_go_on(world: World) -> None:
    world.registry.register("client_enhanced_auth", lambda request: AuthResult(LATER, auth_data=b"challenge"), "p")
    result = chains.client_enhanced_auth(world.chains, EnhancedAuthRequest(client(), "SCRAM", b"", 0, False))
    assert result is not None and (result.verdict, result.auth_data) == (LATER, b"challenge")


def test_a_filter_that_returns_something_else_leaves_the_value(world: World) -> None:
    world.registry.register("client_unsubscribe", lambda client, topic_filter: 5, "p")
    assert chains.client_unsubscribe(world.chains, client(), "a/#") == "a/#"
    assert world.counters.hook_errors == 1


def test_a_coroutine_in_disguise_is_an_error_and_leaves_no_warning(world: World) -> None:
    async def work() -> int:
        return ALLOW

    world.registry.register("message_publish_check_acl", lambda client, topic, qos, retain: work(), "p")
    world.registry.register("client_connected", lambda client: work(), "p")
    assert chains.message_publish_check_acl(world.chains, client(), "t", 0, False) == DENY_ONCE
    chains.client_connected(world.chains, client())
    assert world.counters.hook_errors == 2


def test_a_slow_handler_is_counted_and_logged_and_its_answer_comes_too_late(world: World) -> None:
    def slow(client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        world.clock.pass_s(BUDGET_S * 2)
        return ALLOW

    world.registry.register("message_publish_check_acl", slow, "slow-plugin")
    with capture_logs() as lines:
        for _ in range(3):
            assert chains.message_publish_check_acl(world.chains, client(), "t", 0, False) == DENY_ONCE
    assert (world.counters.hook_overruns, world.counters.hook_errors) == (3, 0)
    assert [(line["plugin"], line["took_ms"]) for line in lines] == [("slow-plugin", 200.0)]


def test_a_slow_filter_changes_nothing(world: World) -> None:
    def slow(client: ClientInfo | None, message: Message) -> None:
        world.clock.pass_s(BUDGET_S * 2)

    world.registry.register("message_publish", slow, "p")
    original = message()
    assert chains.message_publish(world.chains, None, original) is original


def test_a_handler_within_its_budget_is_not_mentioned(world: World) -> None:
    def prompt(client: ClientInfo) -> None:
        world.clock.pass_s(BUDGET_S)

    world.registry.register("client_connected", prompt, "p")
    world.clock.time = 0.0  # so that the budget is no rounding error away
    with capture_logs() as lines:
        chains.client_connected(world.chains, client())
    assert (world.counters.hook_overruns, lines) == (0, [])
