"""Addresses that users give: nothing but the public internet is connected to, and no answer is larger, slower or longer than we allow."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
import tracemalloc

import pytest

from deskbell.foundation.fetching import Fetched, Unreachable, fetch
from deskbell.foundation.public_addresses import public
from tests.faults.listener import Listener, answering, listening


def only_the_first(address: str) -> bool:
    """What tests allow: the listener on 127.0.0.1, not the canary on 127.0.0.2."""
    return address == "127.0.0.1" or public(address)


def get(url: str, max_bytes: int = 1 << 20, first_byte: float = 60, total: float = 60) -> Fetched:
    return asyncio.run(fetch(url, max_bytes=max_bytes, first_byte=first_byte, total=total, allowed=only_the_first))


def refusal(url: str, **limits: float) -> str:
    with pytest.raises(Unreachable) as caught:
        get(url, **limits)  # type: ignore[arg-type]
    return caught.value.reason


PRIVATE = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "localhost",
    "0.0.0.0",
    "0",
    "10.1.2.3",
    "172.31.255.255",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[::127.0.0.1]",
    "[fe80::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fec0::1]",
    "[ff02::1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[2001:0:7f00:1::1]",
    "[2001:db8::1]",
]


@pytest.mark.parametrize("host", PRIVATE)
def test_an_address_that_is_not_public_is_never_connected_to(host: str) -> None:
    with listening(address="0.0.0.0") as canary:
        with pytest.raises(Unreachable, match=r"public|host|valid"):
            asyncio.run(fetch(f"http://{host}:{canary.port}/", max_bytes=1000))
        assert canary.connections == 0


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"])
def test_public_addresses_may_be_fetched(address: str) -> None:
    assert public(address)


def test_a_name_with_one_private_address_among_its_addresses_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(answering("200 OK", b"hi")) as web:
        resolves_to(monkeypatch, "127.0.0.1", "10.0.0.1")
        assert "public" in refusal(f"http://rebinding.example:{web.port}/")
        assert web.connections == 0


def test_a_name_is_looked_up_once_and_the_checked_address_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second look-up, which could give a private address, never happens; the server still sees the name."""
    with listening(answering("200 OK", b"hi")) as web, listening(address="127.0.0.2") as canary:
        looked_up = resolves_to(monkeypatch, "127.0.0.1", then="127.0.0.2")
        assert get(f"http://docs.example:{web.port}/a").data == b"hi"
        assert f"Host: docs.example:{web.port}\r\n" in web.requests[0]
        assert looked_up == ["docs.example"]
        assert canary.connections == 0


def test_redirects_are_followed_and_each_is_checked() -> None:
    with listening(address="127.0.0.2") as canary, listening() as web:
        web.conversation = lambda connection, request: answering(
            f"302 Found\nLocation: {canary.url if '/trap' in request else '/end'}"
            if "GET /end" not in request
            else "200 OK\nContent-Type: text/plain; charset=utf-8",
            b"arrived" if "GET /end" in request else b"",
        )(connection, request)
        assert get(web.url + "start") == Fetched(web.url + "end", "text/plain; charset=utf-8", b"arrived")
        assert "public" in refusal(web.url + "trap")
        assert canary.connections == 0


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://example.com/", "gopher://127.0.0.1/", "//[::1]/", "http://u:p@1.1.1.1/"]
)
def test_a_redirect_leads_to_public_web_addresses_only(target: str) -> None:
    with listening(answering(f"301 Moved\nLocation: {target}")) as web:
        assert refusal(web.url)
        assert web.connections == 1


def test_redirects_in_a_circle_end() -> None:
    with listening(answering("302 Found\nLocation: /again")) as web:
        assert "more than 5 times" in refusal(web.url)
        assert web.connections == 6


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.com/a", "http"),
        ("file:///etc/passwd", "http"),
        ("javascript:alert(1)", "http"),
        ("example.com", "http"),
        ("http://", "http"),
        ("", "http"),
        ("http://me:secret@example.com/", "password"),
        ("http://me@example.com/", "password"),
        ("http://exa mple.com:x/", "valid"),
        ("http://example.com/" + "a" * 2000, "longer"),
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str, reason: str) -> None:
    assert reason in refusal(url)


def test_nothing_larger_than_the_limit_is_taken() -> None:
    def endless(connection: socket.socket, request: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with listening(endless) as web:
        assert "larger than 1 MB" in refusal(web.url)
    with listening(answering("200 OK", b"x" * 1001)) as web:
        assert "larger" in refusal(web.url, max_bytes=1000)
        assert get(web.url, max_bytes=1001).data == b"x" * 1001


def test_a_small_answer_that_unpacks_to_a_huge_one_is_not_unpacked() -> None:
    with listening(answering("200 OK\nContent-Encoding: gzip", gzip.compress(bytes(200 << 20), 1))) as web:
        tracemalloc.start()
        assert "larger than 1 MB" in refusal(web.url)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
        tracemalloc.stop()
    with listening(answering("200 OK\nContent-Encoding: gzip", gzip.compress(b"small"))) as web:
        assert get(web.url).data == b"small"


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd"])
def test_packings_that_were_not_asked_for_are_refused(encoding: str) -> None:
    with listening(answering(f"200 OK\nContent-Encoding: {encoding}", b"x")) as web:
        assert "not asked for" in refusal(web.url)


def test_a_server_that_never_answers_is_given_up() -> None:
    with listening(lambda connection, request: connection.recv(1)) as web:  # until the client gives up
        assert "did not answer" in refusal(web.url, first_byte=0.2)


def test_an_answer_that_trickles_is_given_up() -> None:
    def trickle(connection: socket.socket, request: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.05)

    with listening(trickle) as web:
        assert "within 0.5 seconds" in refusal(web.url, total=0.5)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000,
    ],
)
def test_what_is_no_http_or_breaks_off_is_an_error_and_no_document(answer: bytes) -> None:
    with listening(lambda connection, request: connection.sendall(answer)) as web:
        assert "HTTP" in refusal(web.url)


@pytest.mark.parametrize(
    ("status", "passing"), [(404, False), (403, False), (410, False), (500, True), (503, True), (429, True)]
)
def test_an_error_status_is_no_document(status: int, passing: bool) -> None:
    with (
        listening(answering(f"{status} No", b"<h1>Error</h1>")) as web,
        pytest.raises(Unreachable, match=str(status)) as caught,
    ):
        get(web.url)
    assert caught.value.passing == passing


def test_no_proxy_of_the_environment_and_no_credentials_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(address="127.0.0.2") as canary, listening(answering("200 OK\nSet-Cookie: a=b", b"direct")) as web:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, canary.url)
        assert get(web.url).data == b"direct"
        assert canary.connections == 0
        assert not {"authorization", "cookie", "referer"} & sent_headers(web)


def sent_headers(web: Listener) -> set[str]:
    return {line.partition(":")[0].lower() for line in web.requests[0].splitlines()[1:]}


def resolves_to(monkeypatch: pytest.MonkeyPatch, *addresses: str, then: str | None = None) -> list[str]:
    """Names that end in .example resolve to these addresses, and to another one after the first look-up."""
    real, looked_up = socket.getaddrinfo, list[str]()

    def resolve(host, port, *args, **kwargs):  # type: ignore[no-untyped-def]
        if not str(host).endswith(".example"):
            return real(host, port, *args, **kwargs)
        looked_up.append(host)
        found = [then] if then and len(looked_up) > 1 else addresses
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return looked_up
