"""Turns: long work is done slice by slice, and MQTT goes on between any two slices of all such work."""

import trio


class Turns:
    """Shared by all that can wait: requests, walks, long answers. Whoever waits longest comes first.

    The one whose turn it is lets a whole round of the scheduler pass before its slice, so the reactor of MQTT runs
    between any two slices, however many there are to do: slices of 2 ms beside turns of MQTT of 4 ms are a fifth of
    the time at most, and a message waits for one slice at most.
    """

    def __init__(self) -> None:
        self._lock = trio.Lock()

    async def wait(self) -> None:
        """Wait for one's turn."""
        async with self._lock:
            await trio.lowlevel.checkpoint()
