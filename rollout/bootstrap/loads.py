"""Has the large files carried out that workers took in: one at a time, each in a process of its own. Where that
process, or this one, crashed in between, the store says whether the change was made, and whoever asks is told that.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from rollout.core.errors import StoreUnavailable
from rollout.service.encoding import decode_answer
from rollout.service.loads import Outcome, broken_off, interrupted
from rollout.service.ports import FlagStore
from rollout.stores.spool import Spool

log = logging.getLogger(__name__)

LOOK_EVERY = 0.2  # seconds
MOST_WAITING = 600.0  # seconds, also while the server was stopped: what was right then need not be so any more
LONGEST = timedelta(minutes=15)  # that one load may take
END_WITHIN = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class _Running:
    load: str
    process: subprocess.Popen[bytes]
    until: float  # of time.monotonic


class LoadKeeper:
    """`environment`: what the process is told by. One thread calls `look`, again and again."""

    def __init__(
        self, spool: Spool, store: FlagStore, environment: Mapping[str, str], longest: timedelta = LONGEST
    ) -> None:
        self._spool = spool
        self._store = store
        self._environment = {**os.environ, **environment}
        self._longest = longest.total_seconds()
        self._running: _Running | None = None

    def look(self) -> None:
        if self._running is not None:
            self._attend(self._running)
            return
        self._spool.sweep(time.time())
        for load in self._spool.silent(time.time()):
            self._fail(load, broken_off())
        for load in self._spool.whole():
            if self._next(load):
                return

    def stop(self) -> None:
        """What is under way ends; the next start finds out how far it came."""
        if self._running is not None:
            _end(self._running.process)

    def _next(self, load: str) -> bool:
        """Whether there is a process to attend to now."""
        if self._spool.begun(load) is not None:
            self._settle(load, "the process that loaded it was ended")
            return False
        if self._spool.waited(load, time.time()) > MOST_WAITING:
            self._fail(load, interrupted(f"it waited for more than {MOST_WAITING / 60:g} minutes"))
            return False
        command = [sys.executable, "-m", "rollout.bootstrap.load_process", load, str(os.getpid())]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=self._environment, start_new_session=True)
        self._running = _Running(load, process, time.monotonic() + self._longest)
        return True

    def _attend(self, running: _Running) -> None:
        status = running.process.poll()
        late = time.monotonic() > running.until
        if status is None and not late:
            return
        if status is None:
            _end(running.process)
        self._running = None
        if self._spool.body(running.load).exists():
            took = f"loading it took more than {self._longest:g} s" if late else f"loading it ended with {status}"
            self._settle(running.load, took)

    def _settle(self, load: str, why: str) -> None:
        """Of one without a report. Where the store is away, it is tried again."""
        with self._spool.held(load) as mine:
            if not mine:  # a process of a server that was killed has it, and is about to end
                return
            request_id = self._spool.begun(load)
            with suppress(StoreUnavailable):
                answer = self._store.answered(request_id) if request_id else None
                if answer is not None:
                    self._spool.end(load, _as_answered(answer))
                else:
                    self._fail(load, interrupted(why))

    def _fail(self, load: str, outcome: Outcome) -> None:
        log.error("a large file was not loaded: %s", (outcome.error or {}).get("message"))
        self._spool.end(load, outcome)


def _as_answered(answer: bytes) -> Outcome:
    document = decode_answer(answer)
    return Outcome(202 if "pending" in document else 200, answer=document)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_WITHIN)
    if process.poll() is None:
        process.kill()
        process.wait()
