"""The stores against real databases: what clients call themselves, servers that are killed, and servers that hang."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from rmq_plugins.auth_db.config import AuthDbConfig
from rmq_plugins.auth_db.opening import open_store, try_queries
from rmq_plugins.auth_db.rows import read_user, rule_items
from rmq_plugins.auth_db.store import Question, Store

from rmq.plugin_api import NoAnswerError, PluginError
from tests.plugins.auth_db.conftest import OpenFilled
from tests.plugins.auth_db.filling import Filled
from tests.support.certificates import Certificates
from tests.support.database_server import SECRET

pytestmark = pytest.mark.realtime

NASTY: Final = (
    "' OR '1'='1",
    "' OR 1=1 -- ",
    "' OR 1=1 #",
    '" OR ""="',
    "'; DROP TABLE mqtt_user; --",
    "\\' OR 1=1 -- ",
    "bob' -- ",
    "bob\\",
    "%s %(username)s :username ? $1",
    "${username} ${clientid}",
    "*",
    "bob password_hash\r\nFLUSHALL\r\n",
    "\N{GRINNING FACE}\N{COMBINING ACUTE ACCENT}",
    "x" * 60_000,
)
SPEAKABLE: Final = ("o'brien", '"quoted"', "a%sb:c ${clientid}", "ünïcödé \N{GRINNING FACE}", "two words")


def store_of(filled: Filled, **keys: object) -> Store:
    config: dict[str, Any] = {**filled.options, "timeout": "1s", "pool_size": 3, **keys}
    return open_store(AuthDbConfig.model_validate(config), None, 1000)


def values(username: str | None = None, clientid: str = "c", ipaddr: str = "192.0.2.1") -> dict[str, str | None]:
    return {"username": username, "clientid": clientid, "ipaddr": ipaddr, "listener": "l"}


def find(store: Store, name: str) -> str | None:
    row = store.find_user(values(name), Question())
    user = None if row is None else read_user(row, name)
    return None if user is None else user.password_hash


@pytest.fixture
def store(filled: Filled) -> Iterator[Store]:
    made = store_of(filled)
    yield made
    made.close()


def test_a_name_is_a_name_however_it_is(filled: Filled, store: Store) -> None:
    filled.add_user("bob", "", written="of bob", superuser=True)
    for nasty in NASTY:
        assert find(store, nasty) is None, nasty
    assert find(store, "bob") == "of bob"
    for name in SPEAKABLE:
        filled.add_user(name, "", written=f"of {name}")
    assert [find(store, name) for name in SPEAKABLE] == [f"of {name}" for name in SPEAKABLE]
    for near in ("BOB", "bob ", " bob", "bo", "b%", "b_b"):
        assert find(store, near) is None, near


def test_a_client_id_gets_nobody_elses_rules(filled: Filled, store: Store) -> None:
    filled.add_rule("bob", "allow", "all", "secret/#")
    for nasty in NASTY:
        assert not store.find_rules(values(nasty, nasty, nasty), Question()), nasty
    assert not store.find_rules(values(None), Question())
    assert [rule["topic"] for rule in rule_items(store.find_rules(values("bob"), Question()))] == ["secret/#"]


def test_rules_of_all_and_of_one_come_in_their_order(open_filled: OpenFilled) -> None:
    for backend in ("sqlite", "postgresql", "mysql"):
        filled = open_filled(backend)
        filled.add_rule(None, "deny", "all", "last", position=9)
        filled.add_rule("bob", "allow", "publish", "first", "0,1", position=1)
        filled.add_rule("ann", "allow", "publish", "hers")
        filled.add_rule("bob", "allow", "subscribe", "second", position=1)
        filled.run(
            "INSERT INTO mqtt_acl (clientid, permission, action, topic, position) VALUES (%s, %s, %s, %s, %s)",
            ("c", "deny", "all", "of c", "2"),
        )
        filled.run(
            "INSERT INTO mqtt_acl (clientid, ipaddress, permission, action, topic) VALUES (%s, %s, %s, %s, %s)",
            ("c", "192.0.2.99", "deny", "all", "of c elsewhere"),
        )
        store = store_of(filled)
        topics = [rule["topic"] for rule in rule_items(store.find_rules(values("bob"), Question()))]
        assert topics == ["first", "second", "of c", "last"], backend
        assert [rule["topic"] for rule in rule_items(store.find_rules(values(None, "d"), Question()))] == ["last"]
        store.close()


@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "mysql"])
def test_emqx_queries_are_understood_as_they_are(open_filled: OpenFilled, backend: str) -> None:
    filled = open_filled(backend)
    filled.add_user("emqx", "", written="digits", salt="slat", superuser=True)
    filled.add_rule("emqx", "allow", "publish", "t/1")
    store = store_of(
        filled,
        auth_query="SELECT password_hash, salt, is_superuser FROM mqtt_user where username = ${username} LIMIT 1",
        acl_query="SELECT permission, action, topic FROM mqtt_acl where username = '${username}' or"
        " ipaddress = ${peerhost};",
    )
    assert try_queries(store, Question()) == ""
    row = store.find_user(values("emqx"), Question())
    assert row is not None
    user = read_user(row, "emqx")
    assert user is not None and (user.password_hash, user.salt, user.superuser) == ("digits", "slat", True)
    assert len(store.find_rules(values("emqx"), Question())) == 1
    for nasty in NASTY:
        assert store.find_user(values(nasty), Question()) is None
        assert not store.find_rules(values(nasty), Question())
    store.close()


@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "mysql"])
def test_what_looks_like_a_placeholder_of_a_driver_is_text(open_filled: OpenFilled, backend: str) -> None:
    filled = open_filled(backend)
    filled.add_user("50%", "", written=":x ? %s")
    store = store_of(
        filled,
        auth_query="SELECT password_hash FROM mqtt_user WHERE username LIKE '%%%' AND"
        " password_hash = ':x ? %s' AND username = ${username}",
    )
    assert find(store, "50%") == ":x ? %s"
    store.close()


def test_connections_that_the_server_closed_are_made_again(served: Filled) -> None:
    store = store_of(served)
    served.add_user("bob", "", written="of bob")
    at_once(store, 3)
    served.server.kill()
    served.server.start()
    at_once(store, 3)
    served.server.kill()
    with pytest.raises(NoAnswerError) as caught:
        find(store, "bob")
    assert caught.value.kind == "connection" and SECRET not in str(caught.value)
    served.server.start()
    served.add_user("ann", "", written="of ann")
    at_once(store, 3)
    assert find(store, "ann") == "of ann"
    store.close()


def at_once(store: Store, count: int) -> None:
    """So many questions at once, so that there are as many connections."""
    problems: list[Exception] = []

    def ask() -> None:
        try:
            find(store, "bob")
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems


def test_a_server_that_hangs_keeps_no_thread_and_no_connection(served: Filled) -> None:
    store = store_of(served)
    served.add_user("bob", "", written="of bob")
    at_once(store, 3)
    questions = [Question() for _ in range(6)]
    outcomes: list[str] = []

    def ask(question: Question) -> None:
        try:
            store.find_user(values("bob"), question)
        except NoAnswerError as error:
            outcomes.append(error.kind)

    threads = [threading.Thread(target=ask, args=[question]) for question in questions[:3]]
    served.server.freeze()
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(0.1)
        assert not outcomes  # they wait
        for question in questions:
            question.cut()
        began = time.monotonic()
        for thread in threads:
            thread.join(10)
        assert time.monotonic() - began < 8 and len(outcomes) == 3 and set(outcomes) <= {"connection", "timeout"}
    finally:
        served.server.thaw()
    at_once(store, 3)
    assert find(store, "bob") == "of bob"
    store.close()


def test_a_question_that_is_cut_before_it_begins_is_none(filled: Filled, store: Store) -> None:
    filled.add_user("bob", "", written="of bob")
    question = Question()
    question.cut()
    with pytest.raises(NoAnswerError) as caught:
        store.find_user(values("bob"), question)
    assert caught.value.kind == "timeout"
    assert find(store, "bob") == "of bob"


@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "mysql", "redis"])
def test_a_query_that_the_database_refuses_is_told_at_once(open_filled: OpenFilled, backend: str) -> None:
    filled = open_filled(backend)
    wrong = {"auth_query": "SELECT password_hash FROM mqtt_nobody WHERE username = ${username}"}
    says = "auth_query: .*mqtt_nobody"
    if backend == "redis":
        filled.script("SET t: x")
        wrong, says = {"auth_query": "HGETALL t:${username}"}, "auth_query: .*WRONGTYPE"
    store = store_of(filled, **wrong)
    with pytest.raises(PluginError, match=says):
        try_queries(store, Question())
    store.close()
    if backend == "redis":
        return
    for query, told in (
        ("SELECT permission, action FROM mqtt_acl WHERE username = ${username} OR 1 = 1", "no column topic"),
        ("SELECT nothing FROM mqtt_acl", "nothing"),
        ("SELECT 1 FROM FROM", "(syntax|SQL)"),
    ):
        filled.add_rule("bob", "allow", "all", "t")
        store = store_of(filled, acl_query=query)
        with pytest.raises(PluginError, match=f"acl_query: .*{told}"):
            try_queries(store, Question())
        store.close()


def test_a_server_that_is_away_or_lets_nobody_in_may_come_back(served: Filled) -> None:
    assert "password_file" in served.options
    keys: dict[str, object] = {"password_file": "", "password": "wrong-and-secret"}
    store = store_of(served, **keys)
    problem = try_queries(store, Question())
    assert problem and "wrong-and-secret" not in problem
    store.close()
    elsewhere = store_of(served, server="127.0.0.1:1")
    assert try_queries(elsewhere, Question())
    elsewhere.close()


def test_over_tls_the_server_shows_who_it_is(served: Filled, certificates: Certificates) -> None:
    served.add_user("bob", "", written="of bob")
    tls: dict[str, object] = {"server": served.server.tls_server, "tls": True}
    store = store_of(served, **tls, tls_ca_file=certificates.authority.cafile)
    assert find(store, "bob") == "of bob"
    store.close()
    strangers = store_of(served, **tls, tls_ca_file=certificates.stranger.cafile)
    with pytest.raises(NoAnswerError, match=r"(?i)certificate") as caught:
        find(strangers, "bob")
    assert caught.value.kind == "connection"
    strangers.close()
    own = certificates.authority.client("rmq")
    Path(own.keyfile).chmod(0o600)  # libpq insists
    keys: dict[str, object] = {"tls_cert_file": own.certfile, "tls_key_file": own.keyfile}
    with_own = store_of(served, **tls, **keys, tls_ca_file=certificates.authority.cafile)
    assert find(with_own, "bob") == "of bob"
    with_own.close()


def test_by_a_unix_socket(served: Filled) -> None:
    served.add_user("bob", "", written="of bob")
    store = store_of(served, server=served.server.socket_path)
    assert find(store, "bob") == "of bob" and served.server.socket_path in store.name
    store.close()
