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
DENY_ONCE: Final = 5  # a denial that nobody may remember; guards answer so for a handler that failed

VERDICT_NAMES: Final[list[str]] = ["undecided", "allow", "deny", "later", "deny and disconnect", "deny once"]


class AuthRequest:
    """What a client offers in CONNECT to prove who it is.

    ``client`` is the very object that every later hook of this connection gets, so a handler may use it as a key;
    its ``superuser`` isn't decided yet. ``certificate`` is the client certificate in DER form, None without one;
    ``certificate_name`` is the user name that it gives the client where the listener takes names from there.
    """

    __slots__ = ("certificate", "certificate_name", "client", "password")

    def __init__(
        self,
        client: ClientInfo,
        password: bytes | None,
        certificate: bytes | None = None,
        certificate_name: str | None = None,
    ) -> None:
        self.client = client
        self.password = password
        self.certificate = certificate
        self.certificate_name = certificate_name


class AuthResult:
    """The answer about a connection: ``client_connect``, ``client_authenticate`` and ``client_enhanced_auth``.

    ``reason_code`` is the one of the CONNACK when the verdict is a denial (MQTT 3: translated). ``expires_at`` is
    when what was proved ends and the connection with it (seconds since 1970, 0.0: never). ``auth_data`` goes back
    to the client in the AUTH exchange; there LATER means that the exchange goes on, and ``state`` comes back with its
    next step. ``username`` is who the exchange proved the client to be, None where it leaves the name of CONNECT.
    """

    __slots__ = (
        "auth_data",
        "expires_at",
        "reason_code",
        "reason_string",
        "state",
        "superuser",
        "username",
        "verdict",
    )

    def __init__(
        self,
        verdict: int,
        superuser: bool = False,
        reason_code: int = NOT_AUTHORIZED,
        reason_string: str | None = None,
        expires_at: float = 0.0,
        auth_data: bytes | None = None,
        state: object = None,
        username: str | None = None,
    ) -> None:
        self.verdict = verdict
        self.superuser = superuser
        self.reason_code = reason_code
        self.reason_string = reason_string
        self.expires_at = expires_at
        self.auth_data = auth_data
        self.state = state
        self.username = username


class EnhancedAuthRequest:
    """One step of an AUTH exchange [MQTT 5.0, 4.12].

    ``step`` counts from 0 (the data of CONNECT, or of the client's re-authentication: ``reauthenticating``).
    ``state`` is what the answer to the step before left in its ``state``; it ends with the exchange or the connection.
    """

    __slots__ = ("client", "data", "method", "reauthenticating", "state", "step")

    def __init__(
        self,
        client: ClientInfo,
        method: str,
        data: bytes | None,
        step: int,
        reauthenticating: bool,
        state: object = None,
    ) -> None:
        self.client = client
        self.method = method
        self.data = data
        self.step = step
        self.reauthenticating = reauthenticating
        self.state = state
