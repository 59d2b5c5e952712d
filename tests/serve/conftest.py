"""Services and stores that are gone after the test, however it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from servekit import OwnStore, Service, eventually, processes_in


@pytest.fixture
def service_in() -> Iterator[Callable[..., Service]]:
    """Makes services, by folder and options."""
    with ExitStack() as stack:

        def make(folder: Path, **options: object) -> Service:
            service = Service(folder, **options)
            stack.callback(service.clean_up)
            return service

        yield make


@pytest.fixture
def service(service_in: Callable[..., Service], tmp_path: Path) -> Service:
    """The founding case, not started yet."""
    return service_in(tmp_path / "site")


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[OwnStore]:
    store = OwnStore(tmp_path / "redis").start()
    yield store
    store.kill()


@pytest.fixture(autouse=True, scope="package")
def nothing_is_left_running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    others = set(processes_in(tmp_path_factory.getbasetemp()))  # of tests that ran before, for the whole session
    yield
    eventually(lambda: set(processes_in(tmp_path_factory.getbasetemp())) <= others, patience=2)
