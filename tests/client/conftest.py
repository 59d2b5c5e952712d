"""A service over HTTP for each test of the client, gone after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clientkit import Hosted


@pytest.fixture
def hosted() -> Iterator[Hosted]:
    host = Hosted()
    yield host
    host.end()
