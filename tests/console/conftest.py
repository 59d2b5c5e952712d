"""Three weeks behind it."""

from __future__ import annotations

import pytest
from consolekit import World, after_three_weeks


@pytest.fixture
def world() -> World:
    """A few weeks on, with flags in every state."""
    return after_three_weeks()


@pytest.fixture(scope="module")
def steady_world() -> World:
    """The same, for all who change nothing."""
    return after_three_weeks()
