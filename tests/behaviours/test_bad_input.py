"""Whatever arrives, the answer is in the right envelope with the right code, and nothing is half-written."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from tests.behaviours.wire import exchange, head, send
from tests.desk import Api, refused

MIB = 1024 * 1024
LONG = b"9" * 5000
BAD_VALUES = {
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "65 levels": b"[" * 64 + b"]" * 64,
    "unclosed": b"[" * 1000,
    "NaN": b"NaN",
    "infinity": b"-Infinity",
    "overflow": b"1e999",
    "huge integer": LONG,
    "huge negative integer": b"-" + LONG,
    "beyond 64 bits": b"9223372036854775808",
    "below 64 bits": b"-9223372036854775809",
    "lone surrogate": b'"\\ud800"',
    "low surrogate": b'"\\udc00x"',
    "raw surrogate": b'"\xed\xa0\x80"',
    "escaped NUL": b'"a\\u0000b"',
    "NUL": b'"a\x00b"',
    "NUL in a name": b'{"a\\u0000": 1}',
    "surrogate in a name": b'{"\\ud800": 1}',
    "latin-1": b'"\xe9"',
    "cut UTF-8": b'"\xf0\x9f\x98"',
    "overlong UTF-8": b'"\xc0\x80"',
    "single quotes": b"'x'",
    "comment": b"1 /* x */",
    "trailing comma": b"[1,]",
    "bare word": b"undefined",
    "hexadecimal": b"0x10",
    "leading zero": b"01",
    "plus": b"+1",
    "nothing": b"",
}


@pytest.mark.parametrize("place", ["unknown", "custom_fields", "first_name", "notes"])
@pytest.mark.parametrize("name", BAD_VALUES)
def test_bad_json_is_refused_wherever_it_stands(alice: Api, name: str, place: str) -> None:
    value = BAD_VALUES[name] if place != "custom_fields" else b'{"x":' + BAD_VALUES[name] + b"}"
    given = b'{"first_name":"Maria","' + place.encode() + b'":' + value + b"}"
    refused(send(alice, "POST", "/leads", given), 400, "validation_error")
    lead = alice.lead()
    refused(send(alice, "PUT", f"/leads/{lead['id']}", given), 400, "validation_error")
    assert alice.get("/leads").json()["data"] == [lead]


@pytest.mark.parametrize(
    "value", [b"[" * 63 + b"]" * 63, b'{"a":' * 62 + b"[]" + b"}" * 62, b"[" + b"[]," * 5000 + b"[]]"]
)
def test_64_levels_are_accepted(alice: Api, value: bytes) -> None:
    assert send(alice, "POST", "/leads", b'{"first_name":"Maria","unknown":' + value + b"}").status_code == 201
    shallower = value if value[1:3] == b"[]" else value[1:-1] if value[:1] == b"[" else value[5:-1]
    made = send(alice, "POST", "/leads", b'{"first_name":"Maria","custom_fields":{"x":' + shallower + b"}}")
    assert made.json()["data"]["custom_fields"] == {"x": json.loads(shallower)}


@pytest.mark.parametrize("value", [b"[]", b"{}", b"[[[{}]]]", b'{"\\\\":[]}'])
def test_too_many_lists_and_objects_are_refused_unread(alice: Api, value: bytes) -> None:
    given = b'{"first_name":"Maria","unknown":[' + b",".join([value] * 20_000) + b"]}"
    refused(send(alice, "POST", "/leads", given), 400, "validation_error", "20,000 lists and objects")
    assert alice.get("/leads").json()["data"] == []


@pytest.mark.parametrize("value", [b'"[[{"', b'"\\"[{"', b'"{\\\\"', b'["\\u005b{"]'])
def test_brackets_in_text_are_text(alice: Api, value: bytes) -> None:
    given = b'{"first_name":"Maria","unknown":[' + b",".join([value] * 19_998) + b"]}"
    assert send(alice, "POST", "/leads", given).status_code == 201


@pytest.mark.parametrize(
    "value",
    [b"9223372036854775807", b"-9223372036854775808", b"1e308", b"1.7976931348623157e308", b'"\\ud83d\\ude00"', b'"\\u0001\\n"',
     b"0.5e-300", b"[]", b"null", b"false"],
)  # fmt: skip
def test_what_is_just_acceptable_is_kept(alice: Api, value: bytes) -> None:
    assert send(alice, "POST", "/leads", b'{"first_name":"Maria","unknown":' + value + b"}").status_code == 201
    made = send(alice, "POST", "/leads", b'{"first_name":"Maria","custom_fields":{"x":' + value + b"}}")
    assert made.json()["data"]["custom_fields"] == {"x": json.loads(value)}


def test_duplicate_names_the_last_wins(alice: Api) -> None:
    made = send(alice, "POST", "/leads", b'{"first_name":"A","first_name":"B","custom_fields":{"x":1,"x":2}}').json()[
        "data"
    ]
    assert (made["first_name"], made["custom_fields"]) == ("B", {"x": 2})
    assert send(alice, "POST", "/leads", b'{"first_name":5,"first_name":"B"}').status_code == 201
    refused(
        send(alice, "POST", "/leads", b'{"first_name":"B","first_name":5}'), 400, "validation_error", "`first_name`"
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"x":' + LONG + b"}", "an integer does not fit 64 bits"),
        (b'{"x":18446744073709551615}', "an integer does not fit 64 bits"),
        (b'{"x":[1e400]}', "a number is out of range"),
        (b"", "The body is empty"),
        (b" \n", "The body is empty"),
        (b'{"x":"\\ud800"}', "surrogate"),
    ],
)
def test_what_has_no_field_is_told_in_words(alice: Api, body: bytes, told: str) -> None:
    answer = send(alice, "POST", "/leads", body)
    refused(answer, 400, "validation_error", told)
    assert "`[...]`" not in answer.text


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'"x"', b"5", b"true", b"{", b"}", b"{}{}", b"\xef\xbb\xbf{}", b"\xff\xfe", b"a=b"]
)
def test_a_body_that_is_no_object_is_refused(alice: Api, body: bytes) -> None:
    for path in ("/leads", "/appointments", "/tasks", f"/conversations/{alice.lead()['id']}/messages"):
        refused(send(alice, "POST", path, body), 400, "validation_error")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "json",
             "application/jsonp", "text/json"]
)  # fmt: skip
def test_another_content_type_is_refused(alice: Api, kind: str) -> None:
    answer = send(alice, "POST", "/leads", b'{"first_name":"Maria"}', content_type=kind)
    refused(answer, 415, "validation_error", "Content-Type")
    assert alice.get("/leads").json()["data"] == []


def test_a_body_over_one_mebibyte_is_refused(alice: Api) -> None:
    def body(size: int) -> bytes:
        return b'{"first_name":"M","x":"' + b"x" * (size - 25) + b'"}'

    assert len(body(MIB)) == MIB
    assert send(alice, "POST", "/leads", body(MIB)).status_code == 201
    refused(alice.http.post("/leads", content=body(MIB + 1)), 413, "payload_too_large", "1 MiB")
    assert alice.get("/leads").json()["meta"]["total"] == 1


@pytest.mark.parametrize("declared", [MIB + 1, 10 * 1024**3, 2**63])
def test_a_declared_length_is_refused_before_the_body_is_read(alice: Api, declared: int) -> None:
    request = head(alice, "POST", "/leads", f"Content-Length: {declared}", "Content-Type: application/json")
    answer = exchange(alice.server, request)
    refused(answer, 413, "payload_too_large")
    assert answer.headers["connection"] == "close"


def chunked(api: Api, path: str, *chunks: bytes) -> Any:
    request = head(api, "POST", path, "Transfer-Encoding: chunked", "Content-Type: application/json")
    return exchange(
        api.server, request + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    )


def test_chunked_bodies_are_read_up_to_one_mebibyte(alice: Api) -> None:
    assert chunked(alice, "/leads", b'{"first_', b'name":"Maria"}').json()["data"]["first_name"] == "Maria"
    refused(chunked(alice, "/leads", *[b"x" * 65536] * 17), 413, "payload_too_large", "1 MiB")
    assert alice.get("/leads").json()["meta"]["total"] == 1


def test_a_client_that_goes_away_leaves_nothing_behind(alice: Api) -> None:
    request = head(alice, "POST", "/leads", "Content-Length: 100", "Content-Type: application/json")
    with socket.create_connection(("127.0.0.1", alice.server.port)) as connection:
        connection.sendall(request + b'{"first_name":"Maria"')
    assert alice.get("/leads").json()["data"] == []


def test_two_authorization_headers_are_unauthorized(alice: Api, charlie: Api) -> None:
    for second in (alice.key, charlie.key, "x"):
        request = head(alice, "GET", "/leads", f"Authorization: Bearer {second}")
        refused(exchange(alice.server, request), 401, "unauthorized")
    for value in (b"", b"Bearer ", b"Bearer \xe9", b"\xff\xfe", b"Bearer " + b"x" * 60_000):
        bare = b"GET /api/v1/leads HTTP/1.1\r\nHost: x\r\nAuthorization: " + value + b"\r\n\r\n"
        refused(exchange(alice.server, bare), 401, "unauthorized")


@pytest.mark.parametrize("name", ["X-Anything", "X-Request-Id", "Idempotency-Key", "Content-Type", "Cookie", "Accept"])
def test_a_header_of_64_kib_breaks_nothing(alice: Api, name: str) -> None:
    body = b'{"first_name":"Maria"}'
    answer = exchange(
        alice.server, head(alice, "POST", "/leads", f"Content-Length: {len(body)}", f"{name}: {'x' * 65536}") + body
    )
    expected = {"Idempotency-Key": (400, "validation_error"), "Content-Type": (415, "validation_error")}.get(name)
    if expected:
        refused(answer, *expected)
    assert expected or answer.status_code == 201
    assert alice.get("/org").status_code == 200


@pytest.mark.parametrize(
    "path",
    [b"/leads/%ff", b"/leads/%C0%80", b"/leads/%ED%A0%80", b"/%ff%fe", b"/leads/%00", b"/leads/%", b"/leads/%zz", b"/leads/" + b"x" * 60_000,
     b"/leads/%0d%0a", b"/leads/..", b"/leads/%2e%2e", b"/" + b"x/" * 5000, b"/leads/" + b"%F0%9F%98%80" * 100],
)  # fmt: skip
def test_a_strange_path_is_not_found(alice: Api, path: bytes) -> None:
    for method in ("GET", "DELETE"):
        answer = exchange(alice.server, head(alice, method, path))
        refused(answer, answer.status_code, {404: "not_found", 405: "method_not_allowed"}[answer.status_code])


@pytest.mark.parametrize(
    "query", [b"search=%ff", b"status=%C0%80", b"search=%ED%A0%80", b"x=%ff", b"%ff=x", b"search=a%00b", b"status=%00"]
)
def test_a_strange_query_is_refused(alice: Api, query: bytes) -> None:
    refused(exchange(alice.server, head(alice, "GET", b"/leads?" + query)), 400, "validation_error")


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"&&&",
        b"=",
        b"a",
        b"a=%",
        b"search=%zz",
        b"a=" + b"b" * 50_000,
        b"a&" * 10_000,
        b"search=?a=b#c",
        b";",
        b"search=+",
    ],
)
def test_an_odd_query_is_answered(alice: Api, query: bytes) -> None:
    assert exchange(alice.server, head(alice, "GET", b"/leads?" + query)).status_code == 200


def test_a_raw_byte_in_the_target_is_no_500(alice: Api) -> None:
    for target in (b"/leads?search=\xe9", b"/leads/\xe9", b"/leads?search=\xf0\x9f\x98\x80"):
        assert 400 <= exchange(alice.server, head(alice, "GET", target)).status_code < 500


@pytest.mark.parametrize("path", ["/leads", "/appointments", "/tasks", "/conversations"])
@pytest.mark.parametrize(
    "value", ["1e9", "1000000000", "9" * 5000, "-1", "0x10", "1_0", "NaN", "null", "true", "[]", "①"]
)
def test_a_limit_that_is_none_is_refused_by_name(alice: Api, path: str, value: str) -> None:
    refused(alice.get(path, limit=value), 400, "validation_error", "`limit`")
    refused(alice.http.get(f"{path}?limit=1&limit=2"), 400, "validation_error", "`limit`")


@pytest.mark.parametrize(
    "value",
    ["0000-00-00", "2026-02-30", "2026-01-01T25:00:00Z", "99999-01-01", "2026-01-01T00:00:00+99:00", "now", "1767225600", "９",
     "2026-01-01T00:00:00ZZ", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "-2026-01-01", "x" * 100_000],
)  # fmt: skip
def test_times_that_are_none_are_refused_by_name(alice: Api, value: str) -> None:
    body = {"lead_id": alice.lead()["id"], "start_time": "2026-01-01", "end_time": "9999-12-31T23:59:59Z"}
    refused(alice.post("/appointments", body | {"start_time": value}), 400, "validation_error", "`start_time`")
    refused(alice.get("/appointments", start_after=value[:1000]), 400, "validation_error", "`start_after`")


def test_the_first_and_last_moments_are_moments(alice: Api) -> None:
    body = {"lead_id": alice.lead()["id"], "start_time": "0001-01-01", "end_time": "9999-12-31T23:59:59.999999Z"}
    made = alice.post("/appointments", body).json()["data"]
    assert (made["start_time"], made["end_time"]) == ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")


def test_every_character_comes_back_as_it_went(alice: Api) -> None:
    text = "".join(map(chr, [*range(1, 0xD800, 97), 0xFFFD, 0xFFFE, 0xFFFF, 0x1F3E0, 0x10FFFF])) + "'\"\\;--%_"
    lead = alice.lead(notes=text, tags=[text], custom_fields={text: text})
    found = alice.get(f"/leads/{lead['id']}").json()["data"]
    assert (found["notes"], found["tags"], found["custom_fields"]) == (text, [text], {text: text})


def test_many_tags_and_fields_are_kept(alice: Api) -> None:
    fields = {str(number): [number, None, {"x": 0.5}] for number in range(5000)}
    lead = alice.lead(tags=[str(number) for number in range(10_000)], custom_fields=fields)
    assert json.loads(alice.get(f"/leads/{lead['id']}").content)["data"]["custom_fields"] == fields
