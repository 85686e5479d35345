"""The simulation notices when a rule is taken out, within the seeds that ``test_seeds`` runs in CI.

RMQ_SIM_MUTATIONS=1   all of them, as in CI; else one, which shows that the simulation sees anything at all
"""

from __future__ import annotations

import os
from typing import Final

import pytest

from tests.simulation.mutations import COMMITTED_FIRST
from tests.simulation.runs import CI_SEEDS, run, until_problem

QUICK: Final = "PUBACK and PUBREC wait for the commit"
# The first seed that notices, where the first few don't: it saves the others. Any seed of CI's may be the one.
FROM: Final[dict[str, int]] = {
    "a batch of an incarnation that is over isn't applied": 10,
    "a message of a connection that was taken over isn't stored": 26,
    "PUBACK waits for the nodes of connected subscribers": 6,
    "what is sent again over another link is delivered once": 3,
    "quorum_fsync waits for disks": 3,
    "CONNACK and SUBACK wait for disks": 3,
    "the log is synced": 3,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMITTED_FIRST)
def test_a_rule_that_is_taken_out_is_missed(name: str) -> None:
    if name != QUICK and not (os.environ.get("RMQ_SIM_MUTATIONS") or os.environ.get("CI")):
        pytest.skip("RMQ_SIM_MUTATIONS=1 runs all of them")
    line = until_problem(name, FROM.get(name, 1), CI_SEEDS)
    if not line["problems"]:
        line = until_problem(name, 1, CI_SEEDS)
    assert line["problems"], f"no seed up to {CI_SEEDS} notices"
    # A seed that fails anyway has noticed something else.
    assert run(line["seed"], line["seed"])[0]["problems"] == []
