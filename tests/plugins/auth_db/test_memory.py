"""How long rules count, by a clock of the test."""

from rmq_plugins.auth_db.memory import ALWAYS, RulesMemory

from tests.plugins.acl.clients import client


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_rules_count_for_their_time_and_each_client_is_named_once() -> None:
    clock = Clock()
    memory = RulesMemory(clock)
    one, other, third = client("1"), client("2"), client("3")
    for who, seconds in ((one, 5.0), (other, 3.0), (third, ALWAYS)):
        remembered = memory.of(who)
        assert not memory.holds(remembered)
        remembered.rules = ()
        memory.ask_again_after(who, remembered, seconds)
        assert memory.holds(remembered) and memory.of(who) is remembered
    clock.now += 4
    assert memory.due() == [other] and memory.due() == []
    assert not memory.holds(memory.of(other)) and memory.holds(memory.of(one))
    clock.now += 4
    assert memory.due() == [one] and memory.holds(memory.of(third))


def test_who_was_asked_about_again_is_named_at_its_new_time() -> None:
    clock = Clock()
    memory = RulesMemory(clock)
    who = client("1")
    memory.ask_again_after(who, memory.of(who), 1.0)
    memory.ask_again_after(who, memory.of(who), 5.0)
    clock.now += 2
    assert memory.due() == []
    clock.now += 4
    assert memory.due() == [who]


def test_a_connection_takes_its_rules_with_it_and_forgetting_leaves_the_places() -> None:
    memory = RulesMemory(Clock())
    gone, stays = client("1"), client("2")
    for who in (gone, stays):
        memory.of(who).rules = ()
        memory.ask_again_after(who, memory.of(who), ALWAYS)
        memory.kept.connected(who)
    memory.kept.gone(gone)
    assert len(memory) == 1
    memory.forget()
    assert memory.of(stays).rules is None and not memory.holds(memory.of(stays)) and memory.due() == []
