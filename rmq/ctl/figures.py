"""stats and metrics: the figures of each node or of all, once or watched."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from rmq.ctl.command import command, json_option, node_option
from rmq.ctl.failures import SERVER_FAILED, UNREACHABLE, Failure
from rmq.ctl.paths import path
from rmq.ctl.printing import print_json, print_json_line, print_lines, room
from rmq.ctl.session import Session, say
from rmq.ctl.table import Table
from rmq.ctl.text import printable, shown

# Goes to the upper left corner, and clears what is below (ECMA-48, 8.3.21 and 8.3.39).
CLEAR: Final = "\x1b[H\x1b[J"
Figures = Mapping[str, Any]
# A column's title and its figures.
Columns = list[tuple[str, Figures]]

_OPTIONS: Final = (
    click.argument("names", nargs=-1, metavar="[NAME]…"),
    click.option("--sum", "as_sum", is_flag=True, help="All nodes as one."),
    node_option,
    click.option("--watch", is_flag=True, help="Ask again and again, and say what has changed; Ctrl-C ends it."),
    click.option(
        "--every",
        type=click.FloatRange(min=0.1),
        default=2.0,
        show_default=True,
        metavar="SECONDS",
        help="With --watch.",
    ),
    click.option("--count", type=click.IntRange(min=1), metavar="N", help="With --watch: end after so many times."),
    json_option,
)


def _command(kind: str, help_text: str) -> Any:
    @click.pass_obj
    def figures(session: Session, /, **options: Any) -> None:
        _Asked(session, kind, **options).run()

    decorated: Callable[..., None] = figures
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return command(kind, help=help_text)(decorated)


class _Asked:
    """What is shown of the figures, and how often."""

    def __init__(
        self,
        session: Session,
        kind: str,
        names: tuple[str, ...],
        as_sum: bool,
        node: int | None,
        watch: bool,
        every: float,
        count: int | None,
        as_json: bool,
    ) -> None:
        if as_sum and node is not None:
            raise click.UsageError("--sum and --node exclude each other")
        if count is not None and not watch:
            raise click.UsageError("--count goes with --watch")
        self._session = session
        self._kind = kind
        self._names = names
        self._as_sum = as_sum
        self._where = path(kind, "sum") if as_sum else path(kind) if node is None else path(kind, node)
        self._times = None if watch and count is None else count or 1
        self._watch = watch
        self._every = every
        self._as_json = as_json
        self._before: Mapping[tuple[str, str], Any] = {}

    def run(self) -> None:
        """Show them, as often as wanted. While they are watched a node that doesn't answer may come back."""
        for turn in itertools.count(1):
            try:
                found = self._session.get(self._where)
            except Failure as failure:
                if not self._watch or turn == self._times or failure.exit_code not in (UNREACHABLE, SERVER_FAILED):
                    raise
                say(str(failure))
            else:
                self._show(found)
            if turn == self._times:
                return
            self._session.pause(self._every)
            self._session.missing.clear()  # what counts is the last answer

    def _show(self, found: Any) -> None:
        if self._as_json:
            (print_json_line if self._watch else print_json)(found)
            return
        with self._session.reading():
            columns = self._columns(found)
            lines = self._lines(columns)
            self._before = {(title, name): value for title, values in columns for name, value in values.items()}
        if self._watch and room() is not None:
            click.echo(CLEAR, nl=False)
        print_lines([*lines, ""] if self._watch else lines)

    def _columns(self, found: Any) -> Columns:
        if not self._as_sum:
            rows = found if isinstance(found, list) else [found]
            return [(f"node {shown(row['node']['id'])}", row[self._kind]) for row in rows]
        if self._kind == "metrics":
            return [("sum", found)]
        return [("sum", found["stats"])]

    def _lines(self, columns: Columns) -> list[str]:
        every = sorted({name for _, values in columns for name in values})
        wanted = [name for name in every if not self._names or any(part in name for part in self._names)]
        if every and not wanted:
            raise click.UsageError(f"none of the {self._kind} has that in its name")
        titles = [title for title, _ in columns]
        table = Table([self._kind, *titles], titles, room())
        return table.lines(
            [[printable(name), *(self._cell(title, name, values) for title, values in columns)] for name in wanted]
        )

    def _cell(self, title: str, name: str, values: Figures) -> str:
        value = values.get(name)
        before = self._before.get((title, name))
        if isinstance(value, (int, float)) and isinstance(before, (int, float)) and value != before:
            return f"{value - before:+} {value}"
        return shown(value)


stats = _command("stats", "Show gauges: how many there are now. NAME is a part of what they are called.")
metrics = _command("metrics", "Show counters: how many there were. NAME is a part of what they are called.")

COMMANDS: Final = (stats, metrics)
