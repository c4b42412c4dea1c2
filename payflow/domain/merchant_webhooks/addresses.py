"""Which IP addresses may be called on behalf of merchants: those of the public Internet, and no others.

Source: IANA's special-purpose address registries for IPv4 and IPv6 (RFC 6890). They are written out, because
what Python's ``ipaddress.is_global`` says differs from release to release, and because it takes multicast,
addresses that NAT64 turns into others, and some clouds' own for global.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

METADATA = "a cloud's own services"
LOOPBACK = "loopback"
PRIVATE = "private"
LINK_LOCAL = "link-local"
SHARED = "shared by a provider's customers"
UNSPECIFIED = "unspecified"
MULTICAST = "multicast"
BROADCAST = "broadcast"
DOCUMENTATION = "for documentation"
RESERVED = "reserved"
TRANSLATED = "translated to another address"

# The first that holds an address says why it is refused.
_REFUSED: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), reason)
    for network, reason in (
        ("169.254.169.254/32", METADATA),  # most clouds
        ("169.254.170.2/32", METADATA),  # Amazon ECS
        ("168.63.129.16/32", METADATA),  # Azure; a public address by its number
        ("100.100.100.200/32", METADATA),  # Alibaba Cloud
        ("192.0.0.192/32", METADATA),  # Oracle Cloud
        ("fd00:ec2::/32", METADATA),  # Amazon EC2
        ("fd20:ce::254/128", METADATA),  # Google Cloud
        ("0.0.0.0/32", UNSPECIFIED),
        ("0.0.0.0/8", RESERVED),
        ("10.0.0.0/8", PRIVATE),
        ("100.64.0.0/10", SHARED),
        ("127.0.0.0/8", LOOPBACK),
        ("169.254.0.0/16", LINK_LOCAL),
        ("172.16.0.0/12", PRIVATE),
        ("192.0.0.0/24", RESERVED),
        ("192.0.2.0/24", DOCUMENTATION),
        ("192.88.99.0/24", TRANSLATED),  # 6to4 relays
        ("192.168.0.0/16", PRIVATE),
        ("198.18.0.0/15", PRIVATE),  # benchmarks between networks
        ("198.51.100.0/24", DOCUMENTATION),
        ("203.0.113.0/24", DOCUMENTATION),
        ("224.0.0.0/4", MULTICAST),
        ("255.255.255.255/32", BROADCAST),
        ("240.0.0.0/4", RESERVED),
        ("::/128", UNSPECIFIED),
        ("::1/128", LOOPBACK),
        ("::ffff:0:0/96", TRANSLATED),  # IPv4-mapped; looked at by the IPv4 address in it first
        ("::/96", TRANSLATED),  # IPv4-compatible
        ("64:ff9b::/96", TRANSLATED),  # NAT64
        ("64:ff9b:1::/48", TRANSLATED),  # NAT64 within a network
        ("2001::/32", TRANSLATED),  # Teredo
        ("2002::/16", TRANSLATED),  # 6to4
        ("2001:db8::/32", DOCUMENTATION),
        ("3fff::/20", DOCUMENTATION),
        ("2001::/23", RESERVED),
        ("fc00::/7", PRIVATE),
        ("fe80::/10", LINK_LOCAL),
        ("fec0::/10", PRIVATE),  # site-local
        ("ff00::/8", MULTICAST),
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")

# What a developer's machine and its networks have; never a cloud's own services, nor what is no host at all.
_ALLOWED_IN_DEVELOPMENT = frozenset({LOOPBACK, PRIVATE})


def refusal_of(address: str, allows_private: bool = False) -> str | None:
    """Why a resolved address must not be called, None where it may.

    ``allows_private`` is for development. Raises ValueError for what is no address.
    """
    reason = _reason(ip_address(address))
    return None if allows_private and reason in _ALLOWED_IN_DEVELOPMENT else reason


def _reason(address: Address) -> str | None:
    if isinstance(address, IPv6Address):
        inner = _embedded(address)
        if inner is not None and (reason := _reason(inner)):
            return reason
    for network, reason in _REFUSED:
        if address.version == network.version and address in network:
            return reason
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return RESERVED
    return None


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that something on the way makes of it."""
    if address in IPv6Network("64:ff9b::/96") or (address in IPv6Network("::/96") and int(address) > 0xFFFF):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
