"""What one run shall do: addresses, and options that don't go together."""

from __future__ import annotations

import pytest

from rmq.bench.plan import Plan, PlanError, addresses


def test_addresses_are_cut_at_commas() -> None:
    assert addresses("") == ()
    assert addresses("10.0.0.1:1883, b.example:1884,[::1]:1885") == (
        ("10.0.0.1", 1883),
        ("b.example", 1884),
        ("::1", 1885),
    )


@pytest.mark.parametrize("text", ["1883", "host:", ":1883", "host:0", "host:65536", "host:x", "host:²"])
def test_what_is_no_address_is_named(text: str) -> None:
    with pytest.raises(PlanError, match="is no address"):
        addresses(text)


def test_connections_take_the_addresses_in_turn() -> None:
    alone = Plan("pair", "h", 1)
    assert (alone.address(5), alone.publisher_address(5)) == (("h", 1), ("h", 1))
    spread = Plan("pair", at=(("a", 1), ("b", 2)))
    assert [spread.address(i) for i in range(3)] == [("a", 1), ("b", 2), ("a", 1)]
    assert spread.publisher_address(1) == ("b", 2)
    split = Plan("pair", at=(("a", 1),), publishers_at=(("b", 2), ("c", 3)))
    assert (split.address(1), split.publisher_address(1)) == (("a", 1), ("c", 3))


@pytest.mark.parametrize(
    ("plan", "word"),
    [
        (Plan("pair", qos=1, ack_latency=True), "ack-latency"),
        (Plan("pair", rate=10, ack_latency=True), "ack-latency"),
        (Plan("sub", qos=1, rate=10, ack_latency=True), "ack-latency"),
        (Plan("conn", publishers_at=(("a", 1),)), "publishers-at"),
    ],
)
def test_options_that_do_not_go_together(plan: Plan, word: str) -> None:
    with pytest.raises(PlanError, match=word):
        plan.check()
