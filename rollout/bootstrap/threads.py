"""Threads that do one thing again and again until they are told to stop. None of them dies of an error: it is logged,
and the next round comes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

JOIN_WITHIN = 5.0  # seconds; whoever takes longer is left behind, as a daemon


class Repeated:
    """Runs `step` every `every` seconds, and at once after `wake`."""

    def __init__(self, name: str, step: Callable[[], object], every: float) -> None:
        self._name = name
        self._step = step
        self._every = every
        self._due = threading.Event()
        self._stopping = False
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """The next round begins now, or right after the one that is running."""
        self._due.set()

    def stop(self) -> None:
        """Returns when the round that is running has ended."""
        self._stopping = True
        self._due.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_WITHIN)

    def _run(self) -> None:
        while not self._stopping:
            self._due.clear()
            self._try()
            if not self._stopping:
                self._due.wait(self._every)

    def _try(self) -> None:
        try:
            self._step()
            self._trouble = None
        except Exception as error:  # of whatever kind: the next round may do better
            trouble = repr(error)
            if trouble != self._trouble:  # the same thing is said once
                log.exception("%s failed; it is tried again", self._name)
            self._trouble = trouble
