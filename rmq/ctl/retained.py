"""retained: retained messages, listed and deleted."""

import base64
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import click

from rmq.ctl.asking import make_sure, yes_option
from rmq.ctl.command import command, json_option, limit_option, quiet_option
from rmq.ctl.failures import NEGATIVE, Failure, Refused
from rmq.ctl.paths import path
from rmq.ctl.printing import Row, print_lines, print_rows_as_json, print_table
from rmq.ctl.session import Session
from rmq.ctl.text import size

PAGE_ROWS: Final = 1000


@command("retained")
@click.argument("topic_filter", metavar="FILTER", default="#")
@click.option("--delete", is_flag=True, help="Delete them: with a topic the one, with a filter all it matches.")
@limit_option
@yes_option
@quiet_option
@json_option
@click.pass_obj
def retained(
    session: Session, topic_filter: str, delete: bool, limit: int | None, yes: bool, quiet: bool, as_json: bool
) -> None:
    """List or delete retained messages.

    Those that FILTER matches: by default all but those of topics that begin with $.
    """
    if delete:
        _delete(session, topic_filter, limit, yes=yes, quiet=quiet)
        return
    pages = _pages(session, topic_filter, limit)
    if as_json:
        print_rows_as_json(pages)
        return
    with session.reading():
        print_table(
            (
                ("topic", lambda row: row["topic"]),
                ("QoS", lambda row: row["publish"]["qos"]),
                ("size", lambda row: size(len(_payload(row)))),
                ("from client", lambda row: row["client_id"]),
                ("published", lambda row: _moment(row["publish"]["create_time"])),
                ("expires in", _expiry),
                ("payload", lambda row: _payload(row).decode(errors="backslashreplace")),
            ),
            pages,
            right=["QoS", "size"],
        )


def _pages(session: Session, topic_filter: str, limit: int | None) -> Iterator[list[Any]]:
    offset = 0
    while limit is None or offset < limit:
        rows = PAGE_ROWS if limit is None else min(PAGE_ROWS, limit - offset)
        query: dict[str, str | int] = {"topic_filter": topic_filter, "offset": offset, "limit": rows}
        found = session.get(path("retains"), query)
        with session.reading():
            items = found["items"]
            yield items
            offset += len(items)
            if not found["has_more"] or not items:
                return


def _delete(session: Session, topic_filter: str, limit: int | None, *, yes: bool, quiet: bool) -> None:
    if not any(level in ("+", "#") for level in topic_filter.split("/")):
        session.change("DELETE", path("retains"), query={"topic": topic_filter})
        if not quiet:
            print_lines(["1 deleted"])
        return
    with session.reading():
        # All of them first: deleting moves the places of those that aren't listed yet.
        topics = [row["topic"] for page in _pages(session, topic_filter, limit) for row in page]
    if not topics:
        raise Failure(NEGATIVE, f"there is no retained message that {topic_filter} matches")
    make_sure(yes, f"Retained messages to be deleted: {len(topics)} ({_some(topics)}).")
    deleted = 0
    for topic in topics:
        try:
            session.change("DELETE", path("retains"), query={"topic": topic})
            deleted += 1
        except Refused as refused:
            if refused.code != "RETAINED_NOT_FOUND":  # which it may have expired to
                raise
    if not quiet:
        print_lines([f"{deleted} deleted"])


def _some(topics: list[str]) -> str:
    return ", ".join(topics[:3]) + (" …" if len(topics) > 3 else "")


def _payload(row: Row) -> bytes:
    return base64.b64decode(row["publish"]["payload"])


def _moment(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds // 1000):%Y-%m-%d %H:%M:%S}"


def _expiry(row: Row) -> str | None:
    return f"{row['remaining_ttl']} s" if "remaining_ttl" in row else None


COMMANDS: Final = (retained,)
