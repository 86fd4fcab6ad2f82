"""Proxies that the environment puts between a client and a server."""

from __future__ import annotations

import ipaddress
import re
import urllib.request
from collections.abc import Iterable


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, which a proxy can't reach."""
    host = host.lower()
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
    shown = re.sub(r"^(\w+://)?.*@", r"\1", proxies[scheme])  # Without a password.
    return f"{server} (through {scheme}_proxy={shown}; set no_proxy={host} to connect directly)"
