"""Looking again and again, through short outages: while nobody answers, what was seen last is what there is to see."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rollout.core.errors import InvalidInput, NotAllowed, RolloutError, UnknownFlag
from rollout.service.words import Document

EVERY = 1.0  # seconds

_FINAL = (InvalidInput, NotAllowed, UnknownFlag)
"""What looking again cannot change. All other errors may pass."""


@dataclass(frozen=True, slots=True)
class Look:
    document: Document  # the last that was seen
    trouble: str | None = None  # why it is not from now


def looks(
    ask: Callable[[], Document], first_patience: float, deadline: float | None = None, every: float = EVERY
) -> Iterator[Look]:
    """A look each second, until `deadline` (of `time.monotonic`) or for ever. The first one must succeed within
    `first_patience` seconds, or its error is raised."""
    document = _first(ask, first_patience, every)
    yield Look(document)
    while deadline is None or time.monotonic() < deadline:
        time.sleep(every if deadline is None else max(min(every, deadline - time.monotonic()), 0))
        trouble = None
        try:
            document = ask()
        except _FINAL:
            raise
        except RolloutError as error:
            trouble = error.message
        yield Look(document, trouble)


def _first(ask: Callable[[], Document], patience: float, every: float) -> Document:
    give_up = time.monotonic() + patience
    while True:
        try:
            return ask()
        except _FINAL:
            raise
        except RolloutError:
            if time.monotonic() + every > give_up:
                raise
        time.sleep(every)
