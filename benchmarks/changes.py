"""This service beside itself: how soon all of 4 workers answer by a change, idle and under load; and what a worker
weighs.

    python benchmarks/changes.py
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from http_rates import CHECK, LOADS
from machine import Contender
from servers import change, rollout

WORKERS, CHANGES = 4, 60
MANY = 10_000
BOTH_CORES = "0,1"
PATIENCE = 30.0  # seconds
QUERY = f"{CHECK}?user_id=u-1&country=IN&app_version=3.0.0"


@dataclass(frozen=True)
class Found:
    rows: list[tuple[str, str]]
    targets: list[tuple[str, str, str]]


def measure() -> Found:
    seen, memory = changes_seen(), memory_of_workers()
    return Found(seen.rows + memory.rows, seen.targets + memory.targets)


def changes_seen() -> Found:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        service = rollout(Path(name), stack, workers=WORKERS, cores=BOTH_CORES)
        with watched(service) as revisions:
            idle = waits(service, revisions)
            with load(service, Path(name)):
                busy = waits(service, revisions)
    return Found(
        [
            (f"a change seen by all of {WORKERS} workers, idle", told(idle)),
            (
                f"the same while wrk asks them with 16 connections, on their {BOTH_CORES.count(',') + 1} cores",
                told(busy),
            ),
        ],
        [
            (f"change to seen by all of {WORKERS} workers, idle: median", "≤ 5 ms", f"{middle(idle):.1f} ms"),
            ("the same: p99", "≤ 20 ms", f"{p99(idle):.1f} ms"),
            ("the same under full load: p99", "≤ 50 ms", f"{p99(busy):.1f} ms"),
        ],
    )


class Revisions:
    """Which revision each worker answered by, as threads see that ask without end over a connection of their own."""

    def __init__(self, count: int) -> None:
        self.seen = [0] * count
        self.changed = threading.Condition()

    def tell(self, number: int, revision: int) -> None:
        if revision != self.seen[number]:
            with self.changed:
                self.seen[number] = revision
                self.changed.notify_all()

    def wait(self, revision: int) -> None:
        with self.changed:
            if not self.changed.wait_for(lambda: min(self.seen) >= revision, PATIENCE):
                raise RuntimeError(f"after {PATIENCE:.0f} s workers answer by {self.seen}, not {revision}")


def waits(service: Contender, revisions: Revisions) -> list[float]:
    """Milliseconds from when a change is sent to when every worker answers by it; sorted."""
    spans = []
    for number in range(CHANGES):
        began = time.perf_counter()
        said = change(service, "/v1/flags/payments/set", {"share": f"{1 + number % 2}%"}, service.admin)
        revisions.wait(int(str(said["revision"])))
        spans.append((time.perf_counter() - began) * 1000)
        time.sleep(0.05)  # one change at a time, not a storm of them
    return sorted(spans)


@contextmanager
def watched(service: Contender) -> Iterator[Revisions]:
    """Every worker is asked about once a millisecond."""
    connections = one_to_each(service)
    revisions, over = Revisions(len(connections)), threading.Event()

    def watch(number: int, connection: http.client.HTTPConnection) -> None:
        while not over.wait(0.001):
            revisions.tell(number, revision_of(connection, service.key))

    threads = [threading.Thread(target=watch, args=one) for one in enumerate(connections)]
    for thread in threads:
        thread.start()
    try:
        yield revisions
    finally:
        over.set()
        for thread in threads:
            thread.join()


def one_to_each(service: Contender) -> list[http.client.HTTPConnection]:
    """A connection to every worker, found by who holds its other end."""
    found: dict[int, http.client.HTTPConnection] = {}
    deadline, others = time.monotonic() + PATIENCE, []
    while len(found) < WORKERS:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(found)} of {WORKERS} workers took a connection")
        connection = http.client.HTTPConnection(service.url.removeprefix("http://"))
        revision_of(connection, service.key)
        pid = holder(connection.sock.getsockname()[1], service.pids())
        if pid in found:
            others.append(connection)  # open, so that the next one goes elsewhere
        else:
            found[pid] = connection
    for connection in others:
        connection.close()
    return list(found.values())


def holder(port: int, pids: Sequence[int]) -> int:
    """Which of these processes has the connection whose client's end is this port."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {f"socket:[{line[9]}]" for line in lines if line[2].endswith(f":{port:04X}")}
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if str(link.readlink()) in inodes:
                    return pid
    raise RuntimeError(f"no worker has the connection from port {port}")


def revision_of(connection: http.client.HTTPConnection, key: str) -> int:
    connection.request("GET", QUERY, headers={"Authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    said = answer.read().decode()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {said}")
    return int(json.loads(said)["revision"])


@contextmanager
def load(service: Contender, folder: Path) -> Iterator[None]:
    command = [
        "wrk",
        "-t1",
        "-c16",
        "-d600s",
        "-s",
        str(LOADS["GET one flag"].script(folder, service.key)),
        service.url,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        time.sleep(1)  # until it asks
        yield
    finally:
        process.terminate()
        process.wait()


def memory_of_workers() -> Found:
    rows, targets = [], []
    for flags, most in ((100, 60), (MANY, 120)):
        with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
            service = rollout(Path(name), stack, workers=2, flags=flags, cores=BOTH_CORES)
            connection = http.client.HTTPConnection(service.url.removeprefix("http://"))
            for _ in range(2000):
                revision_of(connection, service.key)
            own, resident = max(weight(pid) for pid in service.pids()[1:])
        rows.append((f"memory of a worker with {flags:,} flags", f"{own:.0f} MB, {resident:.0f} MB resident"))
        targets.append((f"memory a worker with {flags:,} flags", f"≤ {most} MB", f"{own:.0f} MB"))
    return Found(rows, targets)


def weight(pid: int) -> tuple[float, float]:
    """Megabytes: its own with its part of what processes share, and all that is resident."""
    lines = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]]
    sizes = {line[0].rstrip(":"): int(line[1]) / 1024 for line in lines}
    return sizes["Pss"], sizes["Rss"]


def middle(spans: Sequence[float]) -> float:
    return statistics.median(spans)


def p99(spans: Sequence[float]) -> float:
    """Of sorted ones; the longest but one where there are fewer than 200."""
    return spans[max(0, min(len(spans) - 2, round(len(spans) * 0.99)))]


def told(spans: Sequence[float]) -> str:
    return f"median {middle(spans):.1f} ms, p99 {p99(spans):.1f} ms, the longest {spans[-1]:.1f} ms of {len(spans)}"


def table(found: Found) -> str:
    return "\n".join(["| what | found |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in found.rows)])


if __name__ == "__main__":
    found = measure()
    print(table(found))
    for row in found.targets:
        print(*row, sep=" | ")
