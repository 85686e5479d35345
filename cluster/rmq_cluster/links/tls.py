"""TLS settings of links, both sides: each node shows a certificate, and checks the other's against one file."""

import ssl

from rmq_cluster.links.options import LinkError, TlsFiles


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """For connections that come in: the dialler must show a certificate. Raises ``LinkError`` that names the file."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, files)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """For connections that are dialled: the listener's certificate must name the host as it was dialled (RFC 9525).
    Raises ``LinkError`` that names the file.
    """
    return _context(ssl.PROTOCOL_TLS_CLIENT, files)


def _context(protocol: int, files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    _load_authorities(ssl.SSLContext(protocol), files.certfile)  # only to know which file is at fault
    _read(files.keyfile)
    try:
        context.load_cert_chain(files.certfile, files.keyfile, lambda: _refuse_password(files.keyfile))
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise LinkError(f"{files.keyfile}: not the key of the certificate in {files.certfile}") from None
        raise LinkError(f"{files.keyfile}: no usable PEM key: {_reason(error)}") from None
    _load_authorities(context, files.cafile)
    return context


def _load_authorities(context: ssl.SSLContext, path: str) -> None:
    _read(path)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise LinkError(f"{path}: no usable PEM certificates: {_reason(error)}") from None


def _read(path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise LinkError(f"{path}: {error.strerror}") from None


def _refuse_password(path: str) -> str:
    # Without this OpenSSL would ask the terminal.
    raise LinkError(f"{path}: the key is encrypted; a key without a passphrase is needed")


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or error.strerror or "unknown error").lower().replace("_", " ")
