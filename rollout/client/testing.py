"""For pytest: `pytest_plugins = ["rollout.client.testing"]` in conftest.py gives tests a client of their own.

    def test_paying(rollout_flags):
        with rollout_flags.override(payments=True):
            ...

It reads `flags.yaml` beside pytest's configuration, or what `rollout_flags_file` names there. Takes PyYAML.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rollout.client.rollout import Rollout


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("rollout_flags_file", "the flags file that tests answer from", default="flags.yaml")


@pytest.fixture
def rollout_flags(request: pytest.FixtureRequest) -> Iterator[Rollout]:
    """A client that asks no service, with every rollout at its first stage."""
    path = request.config.rootpath / request.config.getini("rollout_flags_file")
    with Rollout.from_file(path) as flags:
        yield flags
