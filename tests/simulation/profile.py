"""What kind of run a seed is."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Final

from rmq.session.limits import ACK_QUORUM, ACK_QUORUM_FSYNC

# Clients that are in some runs only.
TRANSIENTS: Final = "transients"
GROUPS: Final = "groups"
WILLS: Final = "wills"


@dataclass
class Profile:
    """``faults`` are their names with weights, ``first`` is the one to begin with; ``grows``: members come and go.

    ``is_plain``: links have no tasks of their own, as without TLS. Times in seconds, sizes in bytes.
    """

    seed: int
    nodes: int = 3
    observers: tuple[int, ...] = ()
    ack_policy: int = ACK_QUORUM
    snapshot_after: int = 20_000
    kept_bytes: int = 4_000
    grows: bool = False
    is_plain: bool = True
    extras: tuple[str, ...] = ()
    duration: float = 6.0
    pause: tuple[float, float] = (0.1, 1.0)
    link_dead_after: float = 2.0
    skew: dict[int, float] = field(default_factory=dict)
    faults: dict[str, float] = field(default_factory=dict)
    first: str = ""

    @classmethod
    def of(cls, seed: int) -> Profile:
        """The kind of run that a seed is."""
        random = Random(seed * 7919 + 1)
        profile = cls(seed)
        kind = seed % 8
        if kind == 6:
            profile.nodes = 5
            profile.duration = 4.0
        profile.extras = ((TRANSIENTS,), (GROUPS,), (WILLS,))[seed % 3]
        profile.grows = kind == 4
        profile.is_plain = seed % 5 > 0
        if kind == 7:
            profile.nodes = 4
            profile.observers = (4,)
        if kind in (3, 5):
            profile.ack_policy = ACK_QUORUM_FSYNC
        if kind in (2, 5):
            profile.skew = {random.randint(1, profile.nodes): random.choice((-3600.0, 3600.0))}
        every: dict[str, float] = {
            "crash": 3,
            "power": 2,
            "wipe": 0.7,
            "partition": 4,
            "one_way": 2,
            "deaf": 5,
            "mute": 2,
            "late_batch": 6,
            "slow": 3,
            "cut": 2,
            "half_cut": 2,
            "stall": 2,
            "stop": 1.5,
            "transfer": 1,
            "drain": 0.7,
            "lose_client": 2,
            "jump": 4,
        }
        every["crash_everywhere"] = 0.7
        every["cut_off"] = 2
        if TRANSIENTS in profile.extras:
            every |= {"unheard": 4, "apart": 3}
        if random.random() < 0.5:
            profile.link_dead_after = 4.0  # a node is declared down while its links stand
        # Each seed leaves some faults out: what is hidden by one fault is seen without it.
        profile.faults = {name: weight for name, weight in every.items() if random.random() < 0.75}
        if profile.ack_policy == ACK_QUORUM_FSYNC:
            profile.faults["power_everywhere"] = 12
        if profile.link_dead_after < 4.0:
            profile.faults.pop("late_batch", None)
        profile.faults.setdefault("deaf", 3)
        profile.faults.setdefault("crash", 2)
        profile.faults.setdefault("partition", 2)
        # What happens seldom by itself begins some runs.
        if seed % 3 == 0:
            profile.first = ("", "unheard", "apart", "unheard")[seed // 3 % 4]
        elif seed % 12 in (1, 5):
            profile.first = "cut_off"
        return profile
