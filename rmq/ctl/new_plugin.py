"""plugins new: a folder with a plugin that runs, from a name; needs no API."""

import keyword
import re
import shutil
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

from rmq.ctl.command import CtlCommand, quiet_option
from rmq.ctl.failures import NEGATIVE, USAGE, Failure
from rmq.ctl.plugin_template import FILES
from rmq.ctl.printing import print_lines

# A name stands in file names, in TOML, in variables of the environment and, with "_" for "-", in Python.
NAME_FORM: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME: Final = 40
# Keys of the table [plugins] and files beside plugins' own that aren't plugins.
RESERVED: Final = frozenset({"dir", "rmq-cluster-raft"})
# Configurations of RMQTT call plugins so: rmqtt-x is our rmq-x.
OTHER_PREFIX: Final = "rmqtt-"


@click.command("new", cls=CtlCommand, epilog="")
@click.argument("name")
@quiet_option
def new(name: str, quiet: bool) -> None:
    """Make a folder with a plugin that runs, to begin one of your own.

    NAME is what the plugin will be called, such as rmq-quiet-hours: small letters, digits and dashes. The folder is
    made here, under that name; nothing that is there is replaced.
    """
    _check(name)
    folder = Path(name)
    _make(folder, rendered(name))
    if not quiet:
        print_lines(
            [
                f"{folder}/ has the plugin {name}. From here:",
                "",
                f"  cd {folder}",
                "  pip install -e .",
                "  pytest",
                "  rmq-node --dev",
            ]
        )


def rendered(name: str) -> dict[str, str]:
    """The files of a plugin by their paths in its folder."""
    module = module_of(name)
    values = {"name": name, "module": module, "class_name": class_of(name)}
    return {
        path.replace("MODULE", module).replace("NAME", name): template.substitute(values)
        for path, template in FILES.items()
    }


def module_of(name: str) -> str:
    """The package of a plugin."""
    return name.replace("-", "_")


def class_of(name: str) -> str:
    """The class of a plugin: rmq-quiet-hours is QuietHours."""
    return "".join(part.capitalize() for part in name.removeprefix("rmq-").split("-"))


def _check(name: str) -> None:
    if NAME_FORM.fullmatch(name) is None or len(name) > LONGEST_NAME:
        form = "small letters, digits and dashes between them, a letter first"
        raise Failure(USAGE, f"{name!r} can't be a plugin's name: {form}, {LONGEST_NAME} characters at most")
    if name.startswith(OTHER_PREFIX):
        ours = "rmq-" + name.removeprefix(OTHER_PREFIX)
        raise Failure(USAGE, f"{name} would be taken for {ours}: RMQTT's plugins are called so")
    if name in RESERVED:
        raise Failure(USAGE, f"{name} means something else in configurations")
    if any(point.name == name for point in entry_points(group="rmq.plugins")):
        raise Failure(NEGATIVE, f"there is a plugin {name} in this environment")
    module = module_of(name)
    if not class_of(name).isidentifier() or keyword.iskeyword(class_of(name)):
        raise Failure(USAGE, f"{name}: {class_of(name)} can't be the name of a class")
    if keyword.iskeyword(module) or module in sys.stdlib_module_names:
        raise Failure(USAGE, f"{name}: Python has its own {module}")
    if Path(name).exists() or Path(name).is_symlink():
        raise Failure(NEGATIVE, f"{name} is there already; nothing was written")
    if find_spec(module) is not None:
        raise Failure(NEGATIVE, f"{name}: this environment has a package {module}")


def _make(folder: Path, files: dict[str, str]) -> None:
    try:
        folder.mkdir()
    except FileExistsError:
        raise Failure(NEGATIVE, f"{folder} is there already; nothing was written") from None
    except OSError as error:
        raise Failure(NEGATIVE, f"{folder} can't be made: {error.strerror or error}") from None
    try:
        for path, text in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)  # it was made a moment ago, and half a plugin helps nobody
        raise Failure(NEGATIVE, f"{folder} can't be written: {error.strerror or error}") from None
