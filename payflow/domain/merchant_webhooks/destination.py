"""Where a webhook may be posted to, as far as its URL alone can tell; names are looked at once resolved.

Source of what attackers try: OWASP, "Server-Side Request Forgery Prevention Cheat Sheet". What is not written
in the one plain way is refused rather than understood: two parsers that differ are how a check is passed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

from payflow.domain.errors import invalid_field
from payflow.domain.merchant_webhooks.addresses import refusal_of

URL_MAX = 2_000
HOST_MAX = 253
HTTPS_PORTS = (443, 8443)
DEFAULT_PORTS = {"https": 443, "http": 80}

_PLAIN = re.compile(r"[\x21-\x7e]+")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# What URL parsers take for an IPv4 address (URL Standard, "ends in a number"), whatever else it looks like.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LOCAL = ("localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "arpa")


class Forbidden(ValueError):
    """Not to be posted to; the message completes "the URL …" for the merchant."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL, taken apart: ``target`` is the path with its query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def is_literal(self) -> bool:
        """Whether the host is an address."""
        return _literal(self.host) is not None

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def endpoint_url(value: str, allows_private: bool, name: str = "url") -> str:
    """A merchant's URL. Raises VALIDATION_FAILED."""
    try:
        destination(value, allows_private)
    except Forbidden as forbidden:
        raise invalid_field(name, str(forbidden)) from None
    return value


def destination(url: str, allows_private: bool = False) -> Destination:
    """What a URL leads to. ``allows_private`` is for development. Raises Forbidden."""
    if not 0 < len(url) <= URL_MAX:
        raise Forbidden(f"must be 1 to {URL_MAX} characters")
    if not _PLAIN.fullmatch(url) or "\\" in url:
        raise Forbidden("must be printable ASCII without spaces and backslashes; names in their xn-- form")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Forbidden("must be a URL with a host, and a port from 1 to 65535 if any") from None
    if port == 0:
        raise Forbidden("must be a URL with a host, and a port from 1 to 65535 if any")
    _require_scheme(parts, allows_private)
    if "@" in parts.netloc:
        raise Forbidden("must have no user name or password")
    if "#" in url:
        raise Forbidden("must have no fragment")
    if port is None:
        port = DEFAULT_PORTS[parts.scheme]
    if not allows_private and port not in HTTPS_PORTS:
        raise Forbidden(f"must have port {' or '.join(map(str, HTTPS_PORTS))}")
    host = _host(parts, allows_private)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return Destination(parts.scheme, host, port, target)


def _require_scheme(parts: SplitResult, allows_private: bool) -> None:
    allowed = ("https", "http") if allows_private else ("https",)
    if parts.scheme not in allowed or not parts.netloc:
        raise Forbidden(f"must start with {' or '.join(f'{one}://' for one in allowed)}")


def _host(parts: SplitResult, allows_private: bool) -> str:
    host = parts.hostname or ""
    address = _literal(host)
    if address is None:
        return _name(host, allows_private)
    if "%" in host:
        raise Forbidden("must not name a network interface")
    reason = refusal_of(host, allows_private)
    if reason:
        raise Forbidden(f"must have a public address, and {host} is {reason}")
    return host


def _name(host: str, allows_private: bool) -> str:
    labels = host.split(".")
    if host.endswith("."):
        raise Forbidden("must have a host without a dot at its end")
    if len(host) > HOST_MAX or not all(map(_LABEL.fullmatch, labels)):
        raise Forbidden("must have a host of letters, digits, hyphens and dots")
    if _NUMBER.fullmatch(labels[-1]):
        raise Forbidden("must have an IPv4 address as four decimal numbers, if it has one")
    if not allows_private and (len(labels) == 1 or labels[-1] in _LOCAL):
        raise Forbidden("must have a host that is public")
    return host


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    for kind in (IPv4Address, IPv6Address):
        try:
            return kind(host)
        except ValueError:
            continue
    return None
