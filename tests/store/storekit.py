"""What the store tests share: short ways to write commits, threads whose errors count, real servers in a folder, and a
proxy that loses replies."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fakeredis import FakeRedis, FakeServer
from redis import Redis

from rollout.core.errors import RevisionConflict, StoreUnavailable
from rollout.service.ports import Commit, Committed, FlagStore
from rollout.stores.embedded import EmbeddedStore
from rollout.stores.memory import MemoryFlagStore
from rollout.stores.redis import RedisFlagStore

PATIENCE = 20.0  # seconds; a bound on hanging, never a measure of speed


@dataclass(frozen=True)
class Server:
    """One place where stores keep their data. `raw` talks to it behind the stores' back, where that is possible."""

    open: Callable[..., FlagStore]
    raw: Redis | None = None
    socket: Path | None = None
    pid: Callable[[], int] | None = None


def commit(expected_revision: int, request_id: str | None = None, **more: object) -> Commit:
    facts = {"at_ms": 1, "entry": b"entry %d" % (expected_revision + 1)} | more
    return Commit(expected_revision, request_id or f"request-{os.urandom(8).hex()}", **facts)


def write(store: FlagStore, request_id: str, entry: bytes, **more: object) -> Committed:
    """Commits as a careful caller does: looks, tries, and when in doubt repeats the same request."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return store.commit(commit(store.revision(), request_id, entry=entry, **more))
        except (RevisionConflict, StoreUnavailable):
            if time.monotonic() > deadline:
                raise


def at_once(jobs: list[Callable[[], object]]) -> list[object]:
    """Runs all jobs in threads that begin together; an error in one is raised here."""
    gate = threading.Barrier(len(jobs))
    results: list[object] = [None] * len(jobs)
    errors: list[BaseException] = []

    def run(place: int, job: Callable[[], object]) -> None:
        try:
            gate.wait(PATIENCE)
            results[place] = job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * PATIENCE)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    return results


def eventually(holds: Callable[[], object], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process hangs meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def memory(folder: Path) -> Iterator[Server]:
    stores: dict[str, MemoryFlagStore] = {}
    yield Server(open=lambda namespace: stores.setdefault(namespace, MemoryFlagStore()))


@contextmanager
def fake(folder: Path) -> Iterator[Server]:
    server = FakeServer()

    def connect(*_: object) -> Redis:
        return FakeRedis(server=server, protocol=2)

    with closing(connect()) as raw:
        yield Server(open=lambda namespace: RedisFlagStore("redis://fake", namespace, connect=connect), raw=raw)


@contextmanager
def embedded(folder: Path) -> Iterator[Server]:
    with EmbeddedStore(folder) as store, real(folder / "store.sock", lambda: store.pid) as server:
        yield server


@contextmanager
def debian(folder: Path) -> Iterator[Server]:
    path = folder / "redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            eventually(path.exists)
            with real(path, lambda: process.pid) as server:
                yield server
        finally:
            process.kill()


@contextmanager
def real(path: Path, pid: Callable[[], int]) -> Iterator[Server]:
    def open_store(namespace: str, url: str = f"unix://{path}") -> RedisFlagStore:
        return RedisFlagStore(url, namespace)

    with closing(Redis(unix_socket_path=str(path), protocol=2)) as raw:
        yield Server(open_store, raw, path, pid)


REAL = {"embedded": embedded} | ({"redis-server": debian} if shutil.which("redis-server") else {})
REDIS = {"fakeredis": fake} | REAL
ALL = {"memory": memory} | REDIS


class LossyProxy:
    """Stands between a store and its server. While `losing` is set, a script's reply is swallowed and the connection
    closed: the write was made, and the writer cannot know."""

    def __init__(self, folder: Path, server: Path) -> None:
        self.path = folder / "proxy.sock"
        self.losing = threading.Event()
        self.lost = 0
        self._server = server
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._pump, args=[client], daemon=True))
            self._threads[-1].start()

    def _pump(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(str(self._server))
            writing = False
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    if source is client:
                        writing = b"EVALSHA" in data
                        server.sendall(data)
                    elif writing and self.losing.is_set():
                        self.lost += 1
                        return
                    else:
                        client.sendall(data)
