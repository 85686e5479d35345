"""clients, client and kick: who is connected, or has a session."""

from collections.abc import Callable
from typing import Any, Final

import click

from rmq.ctl.command import command, json_option, limit_option, quiet_option
from rmq.ctl.paths import path
from rmq.ctl.printing import (
    Row,
    of,
    print_facts,
    print_json,
    print_lines,
    print_rows_as_json,
    print_table,
)
from rmq.ctl.session import Session
from rmq.ctl.text import printable, shown

_PROTOCOLS: Final = {3: "3.1", 4: "3.1.1", 5: "5.0"}
_moment = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"])


def _flag(names: str, parameter: str, help_text: str) -> Any:
    return click.option(names, parameter, default=None, help=help_text)


# Each parameter's name is the API's.
_FILTERS: Final = (
    click.option("--like", "_like_clientid", metavar="TEXT", help="With this in their client id."),
    click.option("--like-user", "_like_username", metavar="TEXT", help="With this in their user name."),
    click.option("--user-name", "username", metavar="NAME", help="Of this user name."),
    click.option("--address", "ip_address", metavar="IP", help="From this IP address."),
    _flag("--connected/--offline", "connected", "Connected now, or sessions without a connection."),
    _flag("--clean-start/--no-clean-start", "clean_start", "That began anew, or wanted their session."),
    _flag("--resumed/--not-resumed", "session_present", "That found their session, or none."),
    click.option(
        "--protocol", "proto_ver", type=click.Choice(list(_PROTOCOLS.values())), help="Of this version of MQTT."
    ),
    click.option(
        "--created-from", "_gte_created_at", type=_moment, metavar="TIME", help="Session not older than that."
    ),
    click.option("--created-to", "_lte_created_at", type=_moment, metavar="TIME", help="Session older than that."),
    click.option("--connected-from", "_gte_connected_at", type=_moment, metavar="TIME", help="Connected since then."),
    click.option("--connected-to", "_lte_connected_at", type=_moment, metavar="TIME", help="Connected before that."),
    click.option("--queue-from", "_gte_mqueue_len", type=click.IntRange(min=0), metavar="N", help="So many queued."),
    click.option("--queue-to", "_lte_mqueue_len", type=click.IntRange(min=0), metavar="N", help="Not more queued."),
)


def _filters(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_FILTERS):
        function = option(function)
    return function


@command("clients")
@_filters
@limit_option
@click.option("-q", "--quiet", is_flag=True, help="Only the client ids, one a line.")
@json_option
@click.pass_obj
def clients(session: Session, /, limit: int | None, quiet: bool, as_json: bool, **filters: Any) -> None:
    """List clients, and sessions of those that are gone. TIME is this machine's: 2026-01-31 or 2026-01-31T18:30:00."""
    pages = session.pages(path("clients"), _query(filters), limit)
    if as_json:
        print_rows_as_json(pages)
        return
    with session.reading():
        if quiet:
            for page in pages:
                print_lines([printable(row["clientid"]) for row in page])
            return
        print_table(
            (
                ("client id", of("clientid")),
                ("node", of("node_id")),
                ("connected", of("connected")),
                ("since", lambda row: row["connected_at"] if row["connected"] else row["disconnected_at"]),
                ("address", _address),
                ("user name", _user),
                ("MQTT", lambda row: _PROTOCOLS.get(row["proto_ver"], row["proto_ver"])),
                ("subs", of("subscriptions_cnt")),
                ("in flight", of("inflight")),
                ("queued", of("mqueue_len")),
            ),
            pages,
            right=["node", "subs", "in flight", "queued"],
        )


def _query(filters: dict[str, Any]) -> dict[str, str | int]:
    query: dict[str, str | int] = {}
    for name, value in filters.items():
        if value is None:
            continue
        if isinstance(value, bool):
            query[name] = "true" if value else "false"
        elif hasattr(value, "timestamp"):
            query[name] = int(value.timestamp())
        elif name == "proto_ver":
            query[name] = next(level for level, text in _PROTOCOLS.items() if text == value)
        else:
            query[name] = value
    return query


def _address(row: Row) -> str:
    address = row["ip_address"]
    if not row["connected"] or not address:
        return str(address)
    return f"[{address}]:{row['port']}" if ":" in address else f"{address}:{row['port']}"


def _user(row: Row) -> object:
    # As RMQTT writes that there is none.
    return None if row["username"] == "undefined" else row["username"]


@command("client")
@click.argument("client_id", metavar="ID")
@json_option
@click.pass_obj
def client(session: Session, client_id: str, as_json: bool) -> None:
    """Show all about one client."""
    found = session.get(path("clients", value=client_id))
    if as_json:
        print_json(found)
        return
    with session.reading():
        will = found["last_will"]
        print_facts(
            (
                ("client id", found["clientid"]),
                ("node", found["node_id"]),
                ("user name", _user(found)),
                ("superuser", found["superuser"]),
                ("address", _address(found)),
                ("MQTT", _PROTOCOLS.get(found["proto_ver"], found["proto_ver"])),
                ("connected", found["connected"]),
                ("connected at", found["connected_at"]),
                ("disconnected at", found["disconnected_at"]),
                ("because", found["disconnected_reason"]),
                ("keep alive", f"{found['keepalive']} s"),
                ("clean start", found["clean_start"]),
                ("session present", found["session_present"]),
                ("session expiry", f"{found['expiry_interval']} s"),
                ("session since", found["created_at"]),
                ("subscriptions", _of_most(found, "subscriptions_cnt", "max_subscriptions")),
                ("in flight", _of_most(found, "inflight", "max_inflight")),
                ("queued", _of_most(found, "mqueue_len", "max_mqueue")),
                ("will", None if will is None else f"{shown(will['topic'])} at QoS {will['qos']}"),
            )
        )


def _of_most(row: Row, count: str, most: str) -> str:
    return f"{row[count]} of {row[most]}" if row[most] else str(row[count])


@command("kick")
@click.argument("client_ids", metavar="ID…", nargs=-1, required=True)
@quiet_option
@json_option
@click.pass_obj
def kick(session: Session, client_ids: tuple[str, ...], quiet: bool, as_json: bool) -> None:
    """Disconnect clients, and discard their sessions."""

    def act(client_id: str) -> None:
        said = session.change("DELETE", path("clients", value=client_id))
        if as_json:
            print_json(said)
        elif not quiet:
            print_lines([f"kicked {printable(str(said))}"])

    session.each(client_ids, act)


COMMANDS: Final = (clients, client, kick)
