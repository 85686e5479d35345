"""Where placeholders may stand, and that what a client calls itself is never read as anything else."""

import pytest
from rmq_plugins.auth_db.config import RULES_COMMANDS, USER_COMMANDS
from rmq_plugins.auth_db.placeholders import are_text, read_command, read_query, values_of

from tests.plugins.acl.clients import client


def test_a_query_is_text_and_names_in_turns() -> None:
    query = read_query("SELECT a::int FROM t WHERE u = ${username} AND i = '${peerhost}' AND c=\"${clientid}\";")
    assert query.names == ["username", "ipaddr", "clientid"]
    assert query.texts == ["SELECT a::int FROM t WHERE u = ", " AND i = ", " AND c=", ""]
    assert read_query("SELECT 'it''s 100% :x' FROM t").names == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("SELECT * FROM t WHERE u = 'u-${username}'", "within quotes"),
        ("SELECT * FROM t WHERE u = 'it''s ${username}'", "within quotes"),
        ("SELECT * FROM `${username}`", "within quotes"),
        ("SELECT * FROM t WHERE u = '' ${username} ''", ""),
        ("SELECT 1 /* ${username} */", "comments"),
        ("SELECT 1 -- ${username}", "comments"),
        ("SELECT 1 # ${username}", "comments"),
        (r"SELECT 'it\'s ${username}'", "read alike"),
        ("SELECT 'open FROM t WHERE u = ${username}", "isn't closed"),
        ("SELECT * FROM t WHERE p = ${password}", "passwords are compared here"),
        ("SELECT * FROM t WHERE p = ${client}", r"\$\{client\} is no placeholder"),
        ("${username}", "begins with SELECT"),
        ("DELETE FROM t WHERE u = ${username}", "begins with SELECT"),
        ("", "begins with SELECT"),
    ],
)
def test_a_placeholder_stands_where_a_value_stands(text: str, says: str) -> None:
    if not says:
        read_query(text)
        return
    with pytest.raises(ValueError, match=says):
        read_query(text)


def test_a_command_has_a_value_in_one_argument_however_it_is() -> None:
    command = read_command("hmget mqtt_user:${username}:${clientid} password_hash 'two words'", USER_COMMANDS)
    values = values_of(client("c d\r\nDEL x", "a b ${clientid} 'q'"))
    assert command.filled(values) == [
        "hmget",
        "mqtt_user:a b ${clientid} 'q':c d\r\nDEL x",
        "password_hash",
        "two words",
    ]
    assert command.filled(values_of(client("c"))) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("DEL mqtt_acl:${username}", "begins with HGETALL"),
        ("HGETALL", "needs 1 arguments"),
        ("HGETALL a b", "has 1 arguments"),
        ("HGETALL 'a", "not a command"),
        ("", "begins with"),
        ("HGETALL mqtt:${nobody}", "no placeholder"),
    ],
)
def test_a_command_reads_and_nothing_else(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_command(text, RULES_COMMANDS)


def test_what_no_database_takes_is_known_before() -> None:
    assert are_text(values_of(client("ä", "\N{GRINNING FACE}")))
    assert not are_text(values_of(client("a\0")))
    assert not are_text(values_of(client("a", "\ud800")))
