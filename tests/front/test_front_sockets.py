"""The front on real sockets, with a small application for what it does not answer itself."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

import pytest

from rollout.front import Front, Others
from rollout.front.loop import PATIENCE
from rollout.front.others import Largest, usual_body

PATIENTLY = 20.0  # seconds
GET = b"GET /front HTTP/1.1\r\nHost: a\r\n\r\n"
OTHER = b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass(frozen=True)
class Bytes:
    start: bytes
    rest: bytes


def answering(body: bytes) -> Bytes:
    return Bytes(b"HTTP/1.1 200 OK\r\nDate: ", b"\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


@dataclass
class Site:
    """A front in a thread of its own; what it does not answer, `application` does, and notes."""

    address: tuple[str, int] = ("", 0)
    front: Any = None
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    large: bytes = b"x" * 3_000_000

    def understand(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        return headers

    def answer(self, method: str, path: str, query: str, sender: Mapping[str, str], body: bytes) -> Bytes | None:
        if path == "/broken":
            raise RuntimeError("this cannot be")
        if path == "/large":
            return answering(self.large)
        return answering(b"front:" + query.encode() + body) if path == "/front" else None

    def application(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        self.asked.append((environ["PATH_INFO"], environ["REMOTE_ADDR"], body))
        if environ["PATH_INFO"] == "/wait":
            self.hold.wait(PATIENTLY)
        said = b"large" * 400_000 if environ["PATH_INFO"] == "/other/large" else b"other:" + body
        start_response("200 OK", [("Content-Length", str(len(said)))])
        return [said]

    def open(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=PATIENTLY)


@contextmanager
def running(
    most: int = 4096,
    dressed: Callable[[socket.socket], socket.socket] | None = None,
    largest: Largest = usual_body,
) -> Iterator[Site]:
    site = Site()
    listener = socket.create_server(("127.0.0.1", 0))
    site.address = listener.getsockname()
    site.front = Front(
        listener,
        site.understand,
        site.answer,
        lambda returned: Others(site.application, returned, largest=largest, secure=dressed is not None),
        dressed=dressed,
        most=most,
    )
    thread = threading.Thread(target=site.front.run, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.hold.set()
        site.front.stop()
        thread.join(PATIENTLY)
        assert not thread.is_alive()


@pytest.fixture
def site() -> Iterator[Site]:
    with running() as found:
        yield found


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENTLY
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def read_answer(client: socket.socket, left: bytearray | None = None) -> bytes:
    """One answer's body; what came besides stays in `left`."""
    data = left if left is not None else bytearray()
    while b"\r\n\r\n" not in data:
        came = client.recv(65536)
        assert came, bytes(data)
        data += came
    head, _, rest = bytes(data).partition(b"\r\n\r\n")
    headers = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
    length = int(headers[b"content-length"])
    assert headers[b"date"].endswith(b" gmt")
    body = bytearray(rest)
    while len(body) < length:
        came = client.recv(1_000_000)
        assert came
        body += came
    data[:] = body[length:]
    return bytes(body[:length])


def test_usual_requests_are_answered_one_after_the_other(site: Site) -> None:
    with site.open() as client:
        for number in range(3):
            client.sendall(GET.replace(b"/front", b"/front?%d" % number))
            assert read_answer(client) == b"front:%d" % number
    assert site.asked == []


def test_all_others_are_answered_elsewhere_and_the_connection_comes_back(site: Site) -> None:
    with site.open() as client:
        for number in range(3):
            client.sendall(OTHER)
            assert read_answer(client) == b"other:"
            until(lambda: site.front._elsewhere.busy == 0)
            client.sendall(GET)
            assert read_answer(client) == b"front:"
            assert [path for path, _, _ in site.asked] == ["/other"] * (number + 1)
    assert {address for _, address, _ in site.asked} == {"127.0.0.1"}


def test_requests_that_come_together_are_answered_in_their_order(site: Site) -> None:
    with site.open() as client:
        client.sendall(GET + OTHER + GET + GET + OTHER)
        left = bytearray()
        said = [read_answer(client, left) for _ in range(5)]
    assert said[:2] == [b"front:", b"other:"]
    assert said[4] == b"other:"
    assert {*said[2:4]} <= {b"front:", b"other:"}  # whoever has the connection answers what came with it


def test_a_request_may_come_byte_by_byte(site: Site) -> None:
    body = GET.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 4\r\n\r\nbody")
    with site.open() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(len(body)):
            client.sendall(body[number : number + 1])
        assert read_answer(client) in {b"front:body", b"other:body"}


def test_half_a_request_holds_up_nobody(site: Site) -> None:
    half = b"POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"
    with site.open() as slow, site.open() as client:
        slow.sendall(half)
        for message, body in ((OTHER, b"other:"), (GET, b"front:")):
            until(lambda: site.front._elsewhere.busy == 1)  # that is the slow one, after some patience
            client.sendall(message)
            assert read_answer(client) == body
        slow.sendall(b" more")
        assert read_answer(slow) == b"other:half more"
    assert PATIENCE < PATIENTLY


