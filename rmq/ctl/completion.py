"""completion: what makes a shell complete the commands and options of rmq-ctl."""

from typing import Final

import click
from click.shell_completion import get_completion_class

from rmq.ctl.command import command

VARIABLE: Final = "_RMQ_CTL_COMPLETE"  # as click makes it of the program's name


@command("completion", epilog="")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands.

    \b
    bash, in ~/.bashrc:  source <(rmq-ctl completion bash)
    zsh, in ~/.zshrc:    source <(rmq-ctl completion zsh)
    fish:                rmq-ctl completion fish > ~/.config/fish/completions/rmq-ctl.fish
    """
    found = get_completion_class(shell)
    assert found is not None, shell
    click.echo(found(context.find_root().command, {}, "rmq-ctl", VARIABLE).source().rstrip())


COMMANDS: Final = (completion,)
