"""A whole site in a process: a real desk on a store in memory, followed as a worker follows it."""

from __future__ import annotations

import pytest
from webkit import Site


@pytest.fixture(params=[True, False], ids=["fast", "flask"])
def fast(request: pytest.FixtureRequest) -> bool:
    """Everything is promised of both: of what answers usual checks without Flask, and of Flask alone."""
    return request.param


@pytest.fixture
def site(fast: bool) -> Site:
    """The founding flags, in force."""
    return Site.with_flags(fast=fast)


@pytest.fixture
def empty_site(fast: bool) -> Site:
    """A store that answers, where nothing was ever written."""
    return Site(fast=fast)
