"""How hard promises are tried: a few hundred examples at a desk, three times as many where `CI` is set."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, settings

HARDER = 3 if os.environ.get("CI") else 1
Case = TypeVar("Case", bound=Callable[..., None])


def promise(examples: int = 300) -> Callable[[Case], Case]:
    """Tries a promise on this many examples; a slow machine is no failure."""
    return settings(max_examples=examples * HARDER, deadline=None, suppress_health_check=[HealthCheck.too_slow])
