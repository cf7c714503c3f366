"""The address by which this machine reaches a server of its own."""

from __future__ import annotations


def address_of(host: str, port: int) -> str:
    """The URL of a listening host and port. An address that means all interfaces is reached on the loopback one."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
