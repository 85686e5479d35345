"""The options that say which API, and who asks: before a command's name, or behind it."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from rmq.ctl.failures import USAGE, Failure

DEFAULT_URL: Final = "http://127.0.0.1:6060"
DEFAULT_TIMEOUT_S: Final = 10.0
ANYWHERE: Final = "Options of rmq-ctl itself (--url, --token …) may stand here too."


@dataclass
class Connecting:
    """What was given on the command line; None where nothing was. ``environment`` is asked where it says nothing."""

    environment: Mapping[str, str]
    url: str | None = None
    token: str | None = None
    token_file: str | None = None
    user: str | None = None
    ca_file: str | None = None
    insecure: bool = False
    timeout_s: float | None = None

    @property
    def address(self) -> str:
        """The URL in force."""
        return self.url or self.environment.get("RMQ_API_URL") or DEFAULT_URL

    def token_and_name(self) -> tuple[str, str]:
        """The bearer token, or the name of a user; both "" for nobody.

        One that is given on the command line counts, and only without any the environment does.
        """
        given = [self.token is not None, self.token_file is not None, self.user is not None]
        if sum(given) > 1:
            raise click.UsageError("--token, --token-file and --user exclude each other")
        if self.token is not None:
            return self.token, ""
        if self.token_file is not None:
            return _first_line(self.token_file), ""
        if self.user is not None:
            return "", _name(self.user)
        if token := self.environment.get("RMQ_API_TOKEN"):
            return token, ""
        return "", _name(self.environment.get("RMQ_API_USER", ""))


def connecting_options(
    kept: Callable[[click.Context, click.Parameter, Any], None], *, hidden: bool
) -> list[click.Option]:
    """The options themselves; ``kept`` is called with each value."""

    def option(name: str, attribute: str, help_text: str, **more: Any) -> click.Option:
        return click.Option(
            [name, attribute], help=help_text, hidden=hidden, expose_value=False, callback=kept, default=None, **more
        )

    return [
        option("--url", "url", f"The API of any node; else RMQ_API_URL, else {DEFAULT_URL}.", metavar="URL"),
        option(
            "--user",
            "user",
            "A user of the API, or the id of an API key; else RMQ_API_USER. The password (the secret of the key) is "
            "RMQ_API_PASSWORD, or asked for on a terminal.",
            metavar="NAME",
        ),
        option(
            "--token",
            "token",
            "A bearer token, where everybody on this machine can read it; better RMQ_API_TOKEN, or:",
            metavar="TOKEN",
        ),
        option("--token-file", "token_file", "Take the token from this file.", metavar="FILE"),
        option("--ca-file", "ca_file", "Authorities that sign the API's certificate, in PEM.", metavar="FILE"),
        click.Option(
            ["--insecure"],
            is_flag=True,
            help="Don't check the API's certificate.",
            hidden=hidden,
            expose_value=False,
            callback=kept,
        ),
        option(
            "--timeout",
            "timeout_s",
            f"Seconds to wait for the connection, and for the answer; {DEFAULT_TIMEOUT_S:g} by default. "
            "What moves clients or data is waited for as long as it takes.",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
        ),
    ]


def _first_line(file: str) -> str:
    try:
        text = Path(file).read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, ValueError) as error:
        raise Failure(USAGE, f"{file}: {getattr(error, 'strerror', None) or error}") from None
    if not text:
        raise Failure(USAGE, f"{file}: there is no token in its first line")
    return text


def _name(name: str) -> str:
    if ":" in name:
        raise click.UsageError("--user: no user's name has a colon in it (RFC 7617)")
    return name


def password_for(name: str, environment: Mapping[str, str]) -> str:
    """The password of a user: of the environment, or asked for."""
    password = environment.get("RMQ_API_PASSWORD")
    if password is not None:
        return password
    if not is_terminal():
        raise Failure(USAGE, "there is no terminal to ask for the password: RMQ_API_PASSWORD is where it can be")
    asked: str = click.prompt(f"Password of {name}", hide_input=True, err=True)
    return asked


def is_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def own_environment() -> Mapping[str, str]:
    """That of this process."""
    return os.environ
