"""What the front reads by itself: nothing but requests that everybody reads alike."""

from __future__ import annotations

from collections.abc import Mapping

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.front.requests import LARGEST_BODY, LARGEST_HEAD, REMEMBERED, Requests, Unusual

GET = b"GET /v1/flags/payments?user_id=u-1&country=IN HTTP/1.1\r\nHost: flags.example.com\r\nX-API-Key: rk_x\r\n\r\n"
POST = (
    b"POST /ofrep/v1/evaluate/flags HTTP/1.1\r\nHost: a\r\n"
    b"Content-Type: application/json\r\nContent-Length: 4\r\n\r\nbody"
)


def reader() -> Requests[Mapping[str, str]]:
    return Requests(lambda headers: headers)


def test_a_usual_request_is_read_as_it_is_written() -> None:
    found = reader().first_in(GET)
    assert found is not None
    sender = {"HTTP_HOST": "flags.example.com", "HTTP_X_API_KEY": "rk_x"}
    assert found == ("GET", "/v1/flags/payments", "user_id=u-1&country=IN", sender, b"", len(GET), False)


def test_a_body_of_an_announced_length_belongs_to_it() -> None:
    found = reader().first_in(POST + GET)
    assert found is not None
    assert found[3]["CONTENT_TYPE"] == "application/json"
    assert found[4:] == (b"body", len(POST), False)


@pytest.mark.parametrize("whole", [GET, POST])
def test_a_part_of_a_request_waits_for_the_rest(whole: bytes) -> None:
    read = reader()
    assert all(read.first_in(whole[:size]) is None for size in range(len(whole)))
    assert read.first_in(whole) is not None


def test_the_last_request_of_a_connection_says_so() -> None:
    for value, last in ((b"close", True), (b"Close", True), (b"keep-alive", False), (b"Keep-Alive", False)):
        found = reader().first_in(with_header(b"Connection: " + value))
        assert found is not None
        assert found[6] is last


def test_headers_are_understood_once_while_they_come_again() -> None:
    asked: list[object] = []
    read: Requests[object] = Requests(lambda headers: asked.append(headers) or headers)
    for number in range(5):
        found = read.first_in(GET.replace(b"u-1", b"u-%d" % number))
        assert found is not None
        assert found[2] == f"user_id=u-{number}&country=IN"
    assert len(asked) == 1


def test_what_is_remembered_has_a_bound() -> None:
    read = reader()
    for number in range(3 * REMEMBERED):
        read.first_in(GET.replace(b"rk_x", b"rk_%d" % number))
    read.first_in(GET.replace(b"rk_x", b"x" * 4000))
    assert len(read._heads) <= REMEMBERED
    assert max(map(len, read._heads)) < 2100


def test_who_is_not_understood_is_somebody_elses() -> None:
    with pytest.raises(Unusual):
        Requests(lambda _: None).first_in(GET)


def with_header(line: bytes) -> bytes:
    return GET[:-2] + line + b"\r\n\r\n"


