"""What all commands have in common: their class, and the options that many of them take."""

from collections.abc import Callable
from typing import Any

import click

from rmq.ctl.connecting import ANYWHERE, connecting_options
from rmq.ctl.session import Session


def session_of(context: click.Context) -> Session:
    """The session of a run; made where there is none yet."""
    return context.find_root().ensure_object(Session)


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None and value is not False:
        assert parameter.name is not None
        setattr(session_of(context).connecting, parameter.name, value)


class CtlCommand(click.Command):
    """A command that takes the options of rmq-ctl behind its name too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("epilog", ANYWHERE)
        super().__init__(*args, **kwargs)
        self.params.extend(connecting_options(_keep, hidden=True))


class CtlGroup(click.Group):
    """Commands with a name in common."""

    command_class = CtlCommand


def own_options() -> list[click.Option]:
    """The options of rmq-ctl where they belong: before a command's name."""
    return connecting_options(_keep, hidden=False)


def command(name: str, **attributes: Any) -> Callable[[Callable[..., None]], CtlCommand]:
    """A command of rmq-ctl itself."""
    return click.command(name, cls=CtlCommand, **attributes)


json_option = click.option("--json", "as_json", is_flag=True, help="The API's answer, for programs.")
node_option = click.option("--node", type=click.IntRange(min=1), metavar="N", help="Of this node alone.")
limit_option = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Not more than so many.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print nothing when it is done.")
