"""Read configuration files, RMQ_ variables and flags into one raw table, remembering where each value came from."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from rmq.config.cluster import CLUSTER_TABLE
from rmq.config.origins import Key, Origin, Origins, Override, Problem

ENV_PREFIX = "RMQ_"
# Variables that aren't configuration keys: the file to read, and the build.
RESERVED_ENV = frozenset({"RMQ_CONFIG", "RMQ_COMPILE"})
# Variables with a name of their own, which win over those that are made from a key.
NAMED_ENV: Final[dict[str, Key]] = {
    "RMQ_CLUSTER_NODES": ("plugins", CLUSTER_TABLE, "nodes"),
    "RMQ_CLUSTER_SECRET": ("plugins", CLUSTER_TABLE, "secret"),
    "RMQ_COMPAT": ("plugins", "rmq-http-api", "compat"),
}
RESERVED_ENV_PREFIXES = ("RMQ_API_", "RMQ_BENCH_", "RMQ_TEST_")  # of rmq-ctl, of the load tool and of tests
# Kubernetes gives every pod such variables for each service; a service called "rmq" must not stop the node.
_SERVICE_ENV = re.compile(
    r"RMQ_(?:[A-Z0-9]+_)*?(?:SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?)|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_[A-Z]+)?)?)"
)
_TOML_POSITION = re.compile(r"(?P<what>.*) \(at (?P<at>[^)]*)\)", re.DOTALL)


class RawTable:
    """The merged values of all sources read so far. Tables merge key by key; anything else is replaced whole."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.origins = Origins()
        self.problems: list[Problem] = []

    def add_file(self, path: Path, under: Key = ()) -> None:
        """A TOML file; `under` is where its keys belong, e.g. ("plugins", "rmq-acl")."""
        try:
            text = path.read_text(encoding="utf-8")
            document = tomllib.loads(text)
        except OSError as error:
            self.problems.append(Problem(str(path), "", f"can't be read: {error.strerror or error}"))
        except UnicodeDecodeError as error:
            self.problems.append(Problem(str(path), "", f"is not UTF-8 text (byte {error.start})"))
        except ValueError as error:  # TOMLDecodeError, or a number with more digits than Python converts
            self.problems.append(_syntax_problem(path, str(error)))
        else:
            self._merge(under, document, Origin(str(path)))

    def add_environment(self, environ: Mapping[str, str]) -> None:
        """`RMQ_LISTENER__TCP__EXTERNAL__ADDR`: two underscores go one table down."""
        for name, text in sorted(environ.items()):
            if not name.startswith(ENV_PREFIX) or name in RESERVED_ENV or name.startswith(RESERVED_ENV_PREFIXES):
                continue
            if name in NAMED_ENV:
                continue
            origin = Origin(f"environment variable {name}", text)
            if "__" in name:
                key = self._key_of_variable(name.removeprefix(ENV_PREFIX).split("__"))
                if "" in key:
                    self.problems.append(Problem(origin.name, "", "is no key: a name is missing"))
                else:
                    self._put(key, parse_value(text), origin)
            elif _SERVICE_ENV.fullmatch(name) is None:
                self.problems.append(Problem(origin.name, "", "unknown (a key is written RMQ_<TABLE>__<KEY>)"))
        for name, key in NAMED_ENV.items():
            if name in environ:  # always text: a secret of digits is no number
                self._put(key, environ[name], Origin(f"environment variable {name}", environ[name]))

    def add_overrides(self, overrides: Iterable[Override]) -> None:
        for override in overrides:
            key = tuple(part.strip() for part in override.key.split("."))
            if "" in key:
                self.problems.append(Problem(override.source, override.key, "is no key: a name is missing"))
            elif len(key) == 1:
                self.problems.append(Problem(override.source, override.key, "unknown key (a key is written table.key)"))
            else:
                self._put(key, parse_value(override.text), Origin(override.source, override.text))

    def add_table(self, values: Mapping[str, object], source: str) -> None:
        """Keys that a program gives; `source` is what errors name."""
        self._merge((), dict(values), Origin(source))

    def table(self, *key: str) -> dict[str, object]:
        """The table at `key`, empty when there is none."""
        found: object = self.values
        for part in key:
            found = found.get(part) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    def _merge(self, key: Key, value: object, origin: Origin) -> None:
        if isinstance(value, dict) and (value or not key):
            for name, inner in value.items():
                self._merge((*key, name), inner, origin)
        else:
            self._put(key, value, origin)

    def _put(self, key: Key, value: object, origin: Origin) -> None:
        if isinstance(value, dict) and value:
            self._merge(key, value, origin)
            return
        table = self.values
        for part in key[:-1]:
            inner = table.get(part)
            if not isinstance(inner, dict):
                inner = {}
                table[part] = inner
            table = inner
        if value == {} and isinstance(table.get(key[-1]), dict):
            return  # an empty table adds nothing to the one that is there
        table[key[-1]] = value
        self.origins.record(key, origin)

    def _key_of_variable(self, parts: list[str]) -> Key:
        key: Key = ()
        for part in parts:
            known = next((name for name in self.table(*key) if name.upper().replace("-", "_") == part), None)
            fallback = part.lower()
            if key == ("plugins",) and len(parts) > 2:
                fallback = fallback.replace("_", "-")  # plugin names have dashes
            key = (*key, known if known is not None else fallback)
        return key


def parse_value(text: str) -> object:
    """A TOML value where it is one (`5`, `true`, `["a"]`), else the text itself (`127.0.0.1:1883`, `2h`)."""
    try:
        document = tomllib.loads(f"value = {text}")
    except ValueError:
        return text
    value = document.get("value")
    plain = len(document) == 1 and isinstance(value, (str, int, float, bool, list, dict))
    return value if plain else text  # dates and times are text to us


def _syntax_problem(path: Path, message: str) -> Problem:
    match = _TOML_POSITION.fullmatch(message)
    if match is None:
        return Problem(str(path), "", f"is not valid TOML: {message}")
    return Problem(str(path), match["at"], f"is not valid TOML: {match['what']}")
