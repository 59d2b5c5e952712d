"""No process outlives the one that started it: a server that was killed cannot stop its workers, so they watch it
themselves, and leave the port free for the next.
"""

from __future__ import annotations

import os
import signal
import threading
import time

LOOK_EVERY = 0.1  # seconds
GRACE = 0.7  # seconds for answers that are under way; all is over two seconds after the server was killed


def end_with(parent_pid: int) -> None:
    """From now on this process ends when `parent_pid` is no longer its parent."""
    threading.Thread(target=_watch, args=[parent_pid], name="parent", daemon=True).start()


def _watch(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(LOOK_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)
