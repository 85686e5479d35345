"""subs and routes: who is subscribed to what, and where messages go."""

from typing import Any, Final

import click

from rmq.ctl.command import command, json_option, limit_option
from rmq.ctl.paths import path
from rmq.ctl.printing import Row, of, print_json, print_rows_as_json, print_table
from rmq.ctl.session import Session


@command("subs")
@click.option("--client", "clientid", metavar="ID", help="Of this client.")
@click.option("--topic", metavar="FILTER", help="With just this topic filter.")
@click.option("--match", "_match_topic", metavar="TOPIC", help="That get messages of this topic.")
@click.option("--qos", type=click.IntRange(0, 2), help="With this QoS.")
@click.option("--share", metavar="GROUP", help="Of this share group.")
@limit_option
@json_option
@click.pass_obj
def subs(session: Session, /, limit: int | None, as_json: bool, **filters: Any) -> None:
    """List subscriptions."""
    query = {name: value for name, value in filters.items() if value is not None}
    pages = session.pages(path("subscriptions"), query, limit)
    if as_json:
        print_rows_as_json(pages)
        return
    with session.reading():
        print_table(
            (
                ("client id", of("clientid")),
                ("topic filter", of("topic")),
                ("QoS", of("qos")),
                ("share", of("share")),
                ("options", _options),
                ("node", of("node_id")),
            ),
            pages,
            right=["QoS", "node"],
        )


def _options(row: Row) -> str:
    known = {"no_local": "no local", "retain_as_published": "retain as published"}
    options = row["opts"]
    found = [text for name, text in known.items() if options.get(name)]
    if options.get("retain_handling"):
        found.append(f"retain handling {options['retain_handling']}")
    if options.get("limit_subs"):
        found.append(f"limit {options['limit_subs']}")
    if options.get("id"):
        found.append(f"id {options['id']}")
    return ", ".join(found)


@command("routes")
@click.argument("topic", required=False)
@limit_option
@json_option
@click.pass_obj
def routes(session: Session, topic: str | None, limit: int | None, as_json: bool) -> None:
    """List topic filters and the nodes with subscribers.

    Those that match TOPIC, which a message of it goes by; without it all.
    """
    cells = (("topic filter", of("topic")), ("node", of("node_id")))
    if topic is None:
        pages = session.pages(path("routes"), {}, limit)
        if as_json:
            print_rows_as_json(pages)
            return
        with session.reading():
            print_table(cells, pages, right=["node"])
        return
    found = session.get(path("routes", value=topic))
    with session.reading():
        rows = found[:limit]
        if as_json:
            print_json(rows)
        else:
            print_table(cells, [rows], right=["node"])


COMMANDS: Final = (subs, routes)
