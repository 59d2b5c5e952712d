"""A real service with one flag of each kind, and OpenFeature's clients that ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sdkkit import FLAGS, JavaScriptClient, PythonClient, installed
from servekit import Service


@pytest.fixture(scope="session")
def packages() -> None:
    installed()


@pytest.fixture(scope="module")
def steady_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """For all who change nothing."""
    with serving(tmp_path_factory.mktemp("steady")) as service:
        yield service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """For who changes or stops it."""
    with serving(tmp_path / "site") as service:
        yield service


@contextmanager
def serving(folder: Path) -> Iterator[Service]:
    folder.mkdir(exist_ok=True)
    (folder / "flags.yaml").write_text(FLAGS)
    running = Service(folder)
    try:
        yield running.start()
    finally:
        running.clean_up()


@pytest.fixture
def connect(packages: None) -> Iterator[Callable[[str, Service], JavaScriptClient | PythonClient]]:
    """Makes a client of a service, by the client's name: python, or one of the scripts."""
    with ExitStack() as stack:

        def make(name: str, service: Service) -> JavaScriptClient | PythonClient:
            client = PythonClient(service) if name == "python" else JavaScriptClient(f"{name}.mjs", service)
            stack.callback(client.stop)
            return client

        yield make
