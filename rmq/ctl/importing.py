"""import: what the files of another broker hold, as files of ours, and its retained messages into a running node."""

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rmq.ctl.command import command, json_option
from rmq.ctl.failures import NEGATIVE, USAGE, Failure
from rmq.ctl.paths import path
from rmq.ctl.printing import print_json, print_lines
from rmq.ctl.session import Session

if TYPE_CHECKING:
    from rmq.migration import Findings, Retained

KINDS: Final = ("emqx", "mosquitto", "nanomq", "rmqtt")


@command("import")
@click.argument("kind", type=click.Choice(KINDS), metavar="KIND")
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--write", is_flag=True, help="Do it; without, it is only told what would be done.")
@click.option("--dry-run", is_flag=True, help="Do nothing: as it is without --write.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("imported"),
    show_default=True,
    help="Where the files go.",
)
@click.option("--retained/--no-retained", default=True, help="Give retained messages to the node, or leave them.")
@json_option
@click.pass_obj
def import_(
    session: Session,
    kind: str,
    files: tuple[Path, ...],
    write: bool,
    dry_run: bool,
    out: Path,
    retained: bool,
    as_json: bool,
) -> None:
    """Carry over what another broker's files hold.

    \b
    KIND       FILE
    mosquitto  mosquitto.conf; its password, ACL and database files are read where it says
    nanomq     nanomq.conf, with what it includes
    emqx       a data export (tar.gz of version 5, JSON of version 4), cluster.hocon, acl.conf, users.json or .csv
    rmqtt      rmqtt.toml; files of bridges to MQTT brokers in rmqtt-plugins beside it

    Users, access rules, settings and bridges become files for rmq-node; nothing that is there is replaced. Retained
    messages are published to the running node. What can't be carried over is listed, each with the reason.
    """
    if write and dry_run:
        raise Failure(USAGE, "--write and --dry-run: one or the other")
    # Not before: no other command needs what this loads.
    from rmq.migration import MigrationError, read
    from rmq.migration import write as write_files

    try:
        found = read(kind, list(files))
        made = write_files(found, out, ", ".join(file.name for file in files)) if write else []
    except MigrationError as error:
        raise Failure(NEGATIVE, str(error)) from None
    published = _publish(session, found.retained) if write and retained else 0
    if as_json:
        print_json(_as_json(found, made, published, write=write))
    else:
        print_lines(_lines(found, made, published, out, write=write))


def _publish(session: Session, messages: "Iterable[Retained]") -> int:
    count = 0
    for message in messages:
        body: dict[str, Any] = {
            "topic": message.topic,
            "qos": message.qos,
            "retain": True,
            "payload": base64.b64encode(message.payload).decode(),
            "encoding": "base64",
            # 0: for ever; without any it would be what the API is configured to.
            "properties": {"message_expiry_interval": message.expires_in or 0},
        }
        session.change("POST", path("mqtt", "publish"), body)
        count += 1
    return count


def _lines(found: "Findings", made: list[Path], published: int, out: Path, *, write: bool) -> list[str]:
    from rmq.migration.writing import planned

    lines = [f"  {one.what}  ->  {one.becomes}" for one in found.carried]
    lines = ["carried over:", *lines] if lines else ["there is nothing to carry over"]
    if found.left:
        lines += ["", "left, to be seen to by hand:"]
        lines += [f"  {one.what}: {one.becomes}" for one in found.left]
    lines.append("")
    counts = f"{len(found.users)} users, {len(found.rules)} rules, {len(found.settings)} settings"
    counts += f", {len(found.bridges)} bridges"
    if write:
        lines += [f"written: {counts}", *(f"  {file}" for file in made)]
        lines.append(f"published: {published} of {len(found.retained)} retained messages")
        if made:
            lines.append(f"next: rmq-node --check --config {out / 'rmq.toml'}")
    else:
        lines += [f"would be written: {counts}", *(f"  {out / name}" for name in planned(found))]
        lines.append(f"would be published: {len(found.retained)} retained messages")
        lines.append("nothing was done: --write does it")
    return lines


def _as_json(found: "Findings", made: list[Path], published: int, *, write: bool) -> dict[str, Any]:
    return {
        "written": [str(file) for file in made],
        "published": published,
        "dry_run": not write,
        "users": [user.name for user in found.users],
        "rules": len(found.rules),
        "settings": found.settings,
        "bridges": [{"plugin": bridge.plugin, "name": bridge.name} for bridge in found.bridges],
        "retained": [message.topic for message in found.retained],
        "carried": [{"what": one.what, "becomes": one.becomes} for one in found.carried],
        "left": [{"what": one.what, "why": one.becomes} for one in found.left],
    }


COMMANDS: Final = (import_,)
