"""Whom this program served a flag, for the service's counts of the day: each person once a day and flag, sent in
batches by a thread. Whoever asks never waits: what finds no place is not counted, which is said once in the log.
"""

from __future__ import annotations

import json
import logging
import random
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from rollout.client.transport import Reply, Transport, Unavailable, retry_after
from rollout.core.draws import CONTROL

log = logging.getLogger("rollout.client")

SEND_EVERY = 10.0  # seconds
LONGEST_PAUSE = 300.0  # seconds
BATCH = 5000  # people
MOST_WAITING = 50_000  # people, of each flag
MOST_KNOWN = 500_000  # people and flags that are known to be counted today; some 50 MB
HOPELESS = frozenset({400, 403, 404, 405, 413, 415, 422})  # this service will not take it


def today() -> str:
    return datetime.now(UTC).date().isoformat()


class Exposer:
    """`served` may be called by any thread; the rest is for one."""

    def __init__(
        self, transport: Transport, is_counted: Callable[[str], bool], draw_of: Callable[[str], str | None]
    ) -> None:
        """`is_counted`: whether it says anything about this flag who was served it. `draw_of`: the name of the draw of
        its share, where that can be compared."""
        self._transport = transport
        self._is_counted = is_counted
        self._draw_of = draw_of
        self._draws: dict[str, str | None] = {}
        self._waiting: dict[str, set[str]] = {}
        self._known: set[int] = set()
        self._day = today()
        self._batch: Mapping[str, object] = {}  # taken from what waits, not yet taken by the service
        self._stopping = threading.Event()
        self._failures = 0
        self._refused = False
        self._said: set[str] = set()

    def served(self, name: str, subject: object) -> None:
        """This person was served the flag's on side, or is in the control group of its share: as the answer says."""
        if type(subject) is not str or self._refused:
            return
        mark = hash((name, subject))
        if mark in self._known:
            return
        people = self._waiting.get(name)
        if people is None:
            people = self._waiting.setdefault(name, set())
        if len(people) < MOST_WAITING:
            self._known.add(mark)
            people.add(subject)
        else:
            self._say("more people are served than can be counted: exposures will be too low")

    def run(self) -> None:
        pause = SEND_EVERY
        while not self._stopping.wait(pause * random.uniform(0.75, 1.25)):
            pause = self._round()

    def stop(self) -> None:
        self._stopping.set()

    def flush(self, within: float) -> None:  # noqa: ARG002  # one batch takes as long as the transport lets it
        """Sends one batch more, after the thread has ended."""
        try:
            self._send_one()
        except Exception as error:
            log.warning("exposures are lost, since the program ends and the service takes none: %s", error)
        self._transport.close()

    def _round(self) -> float:
        """Sends all there is. Gives the seconds until the next time."""
        try:
            while self._send_one() and not self._stopping.is_set():
                pass
        except Exception as error:  # of whatever kind: what waits is sent again
            self._failures += 1
            self._say(f"exposures wait, since they cannot be sent: {error}")
            asked_for = error.retry_after if isinstance(error, Unavailable) else None
            return max(min(SEND_EVERY * 2.0 ** min(self._failures, 10), LONGEST_PAUSE), asked_for or 0.0)
        self._failures = 0
        self._begin_day()
        return SEND_EVERY

    def _begin_day(self) -> None:
        """The service counts by the day, in UTC."""
        day = today()
        if day != self._day or len(self._known) > MOST_KNOWN:
            self._day, self._known = day, set()

    def _send_one(self) -> bool:
        """Whether there was something to send."""
        self._batch = self._batch or self._taken()
        if not self._batch:
            return False
        reply = self._transport.post("/v1/exposures", json.dumps(self._batch).encode())
        if reply.status in HOPELESS:
            self._give_up(reply)
        elif reply.status != 200:
            raise Unavailable(f"the service answered {reply.status}", retry_after=retry_after(reply))
        self._batch = {}
        return True

    def _taken(self) -> Mapping[str, object]:
        """Up to a batch of those who wait. Taken out one by one, nobody is lost who comes meanwhile."""
        exposures: dict[str, list[str]] = {}
        draws: dict[str, dict[str, Any]] = {}
        left = BATCH
        for name, people in tuple(self._waiting.items()):
            flag, colon, side = name.partition(":")
            if not self._is_counted(flag):
                people.clear()
            taken = [people.pop() for _ in range(min(len(people), left))]
            left -= len(taken)
            if taken and colon + side != CONTROL:
                exposures.setdefault(flag, []).extend(taken)
            share = self._draw_of(flag) if taken and colon else None
            if share is not None and not self._is_another_draw(flag, share):
                draws.setdefault(flag, {"share": share, "inside": [], "control": []})[side].extend(taken)
        if not exposures and not draws:
            return {}
        return {"exposures": exposures, **({"draws": draws} if draws else {})}

    def _is_another_draw(self, flag: str, share: str) -> bool:
        """Who waits was drawn before it, and of all others both sides are told anew."""
        before = self._draws.get(flag)
        self._draws[flag] = share
        if before not in (None, share):
            self._known = set()
        return before not in (None, share)

    def _give_up(self, reply: Reply) -> None:
        """A service that knows of no exposures, or a key that may not report any, is not asked for ever."""
        self._refused = reply.status in (403, 404, 405)
        self._say(f"exposures were refused ({reply.status}): {reply.body[:500].decode(errors='replace')}")

    def _say(self, what: str) -> None:
        if what not in self._said and len(self._said) < 100:
            self._said.add(what)
            log.warning("%s", what)
