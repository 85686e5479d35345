"""What the plugin, the dialects and the other parts share: management, and the options that handlers ask."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rmq.management import ManagementService
from rmq.management.turns import Turns

Work = Callable[[], Awaitable[object]]


@dataclass
class ApiService:
    """``management`` answers everything. ``max_rows`` and ``message_expiry_s`` follow the plugin's configuration.

    ``plugin_name`` is who serves, and ``spawn`` runs what must not be waited for, such as unloading that plugin.
    """

    management: ManagementService
    max_rows: int
    message_expiry_s: float
    plugin_name: str
    spawn: Callable[[Work], None]

    @property
    def turns(self) -> Turns:
        """Those of all long work that can wait."""
        return self.management.local.turns
