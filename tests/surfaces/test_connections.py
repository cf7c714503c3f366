"""What a single connection may do: no upgrade, no headers behind the body, an end to what it can hold, and always the last word."""

from __future__ import annotations

import re
import socket
import threading

import httpx2
import pytest

from deskbell.surfaces.http.http_server import ClientConnection
from tests.behaviours.wire import exchange, head, send
from tests.desk import PATIENCE, Api, eventually, refused

BODY = b'{"first_name": "Maria"}'
JSON = ("Content-Type: application/json", f"Content-Length: {len(BODY)}")


def dial(api: Api) -> socket.socket:
    return socket.create_connection(("127.0.0.1", api.server.port), timeout=PATIENCE)


def ended(connection: socket.socket) -> bool:
    """Whether the server closes the connection; what it says before is skipped."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


def held(api: Api, connection: socket.socket) -> bool:
    """Whether the server still has its end of a connection."""
    ours = connection.getsockname()[1]
    return any(each.client[1] == ours for each in list(api.server.uvicorn.server_state.connections))


@pytest.mark.parametrize("protocol", ["foo", "h2c", "websocket"])
def test_a_wish_to_upgrade_is_ignored(alice: Api, protocol: str) -> None:
    wish = ("Connection: Upgrade, HTTP2-Settings", f"Upgrade: {protocol}", "HTTP2-Settings: AAMAAABkAAQAAP__")
    request = head(alice, "POST", "/leads", *wish, *JSON) + BODY
    assert exchange(alice.server, request).status_code == 201
    with dial(alice) as connection:
        connection.sendall(
            (request + head(alice, "GET", "/org", *wish)) * 2 + head(alice, "GET", "/org", "Connection: close")
        )
        stream = connection.makefile("rb").read()
    assert re.findall(rb"HTTP/1.1 (\d+)", stream) == [b"201", b"200", b"201", b"200", b"200"]
    chunked = head(alice, "POST", "/leads", *wish, JSON[0], "Transfer-Encoding: chunked")
    assert exchange(alice.server, chunked + b"17\r\n" + BODY + b"\r\n0\r\n\r\n").status_code == 201
    assert alice.get("/leads").json()["meta"]["total"] == 4


def test_many_wishes_at_once_are_ignored_one_by_one(alice: Api) -> None:
    wish = ("Connection: Upgrade", "Upgrade: foo")
    with dial(alice) as connection:
        connection.sendall(head(alice, "GET", "/org", *wish) * 1_500 + head(alice, "GET", "/org", "Connection: close"))
        assert len(re.findall(rb"HTTP/1.1 200", connection.makefile("rb").read())) == 1_501
    assert exchange(alice.server, b"CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n").status_code == 400


def test_what_follows_the_body_is_no_header(alice: Api) -> None:
    key = f"Authorization: Bearer {alice.key}\r\n".encode()
    start = b"POST /api/v1/leads HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    body = b"\r\n17\r\n" + BODY + b"\r\n0\r\n"
    refused(exchange(alice.server, start + body + key + b"\r\n"), 401, "unauthorized")
    assert exchange(alice.server, start + key + body + b"X-Checksum: 1\r\n\r\n").status_code == 201


def test_a_head_of_64_kib_is_read_and_one_without_an_end_is_not(alice: Api) -> None:
    assert exchange(alice.server, head(alice, "GET", "/org", "X-Long: " + "a" * 64 * 1024)).status_code == 200
    for endless in (b"X-Long: ", b"X-Long: a\r\n" * 1000):
        with dial(alice) as connection:
            connection.sendall(head(alice, "GET", "/org")[:-2] + endless)
            assert flooded(connection, b"X-A: " + b"a" * 1000 + b"\r\n" if endless.endswith(b"\n") else b"a" * 1000)


def test_trailers_and_chunk_extensions_have_an_end(alice: Api) -> None:
    for endless in (b"17;", b"17\r\n" + BODY + b"\r\n0\r\nX-A: "):
        with dial(alice) as connection:
            connection.sendall(head(alice, "POST", "/leads", "Transfer-Encoding: chunked") + endless)
            assert flooded(connection, b"a" * 1000)


def flooded(connection: socket.socket, more: bytes, most: int = 8_000_000) -> bool:
    """Whether the server hangs up before it has been sent so many bytes."""
    try:
        for _ in range(most // len(more)):
            connection.sendall(more)
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize(
    "half",
    ["", "\r\n", "GET /api", "GET /api/v1/org HTTP/1.1\r\nHost: a\r\n", "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET "],
)
def test_half_a_head_is_not_waited_for_for_ever(alice: Api, monkeypatch: pytest.MonkeyPatch, half: str) -> None:
    monkeypatch.setattr(ClientConnection, "HEAD_TIME", 0.2)
    with dial(alice) as connection:
        connection.sendall(half.encode())
        assert ended(connection)


def test_a_body_that_stands_still_is_given_up_and_a_slow_one_is_not(
    alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ClientConnection, "BODY_TIME", 0.2)
    with dial(alice) as connection:
        connection.sendall(head(alice, "POST", "/leads", *JSON) + BODY[:5])
        assert ended(connection)
    assert alice.get("/leads").json()["meta"]["total"] == 0
    monkeypatch.setattr(ClientConnection, "HEAD_TIME", 1.5)
    monkeypatch.setattr(ClientConnection, "BODY_TIME", 1.5)
    pause = threading.Event()
    with dial(alice) as connection:
        connection.sendall(head(alice, "POST", "/leads", *JSON))
        for start in range(0, len(BODY), 3):
            pause.wait(0.25)
            connection.sendall(BODY[start : start + 3])
        assert connection.recv(100).startswith(b"HTTP/1.1 201")


@pytest.mark.parametrize("more", ["", "Connection: close"])
def test_a_client_that_never_reads_is_given_up(alice: Api, monkeypatch: pytest.MonkeyPatch, more: str) -> None:
    for _ in range(10):
        alice.lead(custom_fields={"long": "x" * 1_000_000})
    monkeypatch.setattr(ClientConnection, "UNREAD_TIME", 0.5)
    with dial(alice) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = head(alice, "GET", "/leads", *([more] if more else []))
        eventually(lambda: held(alice, connection))
        connection.sendall(request * 9)
        eventually(lambda: not held(alice, connection))


def test_a_slow_reader_gets_everything(alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(10):
        alice.lead(custom_fields={"long": "x" * 900_000})
    monkeypatch.setattr(ClientConnection, "UNREAD_TIME", 1.0)
    pause, whole = threading.Event(), 0
    with dial(alice) as connection:
        connection.sendall(head(alice, "GET", "/leads", "Connection: close"))
        while part := connection.recv(1_000_000):
            whole += len(part)
            pause.wait(0.1)
    assert whole > 9_000_000


@pytest.mark.parametrize("sender", ["a length", "chunks"])
def test_a_client_that_sends_before_it_reads_learns_that_it_was_too_much(alice: Api, sender: str) -> None:
    size = 8_000_000
    answer = send(alice, "POST", "/leads", b"x" * size) if sender == "a length" else chunked(alice, size)
    refused(answer, 413, "payload_too_large")
    assert answer.headers["connection"] == "close"
    assert alice.get("/leads").json()["meta"]["total"] == 0


def chunked(api: Api, size: int) -> httpx2.Response:
    start = head(api, "POST", "/leads", JSON[0], "Transfer-Encoding: chunked")
    return exchange(api.server, start + b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n")


def test_nothing_is_done_that_follows_the_last_answer(alice: Api) -> None:
    late = head(alice, "POST", "/leads", *JSON) + BODY
    with dial(alice) as connection:
        connection.sendall(head(alice, "POST", "/leads", f"Content-Length: {2_000_000}") + b"x" * 2_000_000 + late)
        assert ended(connection)
    assert alice.get("/leads").json()["meta"]["total"] == 0


def test_who_sends_on_after_the_last_answer_is_cut_off(alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClientConnection, "LATE_BYTES", 2_000_000)
    with dial(alice) as connection:
        connection.sendall(head(alice, "POST", "/leads", "Content-Length: 1000000000"))
        assert flooded(connection, b"x" * 10_000, 200_000_000)
    monkeypatch.setattr(ClientConnection, "LATE_TIME", 0.5)
    with dial(alice) as connection:
        eventually(lambda: held(alice, connection))
        connection.sendall(head(alice, "POST", "/leads", "Content-Length: 1000000000"))
        eventually(lambda: not held(alice, connection))
