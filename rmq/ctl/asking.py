"""What is asked before something is lost: on a terminal; programs say --yes."""

import click

from rmq.ctl.connecting import is_terminal
from rmq.ctl.failures import NEGATIVE, USAGE, Failure
from rmq.ctl.text import printable

yes_option = click.option("-y", "--yes", is_flag=True, help="Don't ask.")


def make_sure(yes: bool, *meaning: str) -> None:
    """Say what a command means, and end here unless it is wanted all the same."""
    for sentence in meaning:
        click.echo(printable(sentence), err=True)
    if yes:
        return
    if not is_terminal():
        raise Failure(USAGE, "there is no terminal to ask on: --yes does it without")
    if not click.confirm("Do it?", err=True):
        raise Failure(NEGATIVE, "nothing was done")
