"""users: the users of the API, listed, added, changed and removed."""

import sys
from pathlib import Path
from typing import Final

import click

from rmq.ctl.command import CtlGroup, json_option, quiet_option
from rmq.ctl.connecting import is_terminal
from rmq.ctl.failures import USAGE, Failure
from rmq.ctl.paths import path
from rmq.ctl.printing import of, print_json, print_lines, print_table
from rmq.ctl.session import Session
from rmq.ctl.text import shown

ROLES: Final = ("viewer", "administrator")
VARIABLE: Final = "RMQ_API_NEW_PASSWORD"

name_argument = click.argument("name")
file_option = click.option(
    "--password-file",
    "file",
    metavar="FILE",
    help=f"Take the new password from the first line of this file, - is standard input; else {VARIABLE}, or it is "
    "asked for on a terminal.",
)
role_option = click.option("--role", type=click.Choice(ROLES), help="A viewer reads, an administrator changes too.")
description_option = click.option("--description", metavar="TEXT", help="What the user is for.")
email_option = click.option("--email", metavar="ADDRESS")


@click.group("users", cls=CtlGroup)
def users() -> None:
    """Users of the API, the same on all nodes."""


@users.command("list")
@json_option
@click.pass_obj
def list_them(session: Session, as_json: bool) -> None:
    """List them."""
    found = session.get(path("users"))
    if as_json:
        print_json(found)
        return
    with session.reading():
        print_table(
            (
                ("name", of("name")),
                ("role", of("role")),
                ("password", lambda row: "the one that everybody knows" if row["default_password"] else "own"),
                ("made", of("created_at")),
                ("description", of("description")),
                ("e-mail", of("email")),
            ),
            [found],
        )


@users.command("add")
@name_argument
@role_option
@description_option
@email_option
@file_option
@quiet_option
@click.pass_obj
def add(
    session: Session,
    name: str,
    role: str | None,
    description: str | None,
    email: str | None,
    file: str | None,
    quiet: bool,
) -> None:
    """Add a user: a viewer, unless --role says otherwise."""
    fields = _given(role=role, description=description, email=email)
    session.change("POST", path("users"), {"name": name, "password": _new_password(session, name, file), **fields})
    _say(f"added {shown(name)}", quiet=quiet)


@users.command("password")
@name_argument
@file_option
@quiet_option
@click.pass_obj
def password(session: Session, name: str, file: str | None, quiet: bool) -> None:
    """Give a user another password; it ends all tokens of that user."""
    session.change("PUT", path("users", value=name), {"password": _new_password(session, name, file)})
    _say(f"{shown(name)} has another password", quiet=quiet)


@users.command("change")
@name_argument
@role_option
@description_option
@email_option
@quiet_option
@click.pass_obj
def change(
    session: Session, name: str, role: str | None, description: str | None, email: str | None, quiet: bool
) -> None:
    """Change role, description or e-mail address."""
    fields = _given(role=role, description=description, email=email)
    if not fields:
        raise click.UsageError("nothing to change: --role, --description or --email")
    session.change("PUT", path("users", value=name), fields)
    _say(f"changed {shown(name)}", quiet=quiet)


@users.command("remove")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@quiet_option
@click.pass_obj
def remove(session: Session, names: tuple[str, ...], quiet: bool) -> None:
    """Remove users; all their tokens end."""

    def one(name: str) -> None:
        session.change("DELETE", path("users", value=name))
        _say(f"removed {shown(name)}", quiet=quiet)

    session.each(names, one)


def _given(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}


def _say(text: str, *, quiet: bool) -> None:
    if not quiet:
        print_lines([text])


def _new_password(session: Session, name: str, file: str | None) -> str:
    if file is not None:
        return _first_line(file)
    given = session.connecting.environment.get(VARIABLE)
    if given is not None:
        return given
    if not is_terminal():
        raise Failure(USAGE, f"there is no terminal to ask for the new password: {VARIABLE} is where it can be")
    asked: str = click.prompt(f"New password of {name}", hide_input=True, confirmation_prompt=True, err=True)
    return asked


def _first_line(file: str) -> str:
    try:
        text = sys.stdin.readline() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Failure(USAGE, f"{file}: {getattr(error, 'strerror', None) or error}") from None
    return text.partition("\n")[0].rstrip("\r")


COMMANDS: Final = (users,)
