"""rmq-node passwd: add, change and delete users of a password file."""

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from rmq.users.scram import Verifier

EXIT_FAILED = 1


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("user")
@click.option(
    "--superuser/--no-superuser",
    default=None,
    help="Whether access rules don't hold for the user. Default: as it was; a new user is none.",
)
@click.option("--delete", is_flag=True, help="Delete the user.")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the password from standard input: its first line.")
@click.option(
    "-b",
    "--batch",
    "given",
    metavar="PASSWORD",
    help="Take the password from here, where everybody on this machine can read it.",
)
@click.option("--no-scram", is_flag=True, help="Keep nothing for SCRAM-SHA-256: the user logs in by password only.")
@click.option(
    "--iterations", type=click.IntRange(4096, 10_000_000), default=15_000, show_default=True, help="Of SCRAM-SHA-256."
)
def passwd(
    file: Path,
    user: str,
    superuser: bool | None,
    delete: bool,
    from_stdin: bool,
    given: str | None,
    no_scram: bool,
    iterations: int,
) -> None:
    """Set the password of USER in the password file FILE; both are made where they don't exist.

    A running node takes it over when it is told to read its files again.
    """
    from rmq.users.password_file import UsersFileError, delete_user, put_user
    from rmq.users.record import check_name

    try:
        if delete:
            if from_stdin or given is not None or superuser is not None:
                raise click.UsageError("--delete goes with no other option")
            if not delete_user(file, user):
                _fail(f"{file}: there is no user {user}")
            return
        check_name(user)
        password = _password(from_stdin, given)
        argon2, verifier = _secrets(user, password, None if no_scram else iterations)
        put_user(file, user, argon2, verifier, superuser)
    except (UsersFileError, ValueError) as error:
        _fail(str(error))


def _password(from_stdin: bool, given: str | None) -> str:
    if from_stdin and given is not None:
        raise click.UsageError("--stdin and --batch exclude each other")
    if given is not None:
        password = given
    elif from_stdin:
        try:
            password = sys.stdin.buffer.readline().decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise ValueError("the password is not UTF-8 text") from None
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        raise click.UsageError("there is no terminal to ask for the password: use --stdin")
    if not password:
        raise ValueError("the password is empty")
    return password


def _secrets(user: str, password: str, iterations: int | None) -> "tuple[str, Verifier | None]":
    from rmq.users.hashing import hashed
    from rmq.users.saslprep import SaslprepError, prepared_stored
    from rmq.users.scram import SALT_BYTES, verifier

    kept = None
    if iterations is not None:
        try:
            name, prepared = prepared_stored(user), prepared_stored(password)
        except SaslprepError as error:
            raise ValueError(f"not for SCRAM: {error}; --no-scram does without") from None
        if name != user or not prepared:
            raise ValueError("not for SCRAM: SASLprep makes another name or an empty password; --no-scram does without")
        kept = verifier(prepared, secrets.token_bytes(SALT_BYTES), iterations)
    return hashed(password.encode()), kept


def _fail(text: str) -> NoReturn:
    click.echo(f"rmq-node passwd: {text}", err=True)
    sys.exit(EXIT_FAILED)
