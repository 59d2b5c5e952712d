"""Threads that do one thing again and again until they are told to stop. None of them dies of an error: it is logged,
and the next round comes.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

AFTER_CHANGE = 0.02
"""Seconds, up to twice as many, that whatever a change wakes gives way: so that all processes serve by the change
before any of them reports it, and a storm of changes is reported once."""

JOIN_WITHIN = 5.0  # seconds; whoever takes longer is left behind, as a daemon


class Repeated:
    """Runs `step` every `every` seconds, and soon after `wake`: at once, or when it gave way for `after` seconds, up to
    twice as many, in which others may wake it as well."""

    def __init__(self, name: str, step: Callable[[], object], every: float, after: float = 0.0) -> None:
        self._name = name
        self._step = step
        self._every = every
        self._after = after
        self._due = threading.Event()
        self._stop = threading.Event()
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """The next round begins now, or after the one that is running."""
        self._due.set()

    def stop(self) -> None:
        """Returns when the round that is running has ended."""
        self._stop.set()
        self._due.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_WITHIN)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._due.clear()
            self._try()
            if not self._stop.is_set() and self._due.wait(self._every) and self._after:
                self._stop.wait(self._after * random.uniform(1, 2))

    def _try(self) -> None:
        try:
            self._step()
            self._trouble = None
        except Exception as error:  # of whatever kind: the next round may do better
            trouble = repr(error)
            if trouble != self._trouble:  # the same thing is said once
                log.exception("%s failed; it is tried again", self._name)
            self._trouble = trouble
