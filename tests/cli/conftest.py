"""A command line on a store in memory, where the founding flags are in force; and a real store for whole processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clikit import EMPLOYEES, Cli

from rollout.stores.embedded import EmbeddedStore


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of whoever runs the tests does not steer them."""
    for name in (
        "ROLLOUT_URL",
        "ROLLOUT_NAMESPACE",
        "ROLLOUT_FILE",
        "ROLLOUT_KEY",
        "ROLLOUT_KEY_FILE",
        "NO_COLOR",
        "ROLLOUT_TRACEBACK",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def empty_cli(tmp_path: Path) -> Cli:
    (tmp_path / "employees.txt").write_text(EMPLOYEES)
    return Cli(tmp_path)


@pytest.fixture
def cli(empty_cli: Cli) -> Cli:
    empty_cli.apply()
    return empty_cli


@pytest.fixture(scope="session")
def embedded_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path_factory.mktemp("cli-store")) as store:
        yield store
