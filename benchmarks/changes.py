"""This service beside itself: how soon all of 4 workers answer by a change, idle and under load; and what a worker
weighs.

    python benchmarks/changes.py
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from asking import PATIENCE, Line, request, revision_in
from http_rates import CHECK, LOADS
from machine import Contender
from servers import rollout

WORKERS, CHANGES = 4, 60
MANY = 10_000
BOTH_CORES = "0,1"
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
            synced = syncs(Path(name))
            with load(service, Path(name)):
                busy = waits(service, revisions)
    loaded = f"the same while wrk asks them with 16 connections, on their {BOTH_CORES.count(',') + 1} cores"
    return Found(
        [
            (f"a change seen by all of {WORKERS} workers, idle", told(idle.both)),
            ("of it, until it was kept and acknowledged", told(idle.acknowledged)),
            ("of it, from then on", told(idle.since)),
            ("what this disk takes to sync as much, once", told(synced)),
            (loaded, told(busy.both)),
            ("of it, until it was kept and acknowledged", told(busy.acknowledged)),
            ("of it, from then on", told(busy.since)),
        ],
        [
            (f"change to seen by all of {WORKERS} workers, idle: median", "≤ 5 ms", f"{middle(idle.both):.1f} ms"),
            ("the same: p99", "≤ 20 ms", f"{p99(idle.both):.1f} ms"),
            ("the same under full load: p99", "≤ 50 ms", f"{p99(busy.both):.1f} ms"),
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


@dataclass(frozen=True)
class Waits:
    """Milliseconds, in order of size: from when a change is sent to its answer, from there to when every worker answers
    by it, and both together."""

    acknowledged: list[float]
    since: list[float]
    both: list[float]


def waits(service: Contender, revisions: Revisions) -> Waits:
    taken = []
    for number in range(CHANGES):
        body = json.dumps({"share": f"{1 + number % 2}%", "reason": "benchmark"}).encode()
        wanted = request("POST", "/v1/flags/payments/set", service.admin, body)
        began = time.perf_counter()
        with Line(service) as line:
            revision = revision_in(line.ask(wanted))
        answered = time.perf_counter()
        revisions.wait(revision)
        seen = time.perf_counter()
        taken.append(((answered - began) * 1000, (seen - answered) * 1000, (seen - began) * 1000))
        time.sleep(0.05)  # one change at a time, not a storm of them
    return Waits(*map(sorted, zip(*taken, strict=True)))


def syncs(folder: Path) -> list[float]:
    """Milliseconds that the disk takes to keep as much as a change writes: the store syncs before it answers."""
    spans = []
    with (folder / "synced").open("ab", buffering=0) as file:
        for _ in range(CHANGES):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            spans.append((time.perf_counter() - began) * 1000)
    return sorted(spans)


@contextmanager
def watched(service: Contender) -> Iterator[Revisions]:
    """Every worker is asked about once a millisecond."""
    lines = one_to_each(service)
    revisions, over = Revisions(len(lines)), threading.Event()
    check = request("GET", QUERY, service.key)

    def watch(number: int, line: Line) -> None:
        while not over.wait(0.001):
            revisions.tell(number, revision_in(line.ask(check)))

    threads = [threading.Thread(target=watch, args=one) for one in enumerate(lines)]
    for thread in threads:
        thread.start()
    try:
        yield revisions
    finally:
        over.set()
        for thread in threads:
            thread.join()


def one_to_each(service: Contender) -> list[Line]:
    """A connection to every worker, found by who holds its other end. Many are made at a time, since of single ones the
    same worker takes nearly all."""
    found: dict[int, Line] = {}
    deadline, check = time.monotonic() + PATIENCE, request("GET", QUERY, service.key)
    while len(found) < WORKERS:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(found)} of {WORKERS} workers took a connection")
        for line in [Line(service) for _ in range(64)]:
            line.ask(check)
            pid = holder(line.port, service.pids())
            if pid in found:
                line.socket.close()
            else:
                found[pid] = line
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
            line = stack.enter_context(Line(service))
            for _ in range(2000):
                line.ask(request("GET", QUERY, service.key))
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
