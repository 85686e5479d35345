"""How long and with which seed to fuzz, from the environment.

RMQ_FUZZ_PACKETS   mutated packets per test (default 20,000; `make fuzz` sets 200,000)
RMQ_FUZZ_SECONDS   give up after this time (default 300); not reaching the number of packets is a failure
RMQ_FUZZ_SEED      repeat a run: the seed is in the test's output (default: a new one each time)
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FuzzSettings:
    """One run's size and seed."""

    packets: int
    seconds: float
    seed: int


def from_environment() -> FuzzSettings:
    seed = os.environ.get("RMQ_FUZZ_SEED")
    return FuzzSettings(
        packets=int(os.environ.get("RMQ_FUZZ_PACKETS", "20000")),
        seconds=float(os.environ.get("RMQ_FUZZ_SECONDS", "300")),
        seed=int(seed) if seed else random.SystemRandom().randrange(2**32),
    )
