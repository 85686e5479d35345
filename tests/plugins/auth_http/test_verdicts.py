"""What is remembered of clients, by a clock of the test."""

from rmq_plugins.auth_http.verdicts import ALWAYS, ClientMemory

from rmq.plugin_api import ALLOW, DENY, ClientInfo, read_rules
from rmq.plugin_api.while_connected import MAX_CONNECTING
from tests.plugins.acl.clients import client


class World:
    def __init__(self, size: int = 3) -> None:
        self.now = 1000.0
        self.memory = ClientMemory(size, lambda: self.now)

    def connected(self, name: str = "c") -> ClientInfo:
        info = client(name)
        info.connected_at = self.now
        assert self.memory.verdict(info, (b"2", "")) is None
        return info


def test_an_answer_counts_as_long_as_it_says() -> None:
    world = World()
    info = world.connected()
    world.memory.remember(info, (b"2", "t"), DENY, 5.0)
    world.now += 4.9
    assert world.memory.verdict(info, (b"2", "t")) == DENY
    assert world.memory.verdict(info, (b"1", "t")) is None
    assert world.memory.due() == []
    world.now += 0.2
    assert world.memory.verdict(info, (b"2", "t")) is None
    assert world.memory.due() == [info] and world.memory.due() == []


def test_the_node_is_told_for_each_answer_that_ends() -> None:
    world = World()
    info = world.connected()
    for seconds in (5.0, 2.0, 8.0):
        world.memory.remember(info, (b"2", str(seconds)), ALLOW, seconds)
    times = []
    for _ in range(10):
        world.now += 1
        if world.memory.due():
            times.append(world.now - 1000.0)
    assert times == [2.0, 5.0, 8.0]


def test_one_for_as_long_as_the_connection_lives_ends_with_it() -> None:
    world = World()
    info = world.connected()
    world.memory.remember(info, (b"2", "t"), ALLOW, ALWAYS)
    world.now += 1e6
    assert world.memory.verdict(info, (b"2", "t")) == ALLOW and world.memory.due() == []
    world.memory.kept.gone(info)
    assert len(world.memory) == 0


def test_an_answer_about_a_client_that_is_gone_is_not_kept() -> None:
    world = World()
    info = world.connected()
    world.memory.kept.gone(info)
    world.memory.remember(info, (b"2", "t"), ALLOW, 60.0)
    world.memory.undecided_for(info, 1.0)
    assert len(world.memory) == 0


def test_so_many_topics_and_no_more() -> None:
    world = World(size=3)
    info = world.connected()
    for number in range(5):
        world.memory.remember(info, (b"2", str(number)), ALLOW, 60.0)
    kept = [number for number in range(5) if world.memory.verdict(info, (b"2", str(number)))]
    assert kept == [2, 3, 4]


def test_rules_end_with_the_login() -> None:
    world = World()
    info = client("c")
    world.memory.logged_in(info, read_rules([{"permission": "allow", "topic": "a"}], info), world.now + 10)
    world.memory.kept.connected(info)
    assert len(world.memory.rules(info)) == 1
    world.now += 10
    assert world.memory.rules(info) == () and world.memory.due() == [info]


def test_clients_that_never_come_to_a_connack_are_bounded() -> None:
    world = World()
    for number in range(MAX_CONNECTING + 10):
        world.memory.logged_in(client(str(number)), (), 0.0)
    assert len(world.memory) == MAX_CONNECTING
