"""The servers on which the store tests run: they live for the session, and each test gets a namespace of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass

import pytest
from storekit import ALL, REAL, REDIS, Server

from rollout.service.ports import FlagStore


@dataclass(frozen=True)
class Backend:
    """A test's own namespace on one of the servers."""

    server: Server
    namespace: str
    stack: ExitStack

    def open(self, **options: object) -> FlagStore:
        """One more store on the same data, closed after the test."""
        return self.stack.enter_context(closing(self.server.open(self.namespace, **options)))

    def key(self, name: str) -> str:
        return f"{{{self.namespace}}}:{name}"

    def contents(self) -> dict[str, object]:
        """All that the namespace holds, read behind the stores' back."""
        raw = self.server.raw
        read = {
            b"string": raw.get,
            b"hash": raw.hgetall,
            b"stream": raw.xrange,
            b"set": raw.smembers,
            b"list": lambda key: raw.lrange(key, 0, -1),
            b"zset": lambda key: raw.zrange(key, 0, -1, withscores=True),
        }
        return {key.decode(): read[raw.type(key)](key) for key in raw.scan_iter(self.key("*"), count=1000)}


@pytest.fixture(scope="session")
def server_called(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """Gives a server by name, started when it is first asked for."""
    running: dict[str, Server] = {}
    with ExitStack() as stack:

        def server(name: str) -> Server:
            if name not in running:
                running[name] = stack.enter_context(ALL[name](tmp_path_factory.mktemp(name)))
            return running[name]

        yield server


def _backend(request: pytest.FixtureRequest, server_called: Callable[[str], Server]) -> Iterator[Backend]:
    with ExitStack() as stack:
        yield Backend(server_called(request.param), f"test-{uuid.uuid4().hex[:12]}", stack)


backend = pytest.fixture(params=list(ALL), name="backend")(_backend)
redis_backend = pytest.fixture(params=list(REDIS), name="redis_backend")(_backend)
real_backend = pytest.fixture(params=list(REAL), name="real_backend")(_backend)


@pytest.fixture
def store(backend: Backend) -> FlagStore:
    return backend.open()
