"""Which network addresses anybody may make us connect to: public ones, and no other in disguise."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address

NAT64: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))  # RFC 6052, RFC 8215
COMPATIBLE: Final = IPv6Network("::/96")  # RFC 4291, given up long ago, and still understood here and there
RESERVED: Final = tuple(  # by IANA's registries of special addresses, where Python's tables do not hold them
    map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "100.64.0.0/10", "2001::/23", "3fff::/20", "5f00::/16"))
)
ISATAP: Final = (0x00005EFE, 0x02005EFE)  # RFC 5214: what stands before an IPv4 address in the lower half


def public(text: str) -> bool:
    """Whether an address, and every IPv4 address that it stands for, belongs to the public internet."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(map(reachable_by_all, unwrapped(address)))


def unwrapped(address: Address) -> Iterator[Address]:
    """The address that packets go to, or if it is a way to IPv4 addresses, these."""
    if isinstance(address, IPv4Address):
        yield address
        return
    low = IPv4Address(int(address) & 0xFFFFFFFF)
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    elif address.sixtofour:
        yield address.sixtofour
    elif address in COMPATIBLE or address in NAT64[0]:
        yield low
    elif address in NAT64[1]:
        yield IPv6Address("::")  # meant for a network's own use
    else:
        yield address
        if (int(address) >> 32) & 0xFFFFFFFF in ISATAP:
            yield low


def reachable_by_all(address: Address) -> bool:
    if address.is_multicast or address.is_unspecified or address.is_loopback or address.is_link_local:
        return False
    if isinstance(address, IPv6Address) and address.is_site_local:
        return False
    return address.is_global and not address.is_reserved and not any(address in network for network in RESERVED)
