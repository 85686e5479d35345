"""What a handler that decides may answer, and what it is asked about."""

from typing import Final

from rmq.mqtt.codes import NOT_AUTHORIZED
from rmq.session.client_info import ClientInfo

# Answers of the ACL points; the first one that isn't UNDECIDED ends the chain.
UNDECIDED: Final = 0
ALLOW: Final = 1
DENY: Final = 2
LATER: Final = 3  # only chains answer so, never a handler: a handler of this chain must be awaited
DENY_AND_DISCONNECT: Final = 4
DENY_ONCE: Final = 5  # guards answer so for a handler that failed: a denial that nobody may remember

VERDICT_NAMES: Final[list[str]] = ["undecided", "allow", "deny", "later", "deny and disconnect", "deny once"]


class AuthRequest:
    """What a client offers in CONNECT to prove who it is.

    ``client`` is the very object that every later hook of this connection gets, so a handler may use it as a key;
    its ``superuser`` isn't decided yet. ``certificate`` is the client certificate in DER form, None without one.
    """

    __slots__ = ("certificate", "client", "password")

    def __init__(self, client: ClientInfo, password: bytes | None, certificate: bytes | None = None) -> None:
        self.client = client
        self.password = password
        self.certificate = certificate


class AuthResult:
    """The answer about a connection: ``client_connect``, ``client_authenticate`` and ``client_enhanced_auth``.

    ``reason_code`` is the one of the CONNACK when the verdict is a denial (MQTT 3: translated). ``expires_at`` is
    when what was proved ends and the connection with it (seconds since 1970, 0.0: never). ``auth_data`` goes back
    to the client in the AUTH exchange; there LATER means that the exchange goes on.
    """

    __slots__ = ("auth_data", "expires_at", "reason_code", "reason_string", "superuser", "verdict")

    def __init__(
        self,
        verdict: int,
        superuser: bool = False,
        reason_code: int = NOT_AUTHORIZED,
        reason_string: str | None = None,
        expires_at: float = 0.0,
        auth_data: bytes | None = None,
    ) -> None:
        self.verdict = verdict
        self.superuser = superuser
        self.reason_code = reason_code
        self.reason_string = reason_string
        self.expires_at = expires_at
        self.auth_data = auth_data


class EnhancedAuthRequest:
    """One step of an AUTH exchange [MQTT 5.0, 4.12].

    ``step`` counts from 0 (the data of CONNECT, or of the client's re-authentication: ``reauthenticating``).
    """

    __slots__ = ("client", "data", "method", "reauthenticating", "step")

    def __init__(self, client: ClientInfo, method: str, data: bytes | None, step: int, reauthenticating: bool) -> None:
        self.client = client
        self.method = method
        self.data = data
        self.step = step
        self.reauthenticating = reauthenticating