def test_an_answer_that_takes_long_holds_up_no_usual_request(site: Site) -> None:
    with site.open() as waiting, site.open() as client:
        waiting.sendall(OTHER.replace(b"/other", b"/wait"))
        until(lambda: len(site.asked) == 1)
        client.sendall(GET)
        assert read_answer(client) == b"front:"
        site.hold.set()
        assert read_answer(waiting) == b"other:"


@pytest.mark.parametrize("path", [b"/large", b"/other/large"])
def test_whoever_reads_slowly_gets_it_all_and_holds_up_nobody(site: Site, path: bytes) -> None:
    with site.open() as slow, site.open() as client:
        slow.sendall(GET.replace(b"/front", path) + GET)
        client.sendall(GET)
        assert read_answer(client) == b"front:"
        left = bytearray()
        assert len(read_answer(slow, left)) > 1_000_000
        assert read_answer(slow, left) in {b"front:", b"other:"}  # by whoever has the connection


def test_whoever_leaves_in_the_middle_of_an_answer_harms_nobody(site: Site) -> None:
    for path in (b"/large", b"/other/large"):
        with site.open() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.sendall(GET.replace(b"/front", path))
            client.recv(1000)
    with site.open() as client:
        client.sendall(GET)
        assert read_answer(client) == b"front:"


def test_what_breaks_here_is_answered_elsewhere(site: Site) -> None:
    with site.open() as client:
        client.sendall(GET.replace(b"/front", b"/broken"))
        assert read_answer(client) == b"other:"


def test_a_client_that_asks_to_close_is_closed(site: Site) -> None:
    for message, body in ((GET, b"front:"), (OTHER, b"other:"), (GET.replace(b"/front", b"/large"), site.large)):
        with site.open() as client:
            client.sendall(message.replace(b"Host: a", b"Host: a\r\nConnection: close"))
            assert read_answer(client) == body
            assert client.recv(1) == b""
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    "message",
    [
        b"POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET,
        b"POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 40\r\n\r\n" + GET,
        b"POST /other HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + GET,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_what_has_two_meanings_is_given_none(site: Site, message: bytes) -> None:
    """Nothing that follows it on the connection is taken for a request."""
    with site.open() as client:
        with suppress(ConnectionError):
            client.sendall(message)
        said = b""
        with suppress(ConnectionError):
            while came := client.recv(65536):
                said += came
    assert b"front:" not in said
    assert said.count(b"HTTP/1.1 2") == 0
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"application/json" in head
    assert json.loads(body)["error"]["message"]


def test_a_body_larger_than_any_is_not_waited_for(site: Site) -> None:
    with site.open() as client:
        client.sendall(b"POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n")
        assert read_answer(client) == b"other:"
        assert client.recv(1) == b""


def test_more_is_read_for_those_who_may_send_it() -> None:
    def largest(path: str, headers: Mapping[str, str]) -> int:
        return 3_000_000 if (path, headers.get("X_API_KEY")) == ("/other", "mine") else 0

    body = b"y" * 2_000_000
    with running(largest=largest) as site:
        for number, (key, size) in enumerate([("mine", len(body)), ("yours", 0)], 1):
            connection = HTTPConnection(*site.address, timeout=PATIENTLY)
            with suppress(ConnectionError):
                connection.request("POST", "/other", body, {"X-API-Key": key})
                assert len(connection.getresponse().read()) == len(b"other:") + size
            connection.close()
            until(lambda number=number: len(site.asked) == number)
            assert len(site.asked[-1][2]) == size


def test_chunks_are_put_together(site: Site) -> None:
    connection = HTTPConnection(*site.address, timeout=PATIENTLY)
    connection.request("POST", "/front", iter([b"one", b"two"]), encode_chunked=True)
    assert connection.getresponse().read() == b"other:onetwo"
    connection.close()


def test_when_there_are_too_many_those_who_are_silent_are_let_go() -> None:
    with running(most=100) as site:
        silent = [site.open() for _ in range(100)]
        until(lambda: len(site.front._connections) >= 100)
        with site.open() as client:
            client.sendall(GET)
            assert read_answer(client) == b"front:"
        assert silent[0].recv(1) == b""
        assert len(site.front._connections) <= 100
        for one in silent:
            one.close()


def test_whoever_is_silent_stays_when_another_worker_lets_a_client_in(site: Site) -> None:
    with site.open() as client:
        client.sendall(GET)
        assert read_answer(client) == b"front:"
        site.front._accept()  # woken as all workers are, and nobody is left at the door
        client.sendall(GET)
        assert read_answer(client) == b"front:"


def test_what_was_asked_before_the_end_is_answered() -> None:
    with running() as site, site.open() as waiting:
        waiting.sendall(OTHER.replace(b"/other", b"/wait"))
        until(lambda: len(site.asked) == 1)
        site.front.stop()
        until(lambda: cannot_connect(site))
        site.hold.set()
        assert read_answer(waiting) == b"other:"
        assert waiting.recv(1) == b""


def cannot_connect(site: Site) -> bool:
    try:
        site.open().close()
    except OSError:
        return True
    return False
