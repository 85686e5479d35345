"""The command line of a soak run: python -m tests.soak --minutes 30."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Final

from tests.soak.run import Run
from tests.soak.verdict import table
from tests.support.broker_process import REPOSITORY

# Idle worker threads end after 10 s.
REST_S: Final = 15.0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """0 if the node has returned to where it was and nothing was lost, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long the load lasts (default: 30)")
    parser.add_argument("--warm-up", type=float, help="minutes of load before that (default: a fifth, 5 at most)")
    parser.add_argument("--seed", type=int, default=1, help="of all chance in the load (default: 1)")
    arguments = parser.parse_args()
    warm_up = min(5.0, arguments.minutes / 5) if arguments.warm_up is None else arguments.warm_up
    directory = REPOSITORY / "build" / "soak" / time.strftime("%Y%m%d-%H%M%S")
    directory.mkdir(parents=True)
    _say(f"{directory}: {warm_up:g} minutes of warm-up, then {arguments.minutes:g} minutes")
    run = Run(
        directory,
        load_s=arguments.minutes * 60,
        warm_up_s=warm_up * 60,
        rest_s=REST_S,
        seed=arguments.seed,
        say=_say,
    )
    outcome = asyncio.run(run.run())
    text = [table(outcome.lines), outcome.totals]
    text += [f"{count} times: {kind}" for kind, count in outcome.problems.counts.items()]
    text.append("good" if outcome.is_good else "VIOLATIONS")
    _say("\n".join(text))
    Path(directory / "result.txt").write_text("\n".join(text) + "\n")
    return 0 if outcome.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
