"""What clients may send and what they get: a real listener, with real sockets, in this process."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from rollout.streams.connection import SPARE, House
from rollout.streams.frames import Head
from rollout.streams.hub import Hub
from rollout.streams.reading import MOST_BYTES
from rollout.streams.server import open_server

PATIENCE = 20.0  # seconds; a bound on hanging


@asynccontextmanager
async def house(**options: float) -> AsyncIterator[tuple[House, int]]:
    made = House(Hub(asyncio.get_running_loop(), heartbeat=60, together=0), **{"cap": 100, **options})
    made.hub.news(Head(7, 1_700_000_000))
    server = await open_server(made, "127.0.0.1", 0)
    try:
        yield made, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        made.hub.end()


async def sent(port: int, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    return reader, writer


async def answer(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    reader, writer = await sent(port, request)
    head, _, body = (await asyncio.wait_for(reader.read(), PATIENCE)).partition(b"\r\n\r\n")
    writer.close()
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}, body


async def eventually(holds: Callable[[], object]) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not holds():
        assert asyncio.get_running_loop().time() < deadline, "it did not come true in time"
        await asyncio.sleep(0.01)


async def keep(reader: asyncio.StreamReader, heard: bytearray) -> None:
    while some := await reader.read(65536):
        heard += some


def run(test: Callable[[House, int], Awaitable[None]], **options: float) -> None:
    async def in_house() -> None:
        async with house(**options) as (made, port):
            await asyncio.wait_for(test(made, port), 3 * PATIENCE)

    asyncio.run(in_house())


def request(line: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([line + b" HTTP/1.1", b"Host: localhost", *headers, b"", b""])


STREAM = request(b"GET /v1/stream")

ANSWERS = {
    "healthy": (request(b"GET /healthz"), 200),
    "another path": (request(b"GET /"), 404),
    "a flag": (request(b"GET /v1/flags/payments?user_id=u-1"), 404),
    "a path that leads out": (request(b"GET /v1/stream/../flags"), 404),
    "another host's": (request(b"GET //v1/stream"), 404),
    "half a bracket": (request(b"GET http://[/v1/stream"), 404),
    "a stream by POST": (request(b"POST /v1/stream", b"Content-Length: 2") + b"{}", 405),
    "a stream by DELETE": (request(b"DELETE /v1/stream"), 405),
    "a preflight": (request(b"OPTIONS /v1/stream"), 405),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
    "no host": (b"GET /v1/stream HTTP/1.1\r\n\r\n", 400),
    "two hosts": (request(b"GET /v1/stream", b"Host: other"), 400),
    "two lengths": (request(b"POST /v1/stream", b"Content-Length: 2", b"Content-Length: 3"), 400),
    "a header in two lines' clothes": (request(b"GET /v1/stream", b"A: b\rC: d"), 400),
    "a header without a name": (request(b"GET /v1/stream", b": b"), 400),
    "NUL": (request(b"GET /v1/stream", b"A: \0"), 400),
    "a long header": (request(b"GET /v1/stream", b"Cookie: " + b"c" * MOST_BYTES), 431),
    "a long address": (request(b"GET /v1/stream?" + b"a" * MOST_BYTES), 431),
    "a header without end": (b"GET /v1/stream HTTP/1.1\r\nCookie: " + b"c" * 10 * MOST_BYTES, 431),
    "many headers without end": (b"GET /v1/stream HTTP/1.1\r\n" + b"A: b\r\n" * MOST_BYTES, 431),
}


def test_whatever_is_asked_is_answered_in_words_and_everything_is_forgotten():
    async def all_of_them(made: House, port: int) -> None:
        got = {name: await answer(port, asked) for name, (asked, _) in ANSWERS.items()}
        assert {name: status for name, (status, _, _) in got.items()} == {
            name: status for name, (_, status) in ANSWERS.items()
        }
        for name, (status, headers, body) in got.items():
            assert headers["content-type"] == "application/json", name
            assert status == 200 or json.loads(body)["error"]["message"], name
        assert got["a stream by POST"][1]["allow"] == "GET"
        await eventually(lambda: made.connections == 0)
        assert made.hub.open == 0

    run(all_of_them)


def test_head_gets_a_head_without_a_body():
    async def head(_: House, port: int) -> None:
        status, headers, body = await answer(port, request(b"HEAD /v1/stream"))
        assert (status, headers["content-type"], body) == (405, "application/json", b"")
        assert (await answer(port, request(b"HEAD /healthz")))[::2] == (200, b"")

    run(head)


@pytest.mark.parametrize("line", [b"GET /v1/stream", b"GET /v1/stream?ticket=1", b"GET http://flags.example/v1/stream"])
def test_a_stream_is_open_to_browsers_and_kept_by_nobody(line):
    async def look(_: House, port: int) -> None:
        reader, writer = await sent(port, request(line))
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)).decode().lower()
        assert head.startswith("http/1.1 200 ok\r\n")
        for header in (
            "content-type: text/event-stream",
            "cache-control: no-store",
            "x-accel-buffering: no",
            "access-control-allow-origin: *",
        ):
            assert header in head
        writer.close()

    run(look)


def test_a_request_in_single_bytes_is_a_request():
    async def drip(_: House, port: int) -> None:
        reader, writer = await sent(port, b"")
        for byte in STREAM:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        assert b"200 OK" in await asyncio.wait_for(reader.readline(), PATIENCE)
        writer.close()

    run(drip)


def test_half_a_request_is_let_go_after_its_time():
    async def half(made: House, port: int) -> None:
        for began in (b"", b"G", STREAM[:-2]):
            assert (await answer(port, began))[0] == 408
        await eventually(lambda: made.connections == 0)
        assert made.hub.refused["late"] == 3

    run(half, asked_within=0.2)


def test_above_the_cap_it_says_when_to_come_back_and_takes_others_when_some_leave():
    async def fill(made: House, port: int) -> None:
        open_ones = [await sent(port, STREAM) for _ in range(3)]
        await eventually(lambda: made.hub.open == 3)
        status, headers, body = await answer(port, STREAM)
        assert status == 503
        assert headers["retry-after"].isdigit()
        assert json.loads(body)["error"]["code"] == "full"
        assert (await answer(port, request(b"GET /healthz")))[0] == 200
        open_ones[0][1].close()
        await eventually(lambda: made.hub.open == 2)
        reader, writer = await sent(port, STREAM)
        assert b"200 OK" in await asyncio.wait_for(reader.readline(), PATIENCE)
        for _, other in (*open_ones, (reader, writer)):
            other.close()

    run(fill, cap=3)


def test_connections_that_ask_for_nothing_are_bounded_too():
    async def flood(made: House, port: int) -> None:
        idle = [await sent(port, b"") for _ in range(SPARE + 1)]
        await eventually(lambda: made.connections == SPARE + 1)
        status, headers, _ = await answer(port, b"")
        assert (status, headers["retry-after"].isdigit()) == (503, True)
        for _, writer in idle:
            writer.close()
        await eventually(lambda: made.connections == 0)
        reader, writer = await sent(port, STREAM)
        assert b"200 OK" in await asyncio.wait_for(reader.readline(), PATIENCE)
        writer.close()

    run(flood, cap=1)


def test_a_client_that_does_not_read_is_let_go_and_holds_nobody_up():
    async def ignore(made: House, port: int) -> None:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        deaf.connect(("127.0.0.1", port))
        deaf.sendall(STREAM)
        reader, writer = await sent(port, STREAM)
        await eventually(lambda: made.hub.open == 2)
        heard = bytearray()
        listening = asyncio.ensure_future(keep(reader, heard))
        revision = 7
        while made.hub.open == 2:  # all of them are told, since nothing is told together here
            revision += 1
            made.hub.news(Head(revision, 1))
            await asyncio.sleep(0)
            assert revision < 100_000, "a client that reads nothing is never let go"
        assert made.hub.refused["slow"] == 1
        await eventually(lambda: b'"\\"r%d\\""' % revision in heard)
        listening.cancel()
        deaf.close()
        writer.close()

    run(ignore)


def test_a_client_that_goes_on_talking_is_hung_up_on():
    async def talk(made: House, port: int) -> None:
        reader, writer = await sent(port, STREAM)
        await asyncio.wait_for(reader.readuntil(b"retry"), PATIENCE)
        writer.write(STREAM)
        await eventually(lambda: made.hub.open == 0)
        assert made.hub.refused["talking"] == 1
        writer.close()

    run(talk)


def test_a_client_that_vanishes_is_forgotten():
    async def vanish(made: House, port: int) -> None:
        _, writer = await sent(port, STREAM)
        await eventually(lambda: made.hub.open == 1)
        writer.transport.abort()
        await eventually(lambda: (made.hub.open, made.connections) == (0, 0))

    run(vanish)
