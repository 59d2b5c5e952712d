"""What streams cost, and how fast they tell: a service of its own in a temporary folder, and thousands of clients in a
process of their own.

    python benchmarks/streams.py            all of it, with 5,000 streams, in about two minutes
    python benchmarks/streams.py --streams 1000

Every number is of this machine and of what else runs on it; ratios are of medians of interleaved rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import multiprocessing
import os
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0  # seconds
ROUNDS = 5
CHECKS = 2000


class Client(asyncio.Protocol):
    """As a browser's EventSource: it resumes with its last id, after the pause that it was told."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.id = b""
        self.retry = 3.0
        self.rest = b""
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        resume = b"Last-Event-ID: " + self.id + b"\r\n" if self.id else b""
        transport.write(
            b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n" + resume + b"\r\n"
        )

    def data_received(self, data: bytes) -> None:
        *blocks, self.rest = (self.rest + data).replace(b"\r\n", b"\n").split(b"\n\n")
        for block in blocks:
            fields = dict(line.split(b": ", 1) for line in block.splitlines() if b": " in line)
            self.id = fields.get(b"id", self.id)
            if b"retry" in fields:
                self.retry = int(fields[b"retry"]) / 1000
                self.crowd.opened.append(time.monotonic())
            if b"data" in fields:
                self.crowd.told.append((int(self.id), time.monotonic()))

    def connection_lost(self, _: Exception | None) -> None:
        if self.crowd.coming_back:
            asyncio.get_running_loop().call_later(self.retry, self.crowd.connect, self)


class Crowd:
    def __init__(self, port: int) -> None:
        self.port = port
        self.clients: list[Client] = []
        self.opened: list[float] = []
        self.told: list[tuple[int, float]] = []
        self.coming_back = True
        self.trying: set[asyncio.Task[None]] = set()

    def connect(self, client: Client) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(client))
        self.trying.add(task)
        task.add_done_callback(self.trying.discard)

    async def _connect(self, client: Client) -> None:
        loop = asyncio.get_running_loop()
        try:
            client.rest = b""
            await loop.create_connection(lambda: client, "127.0.0.1", self.port)
        except OSError:
            loop.call_later(client.retry, self.connect, client)

    async def gather(self, count: int) -> None:
        while len(self.clients) < count:
            some = [Client(self) for _ in range(min(100, count - len(self.clients)))]
            self.clients += some
            await asyncio.gather(*(self._connect(client) for client in some))

    def leave(self) -> None:
        self.coming_back = False
        for client in self.clients:
            client.transport.abort()


def crowd_process(port: int, orders: Connection) -> None:
    """`orders`: (verb, argument), each answered when it is done."""
    allow_files()

    async def run() -> None:
        loop, crowd = asyncio.get_running_loop(), Crowd(port)
        while True:
            verb, argument = await loop.run_in_executor(None, orders.recv)
            if verb == "open":
                await crowd.gather(argument)
            elif verb == "told":
                while sum(revision == argument for revision, _ in crowd.told) < len(crowd.clients):
                    await asyncio.sleep(0.01)
            elif verb == "opened":
                while len(crowd.opened) < argument:
                    await asyncio.sleep(0.01)
            elif verb == "leave":
                crowd.leave()
            orders.send((crowd.opened, crowd.told))
            if verb == "leave":
                return

    asyncio.run(run())


class People:
    """The crowd, from outside."""

    def __init__(self, port: int) -> None:
        self.orders, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=crowd_process, args=[port, theirs], daemon=True)
        self.process.start()

    def do(self, verb: str, argument: object = None) -> tuple[list[float], list[tuple[int, float]]]:
        self.orders.send((verb, argument))
        assert self.orders.poll(PATIENCE), f"{verb} {argument} did not come to an end"
        answer: tuple[list[float], list[tuple[int, float]]] = self.orders.recv()
        return answer

    def leave(self) -> None:
        self.do("leave")
        self.process.join()