@pytest.mark.parametrize(
    "odd",
    [
        GET.replace(b"HTTP/1.1", b"HTTP/1.0"),
        GET.replace(b"HTTP/1.1", b"HTTP/2.0"),
        GET.replace(b"HTTP/1.1", b"http/1.1"),
        GET.replace(b"GET ", b"get "),
        GET.replace(b"GET ", b"HEAD "),
        GET.replace(b"GET ", b"GET  "),
        GET.replace(b"GET ", b"GET\t"),
        GET.replace(b" HTTP/1.1", b"  HTTP/1.1"),
        GET.replace(b" HTTP/1.1", b""),
        b"\r\n" + GET,
        b" " + GET,
        GET.replace(b"/v1", b"http://a/v1"),
        GET.replace(b"/v1", b"*"),
        GET.replace(b"payments", b"pay%6Dents"),
        GET.replace(b"payments", b"pay#ments"),
        GET.replace(b"payments", b"pay\\ments"),
        GET.replace(b"payments", b"pay\x00ments"),
        GET.replace(b"payments", "paymēnts".encode()),
        GET.replace(b"u-1", b"u\x7f1"),
        GET.replace(b"u-1", b'u"1'),
        GET.replace(b"u-1", "ü".encode()),
        GET.replace(b"Host: flags.example.com\r\n", b""),
        GET.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\n"),
        GET.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r"),
        GET.replace(b"\r\nX-API", b"\nX-API"),
        GET.replace(b"\r\nX-API", b"\r\n X-API"),
        GET.replace(b"\r\nX-API", b"\r\n\tX-API"),
        GET.replace(b"X-API-Key", b"X_API_Key"),
        GET.replace(b"X-API-Key", b"X-API-Key "),
        GET.replace(b"X-API-Key: rk_x", b"X-API-Key"),
        GET.replace(b"X-API-Key", b""),
        GET.replace(b"rk_x", b"rk\rx"),
        GET.replace(b"rk_x", b"rk\x00x"),
        GET.replace(b"rk_x", b"rk\xffx"),
        with_header(b"Host: flags.example.com"),
        with_header(b"x-api-key: rk_y"),
        with_header(b"Connection: close, X-API-Key"),
        with_header(b"Connection: keep-alive, Content-Length"),
        with_header(b"Expect: 100-continue"),
        with_header(b"Upgrade: h2c"),
        with_header(b"TE: trailers"),
        with_header(b"Trailer: x"),
        with_header(b"Transfer-Encoding: chunked"),
        with_header(b"Transfer-Encoding: identity"),
        with_header(b"Content-Length: 0\r\nContent-Length: 0"),
        with_header(b"Content-Length: 4, 4"),
        with_header(b"Content-Length: +4"),
        with_header(b"Content-Length: -4"),
        with_header(b"Content-Length: 04"),
        with_header(b"Content-Length: 0x4"),
        with_header(b"Content-Length: 4.0"),
        with_header(b"Content-Length: "),
        with_header(b"Content-Length: %d" % (LARGEST_BODY + 1)),
        with_header(b"X: " + b"x" * LARGEST_HEAD),
        GET[:-4] + b"x" * (LARGEST_HEAD + 1),
    ],
    ids=range(55),
)
def test_whatever_could_be_read_in_two_ways_is_somebody_elses(odd: bytes) -> None:
    with pytest.raises(Unusual):
        reader().first_in(odd)


pieces = st.sampled_from(
    [
        *(b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\x00", b"\xff", b"0", b"%2e", b"_", b"?", b"/", b"\r\n\r\n"),
        *(b"HTTP/1.1", b"\x0b", b"\x85", b"X: y\r\n", b"Host: b\r\n", b"Content-Length: 3\r\n"),
        b"Transfer-Encoding: chunked\r\n",
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([GET, POST, POST + GET]),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 4), pieces), max_size=4),
)
def test_what_is_read_here_h11_reads_alike(whole: bytes, edits: list[tuple[int, int, bytes]]) -> None:
    """h11 is another server's reader, and a strict one: it finds the same request, and the same end of it."""
    data = whole
    for at, cut, piece in edits:
        data = data[:at] + piece + data[at + cut :]
    try:
        found = reader().first_in(data)
    except Unusual:
        return
    if found is None:
        return
    method, path, query, sender, own_body, size, _ = found
    other = h11.Connection(h11.SERVER)
    other.receive_data(data)
    head, body = other.next_event(), b""
    assert isinstance(head, h11.Request)
    while isinstance(event := other.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    asked = f"{path}?{query}" if b"?" in head.target else path
    assert (head.method.decode(), head.target.decode(), body) == (method, asked, own_body)
    named = {name.decode().upper().replace("-", "_"): value.decode() for name, value in head.headers}
    assert named == {name.removeprefix("HTTP_"): value for name, value in sender.items()}
    assert other.trailing_data[0] == data[size:]
