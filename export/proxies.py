"""Proxies that the environment puts between a client and a server."""

from __future__ import annotations

import ipaddress
import urllib.parse
import urllib.request
from collections.abc import Iterable


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, to which no proxy knows the way."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # A name.
        return False


def way_to(server: str, host: str, schemes: Iterable[str]) -> str:
    """Returns what to call a server in messages: with the proxy that requests go through.

    Args:
        server: as the user wrote it.
        host: of its address.
        schemes: whose proxies apply, first those that win: "http" for http_proxy.
    """
    proxies = urllib.request.getproxies()
    scheme = next((scheme for scheme in schemes if scheme in proxies), None)
    if scheme is None or is_loopback(host) or urllib.request.proxy_bypass(host):
        return server
    address = urllib.parse.urlsplit(proxies[scheme])
    shown = address._replace(netloc=address.netloc.rpartition("@")[2]).geturl()  # No password.
    return f"{server} (by {scheme}_proxy={shown}; no_proxy={host} goes straight there)"