class Site:
    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.address = address

    def ask(self, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        if body is None:
            connection.request("GET", path)
        else:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def change(self) -> tuple[int, float]:
        """A new revision, and when it was asked for."""
        began = time.monotonic()
        killed = self.ask("/v1/status/business-app")["state"] == "killed"
        began = time.monotonic()
        answer = self.ask(f"/v1/flags/business-app/{'revive' if killed else 'kill'}", {"reason": "a benchmark"})
        return answer["revision"], began

    def stream(self) -> dict[str, Any]:
        def report() -> dict[str, Any] | None:
            servers = [each for each in self.ask("/v1/status")["servers"] if each["kind"] == "stream"]
            return max(servers, key=lambda each: each["at_ms"], default=None)

        return eventually(report)

    @property
    def port(self) -> int:
        return int(self.stream()["streams"]["url"].rpartition(":")[2])

    def memory(self) -> float:
        """RSS of the stream process, in MB."""
        status = Path(f"/proc/{self.stream()['pid']}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


def eventually(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)
    return found


@contextmanager
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("flags.yaml", "employees.txt"):
            shutil.copy(ROOT / file, folder)
        with (folder / "out").open("w") as out:
            server = subprocess.Popen(
                [sys.executable, "-m", "rollout.cli", "serve", "--bind=127.0.0.1:0"],
                cwd=folder,
                stdout=out,
                stderr=(folder / "err").open("w"),
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        try:
            found = eventually(lambda: re.search(r"ready on http://(\S+),", (folder / "out").read_text()))
            yield Site(folder, found[1])
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(PATIENCE)


def allow_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def check_ms(site: Site) -> float:
    """The median of checks one after the other over one connection."""
    connection = http.client.HTTPConnection(site.address)
    spans = []
    for _ in range(CHECKS):
        began = time.perf_counter()
        connection.request("GET", "/v1/flags/payments?user_id=u-58&country=IN&app_version=3.0.0")
        connection.getresponse().read()
        spans.append(time.perf_counter() - began)
    connection.close()
    return statistics.median(spans) * 1000


def told_after(told: list[tuple[int, float]], revision: int, began: float) -> list[float]:
    return sorted(at - began for seen, at in told if seen == revision)


def few_clients(site: Site) -> None:
    people = People(site.port)
    people.do("open", 20)
    waits: list[float] = []
    for _ in range(20):
        revision, began = site.change()
        _, told = people.do("told", revision)
        waits += told_after(told, revision, began)
    people.leave()
    print(
        f"a change reaches 20 clients in {statistics.median(waits) * 1000:.0f} ms (median), "
        f"{max(waits) * 1000:.0f} ms at most"
    )


def idle(site: Site, count: int) -> None:
    empty = site.memory()
    without, with_them = [], []
    for _ in range(ROUNDS):
        without.append(check_ms(site))
        people = People(site.port)
        people.do("open", count)
        people.do("opened", count)
        with_them.append(check_ms(site))
        full = site.memory()
        people.leave()
        eventually(lambda: site.stream()["streams"]["open"] == 0)
    ratio = statistics.median(with_them) / statistics.median(without)
    each = (full - empty) * 1024 / count
    print(f"{count} idle streams: {full:.0f} MB RSS of the stream process, {empty:.0f} MB without, {each:.1f} KB each")
    print(f"a check takes {statistics.median(without):.3f} ms without them and {ratio:.2f} of that with them")


def all_told(site: Site, count: int) -> None:
    people = People(site.port)
    people.do("open", count)
    people.do("opened", count)
    time.sleep(11)  # until nobody is told anything for having come shortly after a change
    for _ in range(ROUNDS):
        revision, began = site.change()
        waits = told_after(people.do("told", revision)[1], revision, began)
        time.sleep(1)  # a storm of changes would be told less often
        print(f"{count} told: half after {waits[len(waits) // 2]:.2f} s, the last after {waits[-1]:.2f} s")
    people.leave()


def come_back(site: Site, count: int, *, missed: bool) -> None:
    people = People(site.port)
    people.do("open", count)
    opened = len(people.do("opened", count)[0])
    time.sleep(11)
    victim = site.stream()["pid"]
    os.kill(victim, signal.SIGKILL)
    began = time.monotonic()
    revision = site.change()[0] if missed else None
    again = sorted(at - began for at in people.do("opened", opened + count)[0][opened:])
    busiest = max(sum(1 for at in again if second <= at < second + 1) for second in range(int(again[-1]) + 1))
    print(
        f"{count} lost at once came back between {again[0]:.1f} and {again[-1]:.1f} s, {busiest} in the busiest second"
    )
    if revision is not None:
        waits = told_after(people.do("told", revision)[1], revision, began)
        busiest = max(sum(1 for at in waits if second <= at < second + 1) for second in range(int(waits[-1]) + 1))
        print(
            f"  having missed a change: told between {waits[0]:.1f} and {waits[-1]:.1f} s, "
            f"{busiest} in the busiest second"
        )
    people.leave()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--streams", type=int, default=5000)
    count = options.parse_args().streams
    allow_files()
    with site() as ours:
        few_clients(ours)
        idle(ours, count)
        all_told(ours, count)
        come_back(ours, count, missed=False)
        come_back(ours, count, missed=True)


if __name__ == "__main__":
    main()
