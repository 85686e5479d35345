"""The command rmq-ctl: its options, its commands, and how a run ends."""

import io
import os
import sys
from typing import Any, Final

import click

from rmq.ctl import (
    acl,
    clients,
    cluster,
    completion,
    figures,
    importing,
    overview,
    plugins,
    publishing,
    retained,
    subscriptions,
    users,
)
from rmq.ctl.command import CtlGroup, own_options, session_of
from rmq.ctl.failures import CLOSED_PIPE, INCOMPLETE, INTERRUPTED, NEGATIVE, NO_OUTPUT, Failure
from rmq.ctl.session import say

_HELP: Final = """Ask and change rmq, a node or a whole cluster, over its HTTP API.

Any node answers for all of them. Without --url it is the one on this machine, at 127.0.0.1:6060, which needs no
credentials as it comes.

\b
Exit codes:
0  done             1  the answer is no: not found, can't serve, not possible
2  usage            3  no access: no or bad credentials, or not allowed
4  nothing there    no connection, or whoever answers isn't rmq
5  rmq couldn't     no quorum, a node that doesn't answer, a bug
6  incomplete       printed, but nodes that should have had a part in it gave no answer
7  not printed      the output can't be written
"""


class Program(CtlGroup):
    """The group of all commands; whatever ends a run becomes a line and an exit code here."""

    group_class = CtlGroup

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(own_options())

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, and leave with the exit code."""
        extra["standalone_mode"] = False
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # what a terminal's encoding hasn't got is escaped
                stream.reconfigure(errors="backslashreplace")
        try:
            code = super().main(*args, **extra)
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except click.Abort:  # Ctrl-C or the end of input, at a question
            code = INTERRUPTED
        sys.exit(code)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """The context of a run; --help prints here already."""
        try:
            return super().make_context(*args, **extra)
        except OSError as error:
            raise click.exceptions.Exit(_unwritten(error)) from None

    def invoke(self, ctx: click.Context) -> Any:
        """The exit code of the command. It is found here because click takes interruptions and pipes as its own."""
        try:
            code = self._run(ctx)
            sys.stdout.flush()
            return code
        except KeyboardInterrupt:
            return INTERRUPTED
        except OSError as error:
            return _unwritten(error)

    def _run(self, ctx: click.Context) -> int:
        session = session_of(ctx)
        try:
            super().invoke(ctx)
        except Failure as failure:
            say(str(failure))
            return failure.exit_code
        finally:
            session.close()
        if session.missing:
            plural = "s" if len(session.missing) > 1 else ""
            say(f"incomplete: nothing from node{plural} {', '.join(sorted(session.missing))}")
        if session.is_negative:
            return NEGATIVE
        return INCOMPLETE if session.missing else 0


def _unwritten(error: OSError) -> int:
    """The exit code when the output can't be written; what comes from the network is a ``Failure`` instead."""
    # What is still in the buffer goes nowhere, instead of into a second error when the interpreter ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return CLOSED_PIPE
    say(f"standard output: {error.strerror or error}")
    return NO_OUTPUT


@click.group(
    "rmq-ctl",
    cls=Program,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
def main() -> None:
    """Entry point of the console script."""


for _module in (
    overview,
    clients,
    subscriptions,
    publishing,
    retained,
    figures,
    plugins,
    acl,
    users,
    cluster,
    importing,
    completion,
):
    for _command in _module.COMMANDS:
        main.add_command(_command)
