"""A process of ours that the server process starts, starts again when it ends unasked, and stops."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from rollout.bootstrap.threads import Repeated

log = logging.getLogger(__name__)

LOOK_EVERY = 0.1  # seconds
STEADY = 60.0  # seconds; whoever ran for so long is started again at once
LONGEST_BACK_OFF = 10.0  # seconds
STOPPED_WITHIN = 7.0  # seconds; a little more than the workers have for answers that are under way
LAUNCHES = 4  # in a row that come to nothing before it is given up, where it never worked


class Supervised:
    """`ended` is called each time that it ended unasked, `gave_up` when it does so again and again without ever having
    been `proven`."""

    def __init__(
        self,
        name: str,
        module: str,
        environment: Mapping[str, str],
        *,
        gave_up: Callable[[], None] = lambda: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """`name` is for the log, `module` what is run."""
        self._name = name
        self._module = module
        self._environment = {**os.environ, **environment}
        self._gave_up = gave_up
        self._ended = ended
        self._process: subprocess.Popen[bytes] | None = None
        self._supervisor = Repeated(f"the {name}'s supervisor", self._look, LOOK_EVERY)
        self._launched_at = self._launch_at = 0.0
        self._failures = 0
        self.proven = False

    def start(self) -> None:
        self._supervisor.start()

    def stop(self, hurry: Callable[[], bool]) -> None:
        """Lets answers that are under way be finished, unless `hurry` says otherwise."""
        self._supervisor.stop()
        if self._process is None:
            return
        self._process.terminate()
        deadline = time.monotonic() + STOPPED_WITHIN
        while self._process.poll() is None and time.monotonic() < deadline and not hurry():
            time.sleep(0.02)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # the workers are in its group
        self._process.wait()

    def _look(self) -> None:
        now = time.monotonic()
        if self._process is None:
            if now >= self._launch_at:
                self._launched_at = now
                self._process = self._launched()
            return
        status = self._process.poll()
        if status is None:
            return
        self._process = None
        self._failures = 1 if now - self._launched_at > STEADY else self._failures + 1
        self._launch_at = now + _back_off(self._failures)
        log.error("the %s ended with status %s; it is started again", self._name, status)
        self._ended()
        if self._failures >= LAUNCHES and not self.proven:
            self._gave_up()

    def _launched(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", self._module],
            stdin=subprocess.DEVNULL,
            env=self._environment,
            start_new_session=True,  # Ctrl-C is for the server process, which then stops this one
        )


def _back_off(failures: int) -> float:
    """Seconds: none after the first failure, then 0.5, 1, 2 ..."""
    return 0.0 if failures <= 1 else min(0.25 * 2.0 ** (failures - 1), LONGEST_BACK_OFF)
