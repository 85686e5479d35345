"""Whether the files of a TLS listener can be used: there, in PEM form, belonging together; told when a node starts."""

import ssl
from pathlib import Path


def checked_certificates(path: str) -> str:
    """The path, home folder resolved, of a PEM file that holds certificates. Raises ``ValueError``."""
    file = _readable(path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except ssl.SSLError:
        raise ValueError(f"{path} holds no certificate in PEM form") from None
    return file


def checked_key(path: str, certificate: str | None) -> str:
    """The same for a private key, which must belong to the certificate; None when that is wrong already."""
    file = _readable(path)
    if certificate is None:
        return file
    try:
        # Without a callback OpenSSL would ask for the password on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, file, _no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"{path} doesn't belong to the certificate in {certificate}") from None
        raise ValueError(f"{path} holds no private key in PEM form") from None
    return file


def _no_password() -> str:
    raise ValueError("the private key is encrypted; write one without a password, readable by the broker only")


def _readable(path: str) -> str:
    if not path or "\0" in path:
        raise ValueError("must be the path of a file")
    file = Path(path).expanduser()
    try:
        with file.open("rb") as opened:
            opened.read(1)
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror or error}") from None
    return str(file)
