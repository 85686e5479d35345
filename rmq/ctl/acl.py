"""acl: whether a client may publish or subscribe, and which rule says so."""

import json
from typing import Final

import click

from rmq.ctl.command import CtlGroup, json_option
from rmq.ctl.paths import path
from rmq.ctl.printing import print_facts, print_json
from rmq.ctl.session import Session
from rmq.ctl.text import shown


@click.group("acl", cls=CtlGroup)
def acl() -> None:
    """Access rules of plugins."""


@acl.command("test")
@click.option("--clientid", required=True, metavar="ID", help="The client, connected or not.")
@click.option("--topic", required=True, help="A topic name to publish to, or a topic filter to subscribe.")
@click.option("--action", required=True, type=click.Choice(["publish", "subscribe"]))
@click.option("--qos", type=click.IntRange(0, 2), default=0, show_default=True)
@click.option("--retain", is_flag=True, help="A PUBLISH with RETAIN.")
@click.option("--username", metavar="NAME", help="As if it came with this user name.")
@click.option("--ip", metavar="ADDRESS", help="As if it came from this address.")
@click.option("--protocol", type=click.IntRange(3, 5), help="As if it spoke this version of MQTT.")
@json_option
@click.pass_obj
def test(
    session: Session,
    clientid: str,
    topic: str,
    action: str,
    qos: int,
    retain: bool,
    username: str | None,
    ip: str | None,
    protocol: int | None,
    as_json: bool,
) -> None:
    """Say whether a client may, and which rule says so. Exit code 1 when it may not.

    What isn't given is as the client is connected.
    """
    asked: dict[str, str | int] = {"clientid": clientid, "topic": topic, "action": action, "qos": qos}
    given = {"username": username, "ipaddr": ip, "protocol": protocol, "retain": "true" if retain else None}
    found = session.get(path("acl/test"), {**asked, **{name: value for name, value in given.items() if value}})
    with session.reading():
        session.is_negative = not found["allowed"]
        if as_json:
            print_json(found)
            return
        rule = found["rule"]
        print_facts(
            (
                ("decision", "allow" if found["allowed"] else "deny"),
                ("decided by", found["decided_by"] or "nobody: it is allowed"),
                ("rule", f"rules[{rule['index']}]" if "index" in rule else rule.get("reason")),
                ("written", shown(json.dumps(rule["rule"], ensure_ascii=False)) if "rule" in rule else None),
                ("node", found["node"]),
                ("user name", found["username"]),
                ("address", found["ipaddr"] or None),
                ("MQTT", found["protocol"]),
                ("connected", found["connected"]),
            )
        )


COMMANDS: Final = (acl,)
