"""What is kept for clients ends with their connections, and is bounded for those that never got that far."""

from rmq.mqtt.codes import NOT_AUTHORIZED
from rmq.plugin_api import ClientInfo, KeptWhileConnected
from rmq.plugin_api.while_connected import MAX_CONNECTING
from tests.plugins.acl.clients import client


def test_it_is_kept_from_the_login_to_the_end_of_the_connection() -> None:
    kept = KeptWhileConnected[str]()
    one, other = client("a"), client("a")
    kept.give(one, "mine")
    assert kept.find(one) == "mine" and kept.find(other) is None
    kept.connected(one)
    kept.connected(other)
    assert kept.find(one) == "mine" and list(kept) == ["mine"] and len(kept) == 1
    kept.gone(one)
    assert kept.find(one) is None and len(kept) == 0


def test_its_handlers_are_told_what_became_of_a_connect() -> None:
    kept = KeptWhileConnected[str]()
    accepted, refused = client("a"), client("b")
    kept.give(accepted, "mine")
    kept.give(refused, "nobody's")
    kept.answered(accepted, 0)
    kept.answered(refused, NOT_AUTHORIZED)
    assert kept.find(accepted) == "mine" and kept.find(refused) is None
    kept.disconnected(accepted, 0, "")
    assert kept.find(accepted) is None


def test_logins_that_never_end_are_forgotten_and_connections_never() -> None:
    kept = KeptWhileConnected[int]()
    there = client("there")
    there.connected_at = 1.0
    kept.give(there, -1)
    first: ClientInfo = client("first")
    kept.give(first, 0)
    for number in range(MAX_CONNECTING):
        kept.give(client(), number)
    assert kept.find(first) is None and kept.find(there) == -1 and len(kept) == MAX_CONNECTING + 1
