"""Where this machine reaches a listener."""

from __future__ import annotations


def address_of(host: str, port: int) -> str:
    """The URL of a host and port to listen on; an address that means every interface is reached by the loopback one."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
