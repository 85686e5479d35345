"""publish: a message into the cluster."""

import base64
import os
import sys
from typing import Any, Final

import click

from rmq.ctl.command import command, json_option, quiet_option
from rmq.ctl.failures import USAGE, Failure
from rmq.ctl.paths import path
from rmq.ctl.printing import print_json, print_lines
from rmq.ctl.session import Session

STANDARD_INPUT: Final = "-"


@command("publish")
@click.argument("topic")
@click.argument("payload")
@click.option("--qos", type=click.IntRange(0, 2), default=0, show_default=True, help="Quality of service.")
@click.option(
    "--retain", is_flag=True, help="Keep it for those who subscribe later; an empty PAYLOAD deletes what is kept."
)
@click.option("--client-id", "clientid", metavar="ID", help="Publish in the name of this client, by its access rules.")
@click.option(
    "--expiry",
    type=click.IntRange(0, 0xFFFF_FFFF),
    metavar="SECONDS",
    help="How long it is worth delivering; 0: for ever.",
)
@click.option("--content-type", metavar="TEXT", help="What the payload is.")
@click.option("--response-topic", metavar="TOPIC", help="Where an answer is expected.")
@click.option("--correlation-data", metavar="TEXT", help="What an answer brings back.")
@click.option("--text/--bytes", "is_text", default=None, help="Say that the payload is UTF-8 text, or isn't (MQTT 5).")
@click.option("--property", "pairs", multiple=True, metavar="NAME=VALUE", help="A user property; more than one may be.")
@quiet_option
@json_option
@click.pass_obj
def publish(
    session: Session,
    topic: str,
    payload: str,
    qos: int,
    retain: bool,
    clientid: str | None,
    expiry: int | None,
    content_type: str | None,
    response_topic: str | None,
    correlation_data: str | None,
    is_text: bool | None,
    pairs: tuple[str, ...],
    quiet: bool,
    as_json: bool,
) -> None:
    """Publish PAYLOAD to TOPIC. With - the payload is what comes by standard input, every byte of it.

    Behind -- it may begin with a dash: rmq-ctl publish rooms/freezer -- -18
    """
    data = correlation_data
    properties = {
        "message_expiry_interval": expiry,
        "content_type": content_type,
        "response_topic": response_topic,
        "correlation_data": None if data is None else base64.b64encode(os.fsencode(data)).decode(),
        "is_utf8_payload": is_text,
        "user_properties": [_pair(pair) for pair in pairs] or None,
    }
    body: dict[str, Any] = {
        "topic": topic,
        "qos": qos,
        "retain": retain,
        **_payload(payload),
        "properties": {name: value for name, value in properties.items() if value is not None},
    }
    if clientid is not None:
        body["clientid"] = clientid
    said = session.change("POST", path("mqtt", "publish"), body)
    if as_json:
        print_json(said)
    elif not quiet:
        print_lines(["published"])


def _payload(given: str) -> dict[str, str]:
    # A command line is bytes; Python has those that aren't UTF-8 as lone surrogates, and fsencode gives them back.
    try:
        content = sys.stdin.buffer.read() if given == STANDARD_INPUT else os.fsencode(given)
    except OSError as error:
        raise Failure(USAGE, f"standard input: {error.strerror or error}") from None
    try:
        return {"payload": content.decode(), "encoding": "plain"}
    except UnicodeDecodeError:
        return {"payload": base64.b64encode(content).decode(), "encoding": "base64"}


def _pair(text: str) -> list[str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Failure(USAGE, f"--property {text}: write it as NAME=VALUE")
    return [name, value]


COMMANDS: Final = (publish,)
