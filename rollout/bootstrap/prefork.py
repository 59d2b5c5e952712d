"""The processes that answer: made from one that has everything imported, so that they share its memory; as many as
there shall be, each in the place of one that ended. They share one listening socket, so whoever waits to be let in is
let in by any of them, also when one ends.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable

from rollout.bootstrap.settings import Address

BACKLOG = 4096  # connections that wait to be let in
LOOK_EVERY = 0.1  # seconds
PAUSE = 0.5  # seconds before another one, where one ended within
STOPPED_WITHIN = 6.0  # seconds; then they are killed

log = logging.getLogger(__name__)

Work = Callable[[socket.socket, int], None]


def listening(address: Address) -> socket.socket:
    """Raises OSError."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address.host, address.port))
    listener.listen(BACKLOG)
    return listener


class Workers:
    """`work` is run in each, with the listening socket and the number of the process that it comes from."""

    def __init__(self, listener: socket.socket, count: int, work: Work) -> None:
        self._listener = listener
        self._count = count
        self._work = work
        self._processes: dict[int, multiprocessing.process.BaseProcess] = {}
        self._started: dict[int, float] = {}
        self._stop = threading.Event()

    def run(self) -> None:
        """Until SIGTERM; then until all have ended."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        while not self._stop.wait(LOOK_EVERY):
            for place in range(self._count):
                self._look_at(place)
        self._end()

    def _look_at(self, place: int) -> None:
        process = self._processes.get(place)
        if process is not None and process.is_alive():
            return
        if process is not None and self._processes.pop(place):
            process.join()
            log.error("worker %s ended with status %s; another takes its place", place + 1, process.exitcode)
        if time.monotonic() - self._started.get(place, -PAUSE) < PAUSE:
            return
        self._started[place] = time.monotonic()
        process = multiprocessing.get_context("fork").Process(target=self._work, args=[self._listener, os.getpid()])
        process.start()
        self._processes[place] = process

    def _end(self) -> None:
        for process in self._processes.values():
            process.terminate()
        until = time.monotonic() + STOPPED_WITHIN
        for process in self._processes.values():
            process.join(max(until - time.monotonic(), 0.0))
            if process.is_alive():
                process.kill()
                process.join()
