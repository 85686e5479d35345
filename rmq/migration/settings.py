"""Settings by dotted keys: checked by the rules of our own configuration, and what it refuses taken out."""

from collections.abc import Mapping, Sequence
from typing import Final

from rmq.config import ConfigError
from rmq.config.load import load_table
from rmq.config.origins import Problem
from rmq.migration.findings import Findings

# Files that needn't be on the machine where the import runs.
_FILES: Final = (".cert", ".key", ".client_ca_certs")


def check(found: Findings) -> None:
    """Take out of the settings what our configuration wouldn't have; each is told among what is left.

    Files that aren't here are told too, and stay: the node may run on another machine.
    """
    for key, value in found.settings.items():
        if isinstance(value, str) and value.startswith("${"):
            found.leave(key, f"{value}: write the whole path")
    while found.settings:
        try:
            load_table(tables(found.settings), "import")
        except ConfigError as error:
            wrong = [problem for problem in error.problems if not problem.key.endswith(_FILES)]
            if not wrong:
                for problem in error.problems:
                    found.leave(problem.key, f"{problem.message}: see to the file before the node starts")
                return
            _drop(found, wrong)
        else:
            return


def tables(settings: Mapping[str, object]) -> dict[str, object]:
    """Dotted keys as tables within tables."""
    found: dict[str, object] = {}
    for key, value in settings.items():
        *path, name = key.split(".")
        table = found
        for step in path:
            inner = table.setdefault(step, {})
            assert isinstance(inner, dict), f"{key}: {step} is a value"
            table = inner
        table[name] = value
    return found


def _drop(found: Findings, wrong: Sequence[Problem]) -> None:
    """Take out the keys that are named, or the table that is; everything if there is neither."""
    for problem in wrong:
        parts = problem.key.split(".")
        while parts:
            name = ".".join(parts)
            known = [key for key in found.settings if key == name or key.startswith(f"{name}.")]
            if known:
                break
            parts.pop()
        else:
            known = list(found.settings)
        for key in known:
            del found.settings[key]
            found.carried = [one for one in found.carried if not one.becomes.startswith(f"{key} = ")]
        found.leave(problem.key or "the settings", problem.message)
