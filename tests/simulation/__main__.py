"""Many seeds, each a line of JSON: ``python -m tests.simulation 0-99 [--mutation NAME] [--trace FILE]``."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from pathlib import Path

from tests.simulation.mutations import COMMITTED_FIRST, GUARDS, mutation
from tests.simulation.simulate import simulate


def main() -> None:
    """Run them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("seeds", help="as in 0-19 or 7")
    parser.add_argument("--mutation", default="", choices=["", *COMMITTED_FIRST, *GUARDS], help="a rule to take out")
    parser.add_argument("--until-problem", action="store_true", help="end with the first seed that has a problem")
    parser.add_argument("--trace", type=Path, help="where the trace of the last seed goes")
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    gc.freeze()  # what is imported needn't be looked through after each run
    for seed in range(int(first), int(last or first) + 1):
        with mutation(options.mutation):
            result = simulate(seed)
        sys.stdout.write(json.dumps(result.line()) + "\n")
        sys.stdout.flush()
        if options.trace is not None:
            options.trace.write_text("\n".join(result.trace) + "\n")
        if result.problems and options.until_problem:
            break


if __name__ == "__main__":
    main()
