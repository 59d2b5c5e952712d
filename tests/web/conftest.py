"""A whole site in a process: a real desk on a store in memory, followed as a worker follows it."""

from __future__ import annotations

import pytest
from webkit import Site


@pytest.fixture
def site() -> Site:
    """The founding flags, in force."""
    return Site.with_flags()


@pytest.fixture
def empty_site() -> Site:
    """A store that answers, where nothing was ever written."""
    return Site()
