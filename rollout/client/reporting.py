"""Outcomes, on their way to the service: queued by whoever reports them, sent in batches by a thread, sent again until
they are taken. Whoever reports never waits: when the queue is full, what comes is dropped, counted, and said once in
the log. Each has an id, so that one which is sent twice counts once.
"""

from __future__ import annotations

import itertools
import json
import logging
import random
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, TypeAlias

from rollout.client.transport import Reply, Transport, Unavailable, retry_after

log = logging.getLogger("rollout.client")

Outcome: TypeAlias = dict[str, Any]

MOST_QUEUED = 10_000
BATCH = 500  # outcomes
BATCH_BYTES = 256 * 1024
SEND_EVERY = 1.0  # seconds
LONGEST_PAUSE = 60.0  # seconds
HOPELESS = frozenset({400, 413, 415, 422})  # sending the same again cannot help


@dataclass(slots=True)
class Tally:
    """How many outcomes came to what end."""

    sent: int = 0
    dropped: int = 0  # the queue was full, or they could not be written as JSON
    refused: int = 0  # by the service, which says why in the log


class Reporter:
    def __init__(self, transport: Transport) -> None:
        self.tally = Tally()
        self._transport = transport
        self._queue: deque[Outcome] = deque()
        self._batch: list[str] = []  # taken from the queue, not yet taken by the service
        self._due = threading.Event()
        self._stopping = threading.Event()
        self._failures = 0
        self._full = False
        self._said: set[str] = set()
        self._drops = itertools.count(1)  # whole however many threads count

    def report(self, outcome: Outcome) -> None:
        if len(self._queue) >= MOST_QUEUED:
            self._drop()
            return
        self._full = False
        self._queue.append(outcome)
        if len(self._queue) == BATCH:
            self._due.set()

    def _drop(self) -> None:
        self.tally.dropped = next(self._drops)
        if not self._full:
            self._full = True
            log.error("outcomes are dropped: %d wait, and the service takes none", MOST_QUEUED)

    def run(self) -> None:
        pause = SEND_EVERY
        while not self._stopping.is_set():
            self._due.wait(pause) if self._failures == 0 else self._stopping.wait(pause)
            self._due.clear()
            pause = self._round()

    def stop(self) -> None:
        self._stopping.set()
        self._due.set()

    def flush(self, within: float) -> None:
        """Sends what there is, once, after the thread has ended; gives up after so many seconds."""
        deadline = time.monotonic() + within
        try:
            while (self._batch or self._queue) and time.monotonic() < deadline:
                self._send_one()
        except Exception as error:
            left = len(self._batch) + len(self._queue)
            log.warning("%d outcomes are lost, since the program ends and the service takes none: %s", left, error)
        self._transport.close()

    def _round(self) -> float:
        """Sends all there is. Gives the seconds until the next time."""
        try:
            while (self._batch or self._queue) and not self._stopping.is_set():
                self._send_one()
        except Exception as error:  # of whatever kind: what waits is sent again
            self._failures += 1
            self._say(f"outcomes wait, since they cannot be sent: {error}")
            asked_for = error.retry_after if isinstance(error, Unavailable) else None
            pause = min(SEND_EVERY * 2.0 ** min(self._failures, 10), LONGEST_PAUSE) * random.uniform(0.5, 1)
            return max(pause, asked_for or 0.0)
        if self._failures:
            log.info("outcomes are sent again")
        self._failures = 0
        return SEND_EVERY

    def _send_one(self) -> None:
        self._fill()
        if not self._batch:
            return
        reply = self._transport.post("/v1/outcomes", f'{{"outcomes":[{",".join(self._batch)}]}}'.encode())
        if reply.status in HOPELESS:
            self.tally.refused += len(self._batch)
            self._say(f"a batch of outcomes was refused ({reply.status}): {reply.body[:500].decode(errors='replace')}")
        elif reply.status != 200:
            raise Unavailable(f"the service answered {reply.status}", retry_after=retry_after(reply))
        else:
            self._taken(reply)
        self._batch = []

    def _fill(self) -> None:
        size = 0
        while not self._batch or (len(self._batch) < BATCH and size < BATCH_BYTES):
            try:
                item = json.dumps(self._queue.popleft(), allow_nan=False)
            except IndexError:
                return
            except (TypeError, ValueError, RecursionError) as error:
                self.tally.dropped = next(self._drops)
                self._say(f"an outcome cannot be written as JSON: {error}")
                continue
            self._batch.append(item)
            size += len(item)

    def _taken(self, reply: Reply) -> None:
        refused, warnings = _said(reply, "refused"), _said(reply, "warnings")
        self.tally.refused += len(refused)
        self.tally.sent += len(self._batch) - len(refused)
        for said in (*refused, *warnings):
            self._say(f"on outcomes the service says: {said}")

    def _say(self, what: str) -> None:
        """Once, and not without end."""
        if what not in self._said and len(self._said) < 100:
            self._said.add(what)
            log.warning("%s", what)


def _said(reply: Reply, name: str) -> list[str]:
    try:
        items = json.loads(reply.body)[name]
        return [str(one.get("message", one) if isinstance(one, dict) else one) for one in items]
    except (ValueError, KeyError, TypeError):
        return []
