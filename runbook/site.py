"""Where a stack answers, and whom to believe to be it."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import httpx


@dataclass(frozen=True)
class Site:
    """An address; `certificate` is the stack's own, as its outputs have it, empty without TLS."""

    url: str
    certificate: str = ""


def trusted(site: Site, environ: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Whom a client of the site believes.

    A certificate that is known is the only one believed, under whatever name: on its own host a stack has
    another than to the world. Otherwise the authorities of this host, and that of AMAS_CA_FILE.
    """
    context = httpx.create_ssl_context(trust_env=False)
    if site.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=site.certificate)
    elif environ.get("AMAS_CA_FILE"):
        context.load_verify_locations(environ["AMAS_CA_FILE"])
    return context
