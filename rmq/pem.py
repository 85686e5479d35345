"""Certificates and keys from PEM files; what is wrong with one is said by its name."""

import ssl


class CertificateError(ValueError):
    """A file of certificates or keys that can't be used; the text names the file and says why."""


def load_identity(context: ssl.SSLContext, certfile: str, keyfile: str) -> None:
    """Have connections show the certificate (with its chain) in ``certfile``; its key isn't encrypted.

    Raises ``CertificateError``.
    """
    load_authorities(ssl.SSLContext(context.protocol), certfile)  # only to know which file is at fault
    _read(keyfile)
    try:
        context.load_cert_chain(certfile, keyfile, lambda: _refuse_password(keyfile))
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise CertificateError(f"{keyfile}: not the key of the certificate in {certfile}") from None
        raise CertificateError(f"{keyfile}: no usable PEM key: {reason_of(error)}") from None


def load_authorities(context: ssl.SSLContext, path: str) -> None:
    """Have the other side's certificate checked against those in ``path``. Raises ``CertificateError``."""
    _read(path)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise CertificateError(f"{path}: no usable PEM certificates: {reason_of(error)}") from None


def reason_of(error: ssl.SSLError) -> str:
    """What OpenSSL found wrong, in words."""
    return (error.reason or error.strerror or "unknown error").lower().replace("_", " ")


def _read(path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror}") from None


def _refuse_password(path: str) -> str:
    # Without this OpenSSL would ask the terminal.
    raise CertificateError(f"{path}: the key is encrypted; a key without a passphrase is needed")
