"""What is counted of an entry."""


class Figures:
    """``received`` from the side that messages come from, ``sent`` is what the other side acknowledged, or QoS 0.

    ``failed`` counts connections that couldn't be made or broke; ``dropped`` messages that go no further, by why.
    """

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0
        self.failed = 0
        self.loops = 0
        self.dropped: dict[str, int] = {}
        self.problem = ""

    def drop(self, why: str) -> None:
        """A message goes no further."""
        if why == "loop":
            self.loops += 1
        else:
            self.dropped[why] = self.dropped.get(why, 0) + 1
