"""TLS settings of links, both sides: each node shows a certificate, and checks the other's against one file."""

import ssl

from rmq.pem import CertificateError, load_authorities, load_identity
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
    try:
        load_identity(context, files.certfile, files.keyfile)
        load_authorities(context, files.cafile)
    except CertificateError as error:
        raise LinkError(str(error)) from None
    return context
