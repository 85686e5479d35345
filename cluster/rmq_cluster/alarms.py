"""What a person should see to goes to the log when it begins and when it is over."""

from typing import TYPE_CHECKING, Final

import structlog

from rmq_cluster.view import alarms_of

if TYPE_CHECKING:
    from rmq_cluster.cluster import Cluster

log = structlog.get_logger(__name__)

LOOK_S: Final = 1.0


class Alarms:
    """The alarms of the status, as the log knows them. What lasts less than a second isn't told."""

    def __init__(self, cluster: "Cluster") -> None:
        self._cluster = cluster
        self._next = 0.0
        self._seen: tuple[str, ...] = ()
        self._told: tuple[str, ...] = ()

    def look(self, now: float) -> None:
        """Every now and then."""
        if now < self._next:
            return
        self._next = now + LOOK_S
        alarms = alarms_of(self._cluster)
        if alarms == self._seen and alarms != self._told:
            for alarm in alarms:
                if alarm not in self._told:
                    log.warning("alarm", text=alarm)
            if not alarms:
                log.info("no alarms any more")
            self._told = alarms
        self._seen = alarms
